namespace Identity.ServiceDefaults.Settings;

/// <summary>
/// The start cannot go on, for a reason the operator can mend. The message is one line, fit to be printed alone and never holding
/// a secret; hosts print it and exit with code 1, without a stack trace.
/// </summary>
public sealed class StartFailureException : Exception
{
    public StartFailureException()
    {
    }

    public StartFailureException(string message)
        : base(message)
    {
    }

    public StartFailureException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
