namespace Identity.Accounts.Data;

/// <summary>A store beside the relational database (Redis, MongoDB) cannot answer now: an outage, told as 503; nothing is let through because of it.</summary>
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
