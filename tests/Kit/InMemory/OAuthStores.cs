using System.Collections.Concurrent;
using Identity.OAuth.Clients;
using Identity.OAuth.Consents;
using Identity.OAuth.Keys;
using Identity.OAuth.Resources;
using Identity.OAuth.Sessions;
using Identity.OAuth.Storage;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Kit.InMemory;

/// <summary>The engine's ports in memory, for tests of the engine alone. The conformance suites hold them to what real stores do.</summary>
public static class OAuthStores
{
    public static IServiceCollection AddInMemoryOAuthStores(this IServiceCollection services) => services
        .AddSingleton<IClientStore, InMemoryClients>()
        .AddSingleton<IResourceStore, InMemoryResources>()
        .AddSingleton<InMemoryRefreshFamilies>()
        .AddSingleton<IRefreshFamilyStore>(provider => provider.GetRequiredService<InMemoryRefreshFamilies>())
        .AddSingleton<IConsentStore, InMemoryConsents>()
        .AddSingleton<ISingleUseStore, InMemorySingleUse>()
        .AddSingleton<IDenyList, InMemoryDenyList>()
        .AddSingleton<IReplayCache, InMemoryReplayCache>()
        .AddSingleton<IReferenceTokenStore, InMemoryReferenceTokens>()
        .AddSingleton<ISigningKeyStore, InMemorySigningKeys>()
        .AddSingleton<IKeyProtector, ReversingKeyProtector>()
        .AddSingleton<InMemorySessions>()
        .AddSingleton<ISessions>(provider => provider.GetRequiredService<InMemorySessions>())
        .AddSingleton<InMemorySubjects>()
        .AddSingleton<ISubjects>(provider => provider.GetRequiredService<InMemorySubjects>());
}

public sealed class InMemoryClients : IClientStore
{
    private readonly ConcurrentDictionary<string, Client> _clients = new(StringComparer.Ordinal);

    public ValueTask<Client?> FindAsync(string clientId, CancellationToken cancellationToken) => new(_clients.GetValueOrDefault(clientId));

    public ValueTask<IReadOnlyList<Client>> ListAsync(CancellationToken cancellationToken) => new([.. _clients.Values]);

    public Task UpsertAsync(Client client, CancellationToken cancellationToken)
    {
        _clients[client.ClientId] = client;
        return Task.CompletedTask;
    }
}

public sealed class InMemoryResources : IResourceStore
{
    private readonly Lock _lock = new();
    private IReadOnlyList<Resource> _resources = [];

    public ValueTask<IReadOnlyList<Resource>> ListAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return new(_resources);
        }
    }

    public Task UpsertAsync(Resource resource, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _resources = [.. _resources.Where(other => other.Identifier != resource.Identifier), resource];
        }

        return Task.CompletedTask;
    }

    /// <summary>As if the operator took it out of the file.</summary>
    public void Remove(string identifier)
    {
        lock (_lock)
        {
            _resources = [.. _resources.Where(other => other.Identifier != identifier)];
        }
    }
}

public sealed class InMemoryRefreshFamilies : IRefreshFamilyStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, RefreshFamily> _families = [];

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _families.Count;
            }
        }
    }

    public Task CreateAsync(RefreshFamily family, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _families.Add(family.Id, family);
        }

        return Task.CompletedTask;
    }

    public Task<RefreshFamily?> FindAsync(Guid id, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(_families.GetValueOrDefault(id));
        }
    }

    public Task<bool> TryRotateAsync(Guid id, int generation, DateTimeOffset now, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_families.TryGetValue(id, out var family) || family.Generation != generation || family.RevokedAt is not null || family.ExpiresAt <= now)
            {
                return Task.FromResult(false);
            }

            _families[id] = family with { Generation = generation + 1, RotatedAt = now };
            return Task.FromResult(true);
        }
    }

    public Task RevokeAsync(Guid id, DateTimeOffset now, CancellationToken cancellationToken)
    {
        RevokeWhere(family => family.Id == id, now);
        return Task.CompletedTask;
    }

    public void RevokeWhere(Func<RefreshFamily, bool> predicate, DateTimeOffset now)
    {
        lock (_lock)
        {
            foreach (var family in _families.Values.Where(family => family.RevokedAt is null && predicate(family)).ToArray())
            {
                _families[family.Id] = family with { RevokedAt = now };
            }
        }
    }
}

