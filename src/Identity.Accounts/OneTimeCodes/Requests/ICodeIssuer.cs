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
    public sealed record Refused(string Message) : CodeIssue;

    /// <summary>Made, but the caller said no before it was sent.</summary>
    public sealed record Withheld : CodeIssue;
}

/// <summary>Makes and delivers one-time codes for requests that come by message. Throws where it failed for a passing reason.</summary>
public interface ICodeIssuer
{
    /// <summary>
    /// Counts the request against the limits of whom it is for; null where it may go on. Once for a request, however often it has to be
    /// begun again: five failed deliveries of one code are not five codes.
    /// </summary>
    Task<CodeIssue.Refused?> AdmitAsync(CodeRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Makes a code for a request that was admitted; asks <paramref name="beforeDelivery"/> once it is stored and before it is sent, and sends it only on true.
    /// For an unknown account it asks as well.
    /// </summary>
    Task<CodeIssue> IssueAsync(CodeRequest request, Func<CodeRequestAnswer, CancellationToken, Task<bool>> beforeDelivery, CancellationToken cancellationToken);
}
