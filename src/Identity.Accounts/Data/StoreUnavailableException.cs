namespace Identity.Accounts.Data;

/// <summary>What a request depends on beside the relational database (Redis, MongoDB, OpenAM) cannot answer now: an outage, told as 503; nothing is let through because of it.</summary>
public sealed class StoreUnavailableException : Exception
{
    public StoreUnavailableException()
    {
    }

    public StoreUnavailableException(string message)
        : base(message)
    {
    }

    public StoreUnavailableException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