public sealed class InMemoryConsents(InMemoryRefreshFamilies families) : IConsentStore
{
    private readonly ConcurrentDictionary<(string Subject, string ClientId), Consent> _consents = new();

    public Task<Consent?> FindAsync(string subject, string clientId, CancellationToken cancellationToken) =>
        Task.FromResult(_consents.GetValueOrDefault((subject, clientId)));

    public Task<IReadOnlyList<Consent>> ListAsync(string subject, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<Consent>>([.. _consents.Values.Where(consent => consent.Subject == subject)]);

    public Task SaveAsync(Consent consent, CancellationToken cancellationToken)
    {
        _consents[(consent.Subject, consent.ClientId)] = consent;
        return Task.CompletedTask;
    }

    public Task RevokeAsync(string subject, string clientId, DateTimeOffset now, CancellationToken cancellationToken)
    {
        _consents.TryRemove((subject, clientId), out _);
        families.RevokeWhere(family => family.Subject == subject && family.ClientId == clientId, now);
        return Task.CompletedTask;
    }
}

public sealed class InMemorySingleUse : ISingleUseStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Kind, string Key), SingleUseEntry> _entries = [];

    public Task SaveAsync(SingleUseEntry entry, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _entries.Add((entry.Kind, entry.Key), entry);
        }

        return Task.CompletedTask;
    }

    public Task<SingleUseEntry?> FindAsync(string kind, string key, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(_entries.GetValueOrDefault((kind, key)));
        }
    }

    public Task<bool> TryConsumeAsync(string kind, string key, DateTimeOffset now, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue((kind, key), out var entry) || entry.ConsumedAt is not null || entry.ExpiresAt <= now)
            {
                return Task.FromResult(false);
            }

            _entries[(kind, key)] = entry with { ConsumedAt = now };
            return Task.FromResult(true);
        }
    }
}

public sealed class InMemoryDenyList(TimeProvider timeProvider) : IDenyList
{
    private readonly ConcurrentDictionary<string, (DateTimeOffset GrantedUntil, DateTimeOffset Until)> _denied = new(StringComparer.Ordinal);

    public Task DenyAsync(string id, DateTimeOffset grantedUntil, DateTimeOffset until, CancellationToken cancellationToken)
    {
        _denied.AddOrUpdate(id, (grantedUntil, until), (_, before) => (before.GrantedUntil > grantedUntil ? before.GrantedUntil : grantedUntil, before.Until > until ? before.Until : until));
        return Task.CompletedTask;
    }

    public ValueTask<bool> IsDeniedAsync(ReadOnlyMemory<string> ids, DateTimeOffset grantedAt, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        foreach (var id in ids.Span)
        {
            if (_denied.TryGetValue(id, out var entry) && entry.GrantedUntil >= grantedAt && entry.Until > now)
            {
                return new(true);
            }
        }

        return new(false);
    }
}

public sealed class InMemoryReplayCache(TimeProvider timeProvider) : IReplayCache
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Kind, string Value), DateTimeOffset> _seen = [];

    public Task<bool> TryAddAsync(string kind, string value, DateTimeOffset until, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_seen.TryGetValue((kind, value), out var before) && before > timeProvider.GetUtcNow())
            {
                return Task.FromResult(false);
            }

            _seen[(kind, value)] = until;
            return Task.FromResult(true);
        }
    }
}

public sealed class InMemoryReferenceTokens : IReferenceTokenStore
{
    private readonly ConcurrentDictionary<string, ReferenceToken> _tokens = new(StringComparer.Ordinal);

