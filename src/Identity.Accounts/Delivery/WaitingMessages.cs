// Messages that wait in the store: claimed by one process at a time, free again when the claim runs out, put off with growing waits.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Delivery;

/// <summary>A row that waits to be sent.</summary>
internal interface IWaitingMessage
{
    Guid Id { get; }

    DateTimeOffset NextAttemptAt { get; }

    int Attempts { get; }

    string? ClaimedBy { get; }

    DateTimeOffset? ClaimedUntil { get; }
}

/// <summary>Who may send which of them, and when again.</summary>
/// <param name="database">Where they wait.</param>
/// <param name="claim">How long a claim holds: longer than a batch can take.</param>
/// <param name="longestWait">The most that one is put off.</param>
internal sealed class WaitingMessages<TRow>(StoreDatabase database, TimeSpan claim, TimeSpan longestWait)
    where TRow : class, IWaitingMessage
{
    private static readonly TimeSpan s_firstWait = TimeSpan.FromSeconds(1);

    private readonly string _worker = $"{Environment.MachineName}:{Environment.ProcessId}:{Guid.NewGuid():N}";

    /// <summary>What is due, and nobody works on.</summary>
    public static IQueryable<TRow> Due(IdentityDbContext context, DateTimeOffset now) =>
        context.Set<TRow>().Where(r => r.NextAttemptAt <= now && (r.ClaimedUntil == null || r.ClaimedUntil <= now));

    /// <summary>Within the transaction that found them due, under a lock of whoever claims such.</summary>
    public async Task ClaimAsync(IdentityDbContext context, Guid[] ids, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var until = now + claim;
        await context.Set<TRow>()
            .Where(r => ids.Contains(r.Id))
            .ExecuteUpdateAsync(set => set.SetProperty(r => r.ClaimedBy, _worker).SetProperty(r => r.ClaimedUntil, until), cancellationToken);
    }

    /// <summary>Sent, or given up; nothing, where the claim ran out and another has it.</summary>
    public Task DeleteAsync(TRow message) => database.WriteAsync(
        (context, token) => Claimed(context, message.Id).ExecuteDeleteAsync(token),
        CancellationToken.None);

    /// <summary>Tried in vain once more, and free for anybody from <paramref name="at"/> on.</summary>
    public Task PutOffAsync(TRow message, DateTimeOffset at)
    {
        var attempts = message.Attempts + 1;
        return database.WriteAsync(
            (context, token) => Claimed(context, message.Id).ExecuteUpdateAsync(
                set => set
                    .SetProperty(r => r.NextAttemptAt, at)
                    .SetProperty(r => r.Attempts, attempts)
                    .SetProperty(r => r.ClaimedBy, (string?)null)
                    .SetProperty(r => r.ClaimedUntil, (DateTimeOffset?)null),
                token),
            CancellationToken.None);
    }

    /// <summary>Doubled with each attempt, with jitter, so that what failed together does not come again together.</summary>
    public TimeSpan Wait(TRow message) => Jittered(s_firstWait * Math.Pow(2, Math.Min(message.Attempts, 16)));

    /// <summary>The longest there is, with jitter.</summary>
    public TimeSpan LongestWait() => Jittered(longestWait);

    private TimeSpan Jittered(TimeSpan wait) => (wait < longestWait ? wait : longestWait) * (0.75 + (Random.Shared.NextDouble() / 2));

    private IQueryable<TRow> Claimed(IdentityDbContext context, Guid id) => context.Set<TRow>().Where(r => r.Id == id && r.ClaimedBy == _worker);
}
