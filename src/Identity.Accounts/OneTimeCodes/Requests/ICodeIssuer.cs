namespace Identity.Accounts.OneTimeCodes.Requests;

/// <summary>What came of asking for a code.</summary>
public abstract record CodeIssue
{
    private CodeIssue()
    {
    }

    /// <summary>Handed to its channel, or, for an unknown account, to nobody: the answer looks the same.</summary>
    public sealed record Sent(CodeRequestAnswer Answer) : CodeIssue;

    /// <summary>Not made, and asking again at once would not help; the message is for the one who asked.</summary>
    /// <param name="Message">Why.</param>
    /// <param name="IsPassing">Asking again later would help.</param>
    /// <param name="IsUnreadable">It names nobody that there could be: it is no request, whoever has an account.</param>
    public sealed record Refused(string Message, bool IsPassing = false, bool IsUnreadable = false) : CodeIssue;

    /// <summary>Made, and whoever was to carry it said that it never will, to this address: there is nothing to try again.</summary>
    public sealed record Undeliverable : CodeIssue;

    /// <summary>Made, and not handed over for a passing reason.</summary>
    /// <param name="Kind">Of the failure. Its words are a server's, and may hold the person's address.</param>
    public sealed record Undelivered(string Kind) : CodeIssue;

    /// <summary>Made, but the caller said no before it was sent.</summary>
    public sealed record Withheld : CodeIssue;
}

/// <summary>Makes and delivers one-time codes for requests that come by message. Throws where a store failed, and where delivery ended with <c>cancellationToken</c>.</summary>
public interface ICodeIssuer
{
    /// <summary>
    /// Counts the request against the limits of whom it is for; null where it may go on. Once for a request, however often it has to be
    /// begun again: five failed deliveries of one code are not five codes.
    /// </summary>
    Task<CodeIssue.Refused?> AdmitAsync(CodeRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Makes a code for a request that was admitted; asks <paramref name="beforeDelivery"/> once it is stored and before it is sent, and sends it only on true.
    /// For an unknown account it asks as well. <paramref name="cancellationToken"/> ends it where the message was not handed over yet.
    /// </summary>
    Task<CodeIssue> IssueAsync(CodeRequest request, Func<CodeRequestAnswer, CancellationToken, Task<bool>> beforeDelivery, CancellationToken cancellationToken);
}
