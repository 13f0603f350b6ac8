namespace Identity.Accounts.OneTimeCodes.Requests;

/// <summary>How a message id was found.</summary>
public enum MessageState
{
    /// <summary>The caller's to work on, until the claim runs out.</summary>
    Claimed,

    /// <summary>Somebody else works on it.</summary>
    Busy,

    /// <summary>Its work was done, or was begun and may not be begun again.</summary>
    Done,
}

/// <summary>What became of a claim.</summary>
/// <param name="State">How it was found.</param>
/// <param name="Answer">What was answered, where <see cref="MessageState.Done"/>.</param>
public sealed record MessageClaim(MessageState State, string? Answer);

/// <summary>
/// Which messages were worked on, over all workers and restarts. A message is claimed, its work prepared, and then
/// <see cref="TryCommitAsync"/> decides who does the part that cannot be undone: exactly one caller ever does.
/// </summary>
public interface IProcessedMessages
{
    /// <summary>One atomic statement: claims an id that is new, or whose claim ran out before it was committed.</summary>
    Task<MessageClaim> ClaimAsync(string messageId, Guid claim, DateTimeOffset now, DateTimeOffset claimedUntil, DateTimeOffset expiresAt, CancellationToken cancellationToken);

    /// <summary>One atomic statement: true if <paramref name="claim"/> still holds the id; the answer is kept until <paramref name="expiresAt"/>.</summary>
    Task<bool> TryCommitAsync(string messageId, Guid claim, string answer, DateTimeOffset expiresAt, CancellationToken cancellationToken);

    /// <summary>Forgets the id if <paramref name="claim"/> holds it, committed or not: its work failed and may be begun again.</summary>
    Task ReleaseAsync(string messageId, Guid claim, CancellationToken cancellationToken);
}
