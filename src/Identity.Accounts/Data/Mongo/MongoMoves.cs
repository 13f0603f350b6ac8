using System.Diagnostics.Metrics;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Data.Mongo;

/// <summary>
/// The repair job: carries over rows that a crash or an outage left waiting (at the first start with MONGO_URI, all there are), and
/// removes documents whose account is gone (<see cref="MongoOrphans"/>). Every minute; any number of nodes may do it. Meter <c>Identity.Stores</c>.
/// </summary>
internal sealed partial class MongoMoves : BackgroundService
{
    private const int BatchSize = 500;

    private static readonly TimeSpan s_interval = TimeSpan.FromMinutes(1);

    private readonly MongoCredentialStore _credentials;
    private readonly MongoMetadataStore _metadata;
    private readonly IReadOnlyList<MongoSecrets> _secrets;
    private readonly MongoOrphans _orphans;
    private readonly CredentialHome _home;
    private readonly StoreDatabase _database;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger<MongoMoves> _logger;
    private readonly Meter _meter;
    private readonly Counter<long> _repaired;
    private long _waiting;
    private int _turn;

    public MongoMoves(MongoCredentialStore credentials, MongoMetadataStore metadata, IEnumerable<MongoSecrets> secrets, MongoOrphans orphans, CredentialHome home, StoreDatabase database, IMeterFactory meters, TimeProvider timeProvider, ILogger<MongoMoves> logger)
    {
        (_credentials, _metadata, _orphans, _home, _database, _timeProvider, _logger) = (credentials, metadata, orphans, home, database, timeProvider, logger);
        _secrets = [.. secrets];
        _meter = meters.Create(StoreMetrics.MeterName);
        _repaired = _meter.CreateCounter<long>("identity.credentials.repaired", "{half}", "Halves finished (moved) or removed (orphan), by kind");
        _meter.CreateObservableGauge("identity.credentials.waiting", () => Volatile.Read(ref _waiting), "{half}", "Rows that wait to be moved to MongoDB, as last counted");
    }

    /// <summary>Moves everything that waits; how much it was. It may be stopped at any point and begun again. While credentials are brought back nothing waits.</summary>
    public Task<int> MoveAllAsync(Action<int>? progress, CancellationToken cancellationToken) => MoveAsync(_secrets, progress, cancellationToken);

    private async Task<int> MoveAsync(IReadOnlyList<MongoSecrets> secrets, Action<int>? progress, CancellationToken cancellationToken)
    {
        if (await _home.IsLeftAsync(cancellationToken))
        {
            return 0;
        }

        var moved = 0;
        Guid? after = null;
        while (true)
        {
            var rows = await _database.ReadAsync(
                (context, token) => (after is { } id ? context.Credentials.Where(r => r.AccountId > id) : context.Credentials).OrderBy(r => r.AccountId).Take(BatchSize).ToListAsync(token),
                cancellationToken);
            if (rows.Count == 0)
            {
                break;
            }

            foreach (var row in rows)
            {
                await _credentials.MoveAsync(MongoCredentialStore.Map(row), cancellationToken);
                moved++;
                progress?.Invoke(moved);
            }

            after = rows[^1].AccountId;
        }

        after = null;
        while (true)
        {
            var ids = await _database.ReadAsync(
                (context, token) => (after is { } id ? context.Metadata.Where(r => r.AccountId > id) : context.Metadata).OrderBy(r => r.AccountId).Select(r => r.AccountId).Take(BatchSize).ToListAsync(token),
                cancellationToken);
            if (ids.Count == 0)
            {
                break;
            }

            foreach (var id in ids)
            {
                await _metadata.MoveAsync(id, cancellationToken);
                moved++;
                progress?.Invoke(moved);
            }

            after = ids[^1];
        }

        foreach (var one in secrets)
        {
            var before = moved;
            moved += await one.MoveAllAsync(count => progress?.Invoke(before + count), cancellationToken);
        }

        if (moved > 0)
        {
            _repaired.Add(moved, new KeyValuePair<string, object?>("kind", "moved"));
        }

        return moved;
    }

    /// <summary>Removes documents whose account is gone; how many.</summary>
    public async Task<int> RemoveOrphansAsync(CancellationToken cancellationToken)
    {
        var removed = await _orphans.RemoveAsync(isConfirmed: false, cancellationToken);
        if (removed > 0)
        {
            _repaired.Add(removed, new KeyValuePair<string, object?>("kind", "orphan"));
        }

        return removed;
    }

    public override void Dispose()
    {
        _meter.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // A series that is born at its first repair has not increased: no alarm would see that one.
        foreach (var kind in (string[])["moved", "orphan"])
        {
            _repaired.Add(0, new KeyValuePair<string, object?>("kind", kind));
        }

        try
        {
            while (true)
            {
                try
                {
                    // All rows that have a secret, and all documents, are looked at for this: twice an hour, and what this process left behind at once.
                    var isThorough = _turn++ % 30 == 0;
                    var secrets = _secrets.Where(one => isThorough || one.IsBehind).ToArray();
                    Volatile.Write(ref _waiting, await _home.IsLeftAsync(stoppingToken) ? 0 : await CountWaitingAsync(secrets, stoppingToken));
                    var count = await MoveAsync(secrets, progress: null, stoppingToken);
                    count += isThorough ? await RemoveOrphansAsync(stoppingToken) : 0;
                    Volatile.Write(ref _waiting, 0);
                    if (count > 0)
                    {
                        LogRepaired(count);
                    }
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    LogFailed(exception);
                }

                await Task.Delay(s_interval * (0.75 + (Random.Shared.NextDouble() / 2)), _timeProvider, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Told to stop; the next one goes on where this one was.
        }
    }

    private async Task<long> CountWaitingAsync(MongoSecrets[] secrets, CancellationToken cancellationToken)
    {
        var count = await _database.ReadAsync((context, token) => context.Credentials.LongCountAsync(token), cancellationToken);
        foreach (var one in secrets)
        {
            count += await one.CountWaitingAsync(cancellationToken);
        }

        return count;
    }

    [LoggerMessage(2831, LogLevel.Information, "{Count} credentials and documents were moved to MongoDB or removed with their account")]
    private partial void LogRepaired(int count);

    [LoggerMessage(2832, LogLevel.Error, "The repair of credentials failed and is tried again at its next turn")]
    private partial void LogFailed(Exception exception);
}