    public IEnumerable<ReferenceToken> All => _tokens.Values;

    public Task SaveAsync(ReferenceToken token, CancellationToken cancellationToken)
    {
        _tokens[token.Key] = token;
        return Task.CompletedTask;
    }

    public Task<ReferenceToken?> FindAsync(string key, CancellationToken cancellationToken) => Task.FromResult(_tokens.GetValueOrDefault(key));
}

public sealed class InMemorySigningKeys : ISigningKeyStore
{
    private readonly Lock _lock = new();
    private readonly List<StoredSigningKey> _keys = [];

    /// <summary>How often the store was read.</summary>
    public int Reads { get; private set; }

    public Task<IReadOnlyList<StoredSigningKey>> ListAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Reads++;
            return Task.FromResult<IReadOnlyList<StoredSigningKey>>([.. _keys]);
        }
    }

    public Task<bool> TryAddAsync(StoredSigningKey key, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_keys.Any(other => other.Algorithm == key.Algorithm && other.Ordinal == key.Ordinal))
            {
                return Task.FromResult(false);
            }

            _keys.Add(key);
            return Task.FromResult(true);
        }
    }

    public Task SetRetirementAsync(string kid, DateTimeOffset retiresAt, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var index = _keys.FindIndex(key => key.Kid == kid);
            if (index >= 0)
            {
                _keys[index] = _keys[index] with { RetiresAt = retiresAt };
            }
        }

        return Task.CompletedTask;
    }

    public Task DeleteAsync(string kid, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _keys.RemoveAll(key => key.Kid == kid);
        }

        return Task.CompletedTask;
    }
}

/// <summary>Not encryption: it only makes sure that what is stored is not what is used.</summary>
public sealed class ReversingKeyProtector : IKeyProtector
{
    public byte[] Protect(byte[] plaintext) => [.. plaintext.Reverse()];

    public byte[] Unprotect(byte[] protectedData) => [.. protectedData.Reverse()];
}

public sealed class InMemorySessions(InMemoryRefreshFamilies families, TimeProvider timeProvider) : ISessions
{
    private readonly ConcurrentDictionary<string, SessionInfo> _live = new(StringComparer.Ordinal);

    /// <summary>Why each ended session ended.</summary>
    public ConcurrentDictionary<string, string> Ended { get; } = new(StringComparer.Ordinal);

    public ConcurrentDictionary<string, DateTimeOffset> Attached { get; } = new(StringComparer.Ordinal);

    public SessionInfo Start(string subject)
    {
        var session = new SessionInfo(Guid.NewGuid().ToString("N"), subject, timeProvider.GetUtcNow(), "urn:identity:acr:1fa", ["pwd"]);
        _live[session.Id] = session;
        return session;
    }

    public ValueTask<SessionInfo?> FindLiveAsync(string sessionId, CancellationToken cancellationToken) => new(_live.GetValueOrDefault(sessionId));

    public Task AttachAsync(string sessionId, string clientId, DateTimeOffset until, CancellationToken cancellationToken)
    {
        Attached.AddOrUpdate(sessionId + "/" + clientId, until, (_, before) => before > until ? before : until);
        return Task.CompletedTask;
    }

    public Task EndAsync(string sessionId, string reason, CancellationToken cancellationToken)
    {
        if (_live.TryRemove(sessionId, out _))
        {
            Ended[sessionId] = reason;
            families.RevokeWhere(family => family.SessionId == sessionId, timeProvider.GetUtcNow());
        }

        return Task.CompletedTask;
    }
}

public sealed class InMemorySubjects : ISubjects
{
    private readonly ConcurrentDictionary<string, Subject> _active = new(StringComparer.Ordinal);

    public void Add(Subject subject) => _active[subject.Id] = subject;

    public void Disable(string id) => _active.TryRemove(id, out _);

    public ValueTask<Subject?> FindActiveAsync(string subject, CancellationToken cancellationToken) => new(_active.GetValueOrDefault(subject));
}
