namespace Identity.Accounts.Passwords;

/// <summary>
/// More passwords wait to be hashed than can be served in some seconds: told as 503, as an outage is, and whoever is told so can try again. Nothing is broken, so no
/// log has an error line of it; <see cref="PasswordHashing"/> warns of it once a minute.
/// </summary>
public sealed class HashingBusyException : Exception
{
    public HashingBusyException()
        : base("Too many passwords wait to be hashed.")
    {
    }

    public HashingBusyException(string message)
        : base(message)
    {
    }

    public HashingBusyException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
