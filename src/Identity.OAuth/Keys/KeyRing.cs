// RFC 7517 and OpenID Connect Core §10.1.1: signing keys made by themselves, rotated ahead of time and published early.
using Identity.OAuth.Tokens;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace Identity.OAuth.Keys;

/// <summary>What a rotation by hand came to.</summary>
public abstract record KeyRotation
{
    private KeyRotation()
    {
    }

    public sealed record Made(StoredSigningKey Key) : KeyRotation;

    /// <summary>The next key is published already, and signs no later than the one that was asked for would.</summary>
    public sealed record NextIsThere(StoredSigningKey Key) : KeyRotation;
}

/// <summary>
/// The signing keys of all nodes. A key is published before it signs, and after it signed its last token until that token has died.
/// The ring is read again every half minute, so a key made by one node is known to all long before it signs. While the store does not answer, what is known
/// is used for five minutes.
/// </summary>
public sealed class KeyRing(SigningKeyStore store, KeyProtector protector, PrivateKeySource newKey, IOptions<OAuthOptions> options, TimeProvider timeProvider, ILogger<KeyRing> logger) : IDisposable
{
    private static readonly TimeSpan RefreshEvery = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromSeconds(5);

    // As long as others may keep the key set. Keys are published long before they sign, so what is known is right for much longer.
    private static readonly TimeSpan UsableFor = TimeSpan.FromMinutes(5);

    // Far more than a read takes; a database that hangs takes its time for every one.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly Lock _turn = new();
    private volatile Ring? _ring;
    private Reading? _reading;
    private long? _failedAt;
    private ConfigurationReloadToken _changed = new();

    /// <summary>Signals that the published keys are others now.</summary>
    public IChangeToken Changed => Volatile.Read(ref _changed);

    /// <summary>The keys of the last look at the store; none before the first (<see cref="RefreshAsync"/> at start).</summary>
    public IReadOnlyCollection<SigningKey> Published => _ring?.ByKid.Values ?? (IReadOnlyCollection<SigningKey>)[];

    /// <summary>The key that signs with <paramref name="algorithm"/> now.</summary>
    /// <exception cref="ArgumentException">The algorithm is not one of <see cref="SigningKey.SupportedAlgorithms"/>.</exception>
    public async ValueTask<SigningKey> GetSigningKeyAsync(string algorithm, CancellationToken cancellationToken)
    {
        var ring = await GetAsync(cancellationToken);
        var now = timeProvider.GetUtcNow();
        SigningKey? newest = null;
        foreach (var (stored, key) in ring.Keys)
        {
            // None active yet happens where the clock was set back: the oldest, which is known everywhere, then signs on.
            if (string.Equals(stored.Algorithm, algorithm, StringComparison.Ordinal) && (newest is null || stored.ActivatesAt <= now))
            {
                newest = key;
            }
        }

        return newest ?? throw new ArgumentException("No signing key for this algorithm.", nameof(algorithm));
    }

    /// <summary>The published key with this <c>kid</c>, for verifying what we signed; null if there is none.</summary>
    public async ValueTask<SigningKey?> FindAsync(string? kid, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(kid))
        {
            return null;
        }

        var ring = await GetAsync(cancellationToken);
        if (ring.ByKid.TryGetValue(kid, out var key))
        {
            return key;
        }

