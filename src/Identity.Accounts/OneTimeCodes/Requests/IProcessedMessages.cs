namespace Identity.Accounts.OneTimeCodes.Requests;

/// <summary>How a message id was found.</summary>
public enum MessageState
{
    /// <summary>New, and the caller's to work on until the claim runs out.</summary>
    Claimed,

    /// <summary>Begun before and not finished: by one that was killed, or that gave it back. The caller's to work on as well.</summary>
    ClaimedAgain,

    /// <summary>Somebody else works on it.</summary>
    Busy,

    /// <summary>Its work was done.</summary>
    Done,

    /// <summary>The part that cannot be undone was begun, and whoever began it did not come back: it may have been done or not, and may not be begun again.</summary>
    InDoubt,
}

/// <summary>What became of a claim.</summary>
/// <param name="State">How it was found.</param>
/// <param name="Answer">What was answered, where <see cref="MessageState.Done"/>.</param>
public sealed record MessageClaim(MessageState State, string? Answer);

/// <summary>
/// Which messages were worked on, over all workers and restarts. A message is claimed, its work prepared, and then
/// <see cref="TryCommitAsync"/>, or <see cref="TryBeginAsync"/> where that part takes time, decides who does the part that cannot be undone: exactly one caller ever does.
/// </summary>
public interface IProcessedMessages
{
    /// <summary>Claims an id that is new, or whose claim ran out or was given back; for exactly one of those who ask at once.</summary>
    Task<MessageClaim> ClaimAsync(string messageId, Guid claim, DateTimeOffset now, DateTimeOffset claimedUntil, DateTimeOffset expiresAt, CancellationToken cancellationToken);

    /// <summary>One atomic statement: true if <paramref name="claim"/> still holds the id; the answer is kept until <paramref name="expiresAt"/>.</summary>
    Task<bool> TryCommitAsync(string messageId, Guid claim, string answer, DateTimeOffset expiresAt, CancellationToken cancellationToken);

    /// <summary>
    /// As <see cref="TryCommitAsync"/>, but what is committed to is only begun: the id is busy until <paramref name="until"/> and in doubt after it,
    /// unless <see cref="HoldAsync"/> says before that it takes longer, or <see cref="EndAsync"/> that it was done.
    /// </summary>
    Task<bool> TryBeginAsync(string messageId, Guid claim, string answer, DateTimeOffset until, DateTimeOffset expiresAt, CancellationToken cancellationToken);

    /// <summary>What <see cref="TryBeginAsync"/> began is still being done: busy until <paramref name="until"/>.</summary>
    Task HoldAsync(string messageId, Guid claim, DateTimeOffset until, CancellationToken cancellationToken);

    /// <summary>What <see cref="TryBeginAsync"/> began was done.</summary>
    Task EndAsync(string messageId, Guid claim, CancellationToken cancellationToken);

    /// <summary>
    /// Gives the id back if <paramref name="claim"/> holds it, committed or not: its work failed, and whoever claims it next begins it again
    /// (<see cref="MessageState.ClaimedAgain"/>).
    /// </summary>
    Task ReleaseAsync(string messageId, Guid claim, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Forgets the id if <paramref name="claim"/> holds it: nothing was done for it, and it is new to whoever claims it next.</summary>
    Task ForgetAsync(string messageId, Guid claim, CancellationToken cancellationToken);
}
