using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Events;

/// <summary>
/// Order within one account, for any number of writers and workers:
/// writers take a lock per account before they append, so an account's sequence numbers are in the order of its commits;
/// workers claim under one lock, and pass over accounts that have an earlier message in another claim.
/// </summary>
public sealed class SqlOutbox(StoreDatabase database)
{
    /// <summary>Appends events to the transaction that makes them true. Called last, so that its locks are held shortest.</summary>
    public static async Task AppendAsync(StoreDatabase database, IdentityDbContext context, IReadOnlyList<LifecycleEvent> events, CancellationToken cancellationToken)
    {
        if (events.Count == 0)
        {
            return;
        }

        foreach (var accountId in events.Select(e => e.AccountId).Distinct().Order())
        {
            await LockAsync(database, context, accountId, cancellationToken);
        }

        // One by one: a batch may be given its numbers in another order than it was added in.
        foreach (var lifecycleEvent in events)
        {
            context.Add(Row(lifecycleEvent));
            await context.SaveChangesAsync(cancellationToken);
        }
    }

    public static OutboxRow Row(LifecycleEvent lifecycleEvent) => new()
    {
        Exchange = lifecycleEvent.Exchange,
        RoutingKey = lifecycleEvent.Type,
        MessageId = lifecycleEvent.Id,
        AccountId = lifecycleEvent.AccountId,
        Body = lifecycleEvent.ToCloudEvent().ToJsonString(),
        CreatedAt = lifecycleEvent.Time,
        TraceParent = lifecycleEvent.TraceParent,
    };

    /// <summary>The account's lock, until the end of the transaction.</summary>
    public static Task LockAsync(StoreDatabase database, IdentityDbContext context, Guid accountId, CancellationToken cancellationToken) =>
        database.Dialect.LockAsync(context, "outbox:" + accountId.ToString("N"), cancellationToken);

    /// <summary>Claims up to <paramref name="limit"/> of the oldest messages until <paramref name="claimedUntil"/>; unpublished ones come back after that.</summary>
    public async Task<IReadOnlyList<OutboxMessage>> ClaimAsync(string worker, int limit, DateTimeOffset now, DateTimeOffset claimedUntil, CancellationToken cancellationToken)
    {
        // An idle worker asks often: without a lock and without a write where there is nothing.
        if (!await database.ReadAsync((context, token) => Claimable(context, now).AnyAsync(token), cancellationToken))
        {
            return [];
        }

        return await database.TransactAsync(
            async (context, token) =>
            {
                await database.Dialect.LockAsync(context, "outbox-claim", token);
                var rows = await Claimable(context, now).OrderBy(r => r.Sequence).Take(limit).ToListAsync(token);
                var sequences = rows.Select(r => r.Sequence).ToArray();
                await context.Outbox
                    .Where(r => sequences.Contains(r.Sequence))
                    .ExecuteUpdateAsync(set => set.SetProperty(r => r.ClaimedBy, worker).SetProperty(r => r.ClaimedUntil, claimedUntil), token);
                return (IReadOnlyList<OutboxMessage>)[.. rows.Select(r => new OutboxMessage(r.Sequence, r.Exchange, r.RoutingKey, r.MessageId, r.AccountId, r.Body, r.CreatedAt, r.TraceParent))];
            },
            cancellationToken);
    }

    /// <summary>Forgets messages that were confirmed.</summary>
    public Task CompleteAsync(string worker, IReadOnlyList<long> sequences, CancellationToken cancellationToken)
    {
        var all = sequences.ToArray();
        return all.Length == 0 ? Task.CompletedTask : database.WriteAsync(
            (context, token) => context.Outbox.Where(r => r.ClaimedBy == worker && all.Contains(r.Sequence)).ExecuteDeleteAsync(token),
            cancellationToken);
    }

    /// <summary>Keeps claimed messages from everybody until then.</summary>
    public Task PutOffAsync(string worker, IReadOnlyList<long> sequences, DateTimeOffset until, CancellationToken cancellationToken)
    {
        var all = sequences.ToArray();
        return all.Length == 0 ? Task.CompletedTask : database.WriteAsync(
            (context, token) => context.Outbox
                .Where(r => r.ClaimedBy == worker && all.Contains(r.Sequence))
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.ClaimedUntil, until), token),
            cancellationToken);
    }

    /// <summary>Gives claimed messages back at once (not sent, not heard of, shutting down).</summary>
    public Task ReleaseAsync(string worker, IReadOnlyList<long> sequences, CancellationToken cancellationToken)
    {
        var all = sequences.ToArray();
        return all.Length == 0 ? Task.CompletedTask : database.WriteAsync(
            (context, token) => context.Outbox
                .Where(r => r.ClaimedBy == worker && all.Contains(r.Sequence))
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.ClaimedBy, (string?)null).SetProperty(r => r.ClaimedUntil, (DateTimeOffset?)null), token),
            cancellationToken);
    }

    public async Task<OutboxStatus> StatusAsync(CancellationToken cancellationToken)
    {
        var (depth, oldest) = await database.ReadAsync(
            async (context, token) => (
                await context.Outbox.LongCountAsync(token),
                await context.Outbox.OrderBy(r => r.Sequence).Select(r => (DateTimeOffset?)r.CreatedAt).FirstOrDefaultAsync(token)),
            cancellationToken);
        return new(depth, oldest);
    }

    private static IQueryable<OutboxRow> Claimable(IdentityDbContext context, DateTimeOffset now) => context.Outbox
        .Where(r => r.ClaimedUntil == null || r.ClaimedUntil <= now)
        .Where(r => !context.Outbox.Any(earlier => earlier.AccountId == r.AccountId && earlier.Sequence < r.Sequence && earlier.ClaimedUntil > now));
}
