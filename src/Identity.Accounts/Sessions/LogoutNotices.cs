// OpenID Connect Back-Channel Logout 1.0 §2.3: who has to be told that a session has ended is written down in the transaction that ends it.
using Identity.Accounts.Data.Tables;

namespace Identity.Accounts.Sessions;

internal static class LogoutNotices
{
    // A client that is away for longer learns of it when it next uses a token of the session.
    private static readonly TimeSpan Life = TimeSpan.FromHours(1);

    /// <summary>Adds a notice for each client of the session that is to be told; the caller saves.</summary>
    public static void Add(IdentityDbContext context, string sessionId, Guid accountId, string toldClientIds, DateTimeOffset now) =>
        context.AddRange(toldClientIds.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(client => new LogoutNoticeRow
        {
            Id = Guid.CreateVersion7(now),
            ClientId = client,
            SessionId = sessionId,
            AccountId = accountId,
            DueAt = now,
            ExpiresAt = now + Life,
        }));
}