        // Another node may have made it since (a ring replaced by hand is used at once). Anybody can send unknown ids, so not for each of them.
        return timeProvider.GetUtcNow() - ring.ReadAt >= LookAgainAfter
            ? (await GetSlowAsync(LookAgainAfter, cancellationToken)).ByKid.GetValueOrDefault(kid)
            : null;
    }

    /// <summary>Reads the store again where the last look is half a minute old.</summary>
    public async ValueTask EnsureFreshAsync(CancellationToken cancellationToken) => await GetAsync(cancellationToken);

    /// <summary>Reads the store, makes what is missing or due, and forgets what is dead. Also the warm-up at start.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            await ReadAsync(cancellationToken);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Makes and publishes the next key of an algorithm before its time. Of two that do so at once, one does.</summary>
    /// <param name="algorithm">One of <see cref="SigningKey.SupportedAlgorithms"/>.</param>
    /// <param name="soon">It signs as soon as every node knows it, instead of <see cref="OAuthOptions.KeyPublishAhead"/> later.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<KeyRotation> RotateAsync(string algorithm, bool soon, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var newest = await NewestAsync(algorithm, cancellationToken) ?? throw new ArgumentException("No signing key for this algorithm.", nameof(algorithm));
        var activatesAt = now + (soon ? 2 * RefreshEvery : options.Value.KeyPublishAhead);
        if (newest.ActivatesAt > now && newest.ActivatesAt <= activatesAt)
        {
            return new KeyRotation.NextIsThere(newest);
        }

        var pkcs8 = newKey(algorithm);
        var made = new StoredSigningKey(SigningKey.Import(algorithm, pkcs8).Kid, algorithm, newest.Ordinal + 1, protector.Protect(pkcs8), now, activatesAt, RetiresAt: null);
        if (!await store.TryAddAsync(made, cancellationToken))
        {
            return new KeyRotation.NextIsThere((await NewestAsync(algorithm, cancellationToken))!);
        }

        logger.KeyMade(made.Kid, algorithm, made.Ordinal, activatesAt);
        await RefreshAsync(cancellationToken);
        return new KeyRotation.Made(made);
    }

    public void Dispose() => _gate.Dispose();

    private async Task<StoredSigningKey?> NewestAsync(string algorithm, CancellationToken cancellationToken) =>
        (await store.ListAsync(cancellationToken)).Where(key => string.Equals(key.Algorithm, algorithm, StringComparison.Ordinal)).MaxBy(key => key.Ordinal);

    private ValueTask<Ring> GetAsync(CancellationToken cancellationToken)
    {
        var ring = _ring;
        return ring is not null && timeProvider.GetUtcNow() - ring.ReadAt < RefreshEvery ? new(ring) : new(GetSlowAsync(RefreshEvery, cancellationToken));
    }

    // Whoever comes while the store is being read waits for that read and shares what comes of it. Where what is known will do, nobody waits for long, and a
    // store that failed is not asked by each: one that hangs would else hold them up one behind the other.
    private async Task<Ring> GetSlowAsync(TimeSpan maximumAge, CancellationToken cancellationToken)
    {
        Ring? known;
        Reading reading;
        lock (_turn)
        {
            var age = _ring is { } ring ? timeProvider.GetUtcNow() - ring.ReadAt : TimeSpan.MaxValue;
            if (age < maximumAge)
            {
                return _ring!;
            }

            // A key that nobody here knows is looked for in the store, or not at all.
            known = maximumAge == RefreshEvery && age < UsableFor ? _ring : null;
            if (known is not null && _failedAt is { } failedAt && timeProvider.GetElapsedTime(failedAt) < LookAgainAfter)
            {
                return known;
            }

            reading = _reading ??= Begin();
        }

        if (known is null)
        {
            return await reading.Task.WaitAsync(cancellationToken);
        }

        try
        {
            // The store's answer alone: making a key may take longer, and whoever waits for that has a store that answers.
            var rest = Patience - timeProvider.GetElapsedTime(reading.StartedAt);
            await reading.Answered.WaitAsync(rest > TimeSpan.Zero ? rest : TimeSpan.Zero, timeProvider, cancellationToken);
            return await reading.Task.WaitAsync(cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested && (exception is TimeoutException || reading.Task.IsFaulted))
        {
            return known;
        }
    }

    private Reading Begin()
    {
        var answered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return new Reading(timeProvider.GetTimestamp(), answered.Task, ReadOnceAsync(answered));
    }

    // For all who wait, so none of them ends it by going away.
    private async Task<Ring> ReadOnceAsync(TaskCompletionSource answered)
    {
        // Out of the lock that it is started in.
        await Task.Yield();
        var hasFailed = true;
        try
        {
            await _gate.WaitAsync();
            try
            {
                var ring = await ReadAsync(CancellationToken.None, answered);
                hasFailed = false;
                return ring;
            }
            finally
            {
                _gate.Release();
            }
        }
        catch (Exception exception)
        {
            logger.KeysNotRead(exception);
            throw;
        }
        finally
        {
            lock (_turn)
            {
                (_reading, _failedAt) = (null, hasFailed ? timeProvider.GetTimestamp() : null);
            }

            answered.TrySetResult();
        }
    }

    private async Task<Ring> ReadAsync(CancellationToken cancellationToken, TaskCompletionSource? answered = null)
    {
        var now = timeProvider.GetUtcNow();
        var stored = await store.ListAsync(cancellationToken);
        answered?.TrySetResult();
        if (await MaintainAsync(stored, now, cancellationToken))
        {
            stored = await store.ListAsync(cancellationToken);
        }

        var known = _ring?.ByKid;
        var keys = stored
            .Where(key => key.RetiresAt is null || key.RetiresAt > now)
            .OrderBy(key => key.Ordinal)
            .Select(key => (key, known?.GetValueOrDefault(key.Kid) ?? SigningKey.Import(key.Algorithm, protector.Unprotect(key.ProtectedKey))))
            .ToArray();
        var ring = _ring = new Ring(now, keys);
        if (known is null || known.Count != ring.ByKid.Count || !known.Keys.All(ring.ByKid.ContainsKey))
        {
            Interlocked.Exchange(ref _changed, new()).OnReload();
        }

        return ring;
    }

    private async Task<bool> MaintainAsync(IReadOnlyList<StoredSigningKey> stored, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var settings = options.Value;
        var changed = false;
        foreach (var algorithm in SigningKey.SupportedAlgorithms)
        {
            var keys = stored.Where(key => string.Equals(key.Algorithm, algorithm, StringComparison.Ordinal)).OrderBy(key => key.Ordinal).ToArray();
            var newest = keys.LastOrDefault();
            if (newest is null)
            {
                changed |= await AddAsync(algorithm, ordinal: 1, now, activatesAt: now, cancellationToken);
                continue;
            }

            var due = newest.ActivatesAt + settings.KeyRotation;
            if (now >= due - settings.KeyPublishAhead)
            {
                // After a long time switched off the next key is overdue: it is still published ahead of its first signature.
                var activatesAt = due > now + settings.KeyPublishAhead ? due : now + settings.KeyPublishAhead;
                changed |= await AddAsync(algorithm, newest.Ordinal + 1, now, activatesAt, cancellationToken);
            }

            for (var i = 0; i < keys.Length; i++)
            {
                var key = keys[i];
                if (key.RetiresAt is { } retiresAt)
                {
                    if (retiresAt <= now)
                    {
                        await store.DeleteAsync(key.Kid, cancellationToken);
                        logger.KeyDeleted(key.Kid, algorithm);
                        changed = true;
                    }
                }
                else if (i < keys.Length - 1 && keys[i + 1].ActivatesAt <= now)
                {
                    // Its last token dies within seven days. An id_token_hint is accepted after it expired, as long as its key is known: hence the rest.
                    var until = keys[i + 1].ActivatesAt + settings.RefreshTokenLifetime + AccessTokenClaims.MaximumLifetime;
                    await store.SetRetirementAsync(key.Kid, until, cancellationToken);
                    logger.KeyRetiring(key.Kid, algorithm, until);
                    changed = true;
                }
            }
        }

        return changed;
    }

    private async Task<bool> AddAsync(string algorithm, int ordinal, DateTimeOffset now, DateTimeOffset activatesAt, CancellationToken cancellationToken)
    {
        var pkcs8 = newKey(algorithm);
        var kid = SigningKey.Import(algorithm, pkcs8).Kid;
        if (await store.TryAddAsync(new StoredSigningKey(kid, algorithm, ordinal, protector.Protect(pkcs8), now, activatesAt, RetiresAt: null), cancellationToken))
        {
            logger.KeyMade(kid, algorithm, ordinal, activatesAt);
        }

        // Ours or another node's: there is a new one either way.
        return true;
    }

    private sealed record Reading(long StartedAt, Task Answered, Task<Ring> Task);

    private sealed class Ring
    {
        public Ring(DateTimeOffset readAt, (StoredSigningKey Stored, SigningKey Key)[] keys)
        {
            ReadAt = readAt;
            Keys = keys;
            ByKid = keys.ToDictionary(pair => pair.Key.Kid, pair => pair.Key, StringComparer.Ordinal);
        }

        public DateTimeOffset ReadAt { get; }

        public (StoredSigningKey Stored, SigningKey Key)[] Keys { get; }

        public Dictionary<string, SigningKey> ByKid { get; }
    }
}
