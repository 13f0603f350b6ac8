// OpenID Connect Back-Channel Logout 1.0 §2.5: the clients that are still to be told, taken by one node at a time.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;

namespace Identity.OAuth.EndSession;

/// <summary>One client, one session that has ended.</summary>
/// <param name="Id">UUIDv7; the token's <c>jti</c>, the same however often it is sent.</param>
/// <param name="ClientId">Whom to tell.</param>
/// <param name="SessionId"><c>sid</c>.</param>
/// <param name="Subject"><c>sub</c>.</param>
/// <param name="Attempts">How often it was tried before.</param>
public sealed record LogoutNotice(Guid Id, string ClientId, string SessionId, string Subject, int Attempts);

/// <summary>Written with the end of each session (Identity.Accounts/Sessions/LogoutNotices.cs); at least once, never in a request.</summary>
public sealed class LogoutNotices(StoreDatabase database, TimeProvider timeProvider)
{
    // Longer than one client's notices take, at five seconds each. What a killed node had taken is taken again after it.
    private static readonly TimeSpan Claim = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan LongestDelay = TimeSpan.FromMinutes(10);

    private const int MostAtOnce = 50;

    /// <summary>Takes what is due, oldest first, leaving out clients that are being told already or do not answer just now.</summary>
    public async Task<IReadOnlyList<LogoutNotice>> ClaimAsync(IReadOnlyCollection<string> exceptClients, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var due = await database.ReadAsync(
            (context, token) => context.Set<LogoutNoticeRow>()
                .Where(r => r.DueAt <= now && r.ExpiresAt > now && !exceptClients.Contains(r.ClientId))
                .OrderBy(r => r.DueAt)
                .Take(MostAtOnce)
                .ToListAsync(token),
            cancellationToken);
        var until = now + Claim;
        List<LogoutNotice> claimed = [];
        foreach (var row in due)
        {
            if (await database.WriteAsync(
                (context, token) => context.Set<LogoutNoticeRow>().Where(r => r.Id == row.Id && r.DueAt == row.DueAt).ExecuteUpdateAsync(set => set.SetProperty(r => r.DueAt, until), token),
                cancellationToken) == 1)
            {
                claimed.Add(new(row.Id, row.ClientId, row.SessionId, row.AccountId.ToString("D"), row.Attempts));
            }
        }

        return claimed;
    }

    /// <summary>The client knows, or will never take it.</summary>
    public Task SettleAsync(LogoutNotice notice, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(notice);
        return database.WriteAsync((context, token) => context.Set<LogoutNoticeRow>().Where(r => r.Id == notice.Id).ExecuteDeleteAsync(token), cancellationToken);
    }

    /// <summary>It was tried and is tried again, at growing intervals of up to ten minutes, for as long as the row lives.</summary>
    public Task RetryAsync(LogoutNotice notice, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(notice);
        return DeferAsync(notice, notice.Attempts + 1, Delay(notice.Attempts), cancellationToken);
    }

    /// <summary>It was not tried: given back.</summary>
    public Task ReleaseAsync(LogoutNotice notice, TimeSpan delay, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(notice);
        return DeferAsync(notice, notice.Attempts, delay, cancellationToken);
    }

    public static TimeSpan Delay(int attempts) => TimeSpan.FromSeconds(Math.Min(LongestDelay.TotalSeconds, 5 * Math.Pow(2, Math.Min(attempts, 10))));

    private Task DeferAsync(LogoutNotice notice, int attempts, TimeSpan delay, CancellationToken cancellationToken)
    {
        var at = timeProvider.GetUtcNow() + delay;
        return database.WriteAsync(
            (context, token) => context.Set<LogoutNoticeRow>().Where(r => r.Id == notice.Id).ExecuteUpdateAsync(set => set.SetProperty(r => r.DueAt, at).SetProperty(r => r.Attempts, attempts), token),
            cancellationToken);
    }
}
