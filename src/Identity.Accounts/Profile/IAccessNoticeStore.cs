using Identity.Accounts.Delivery.Mail;

namespace Identity.Accounts.Profile;

/// <summary>A "this wasn't me" link as it is kept.</summary>
/// <param name="Key">Hash of the link's secret.</param>
/// <param name="AccountId">Whose account changed.</param>
/// <param name="Change">What was told.</param>
/// <param name="EmailBefore">The proven address that the change replaces; null: the link brings none back.</param>
/// <param name="ExpiresAt">When it is worth nothing.</param>
public sealed record AccessNotice(string Key, Guid AccountId, AccessChange Change, string? EmailBefore, DateTimeOffset ExpiresAt);

/// <summary>The links that were sent. One is used once, with the change of the account that it is for (<see cref="AccountConsequences.DisownedBy"/>).</summary>
public interface IAccessNoticeStore
{
    /// <summary>For what no store writes itself: the others write a notice in the transaction of what it tells of.</summary>
    Task AddAsync(Notice notice, CancellationToken cancellationToken);

    /// <summary>Null: unknown, used or expired.</summary>
    Task<AccessNotice?> FindAsync(string key, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Those of the account that still work and were sent with this one or after it, the oldest first.</summary>
    Task<IReadOnlyList<AccessNotice>> ListSinceAsync(AccessNotice notice, CancellationToken cancellationToken);
}
