using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.Accounts.Profile;
using Identity.Accounts.RateLimits;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Kit.InMemory;

/// <summary>The ports of accounts in memory, for tests of the services alone. The conformance suites hold them to what real stores do.</summary>
public static class AccountStores
{
    public static IServiceCollection AddInMemoryAccountStores(this IServiceCollection services) => services
        .AddSingleton<InMemoryEvents>()
        .AddSingleton<InMemoryAccounts>()
        .AddSingleton<IAccountStore>(provider => provider.GetRequiredService<InMemoryAccounts>())
        .AddSingleton<ICredentialStore>(provider => provider.GetRequiredService<InMemoryAccounts>())
        .AddSingleton<InMemoryMetadata>()
        .AddSingleton<IMetadataStore>(provider => provider.GetRequiredService<InMemoryMetadata>())
        .AddSingleton<InMemorySessionStore>()
        .AddSingleton<ISessionStore>(provider => provider.GetRequiredService<InMemorySessionStore>())
        .AddSingleton<IOneTimeCodeStore, InMemoryOneTimeCodes>()
        .AddSingleton<IRateLimiter, InMemoryRateLimiter>()
        .AddSingleton<InMemoryKnownDevices>()
        .AddSingleton<IKnownDeviceStore>(provider => provider.GetRequiredService<InMemoryKnownDevices>())
        .AddSingleton<InMemoryAccessNotices>()
        .AddSingleton<IAccessNoticeStore>(provider => provider.GetRequiredService<InMemoryAccessNotices>())
        .AddSingleton<ISecondFactorStore, InMemorySecondFactors>()
        .AddSingleton<IFactorProofStore, InMemoryFactorProofs>()
        .AddSingleton<IProcessedMessages, InMemoryProcessedMessages>()
        .AddSingleton<InMemoryAuditLog>()
        .AddSingleton<IAuditLog>(provider => provider.GetRequiredService<InMemoryAuditLog>());
}

/// <summary>What a store would write to its outbox.</summary>
public sealed class InMemoryEvents
{
    private readonly Lock _lock = new();
    private readonly List<LifecycleEvent> _events = [];

    public IReadOnlyList<LifecycleEvent> All
    {
        get
        {
            lock (_lock)
            {
                return [.. _events];
            }
        }
    }

    public IReadOnlyList<LifecycleEvent> Of(string type) => [.. All.Where(e => e.Type == type)];

    public void Add(IEnumerable<LifecycleEvent> events)
    {
        lock (_lock)
        {
            _events.AddRange(events);
        }
    }
}

public sealed class InMemoryAccounts : IAccountStore, ICredentialStore
{
    private readonly InMemoryEvents _outbox;
    private readonly InMemorySessionStore _sessions;
    private readonly InMemoryMetadata _metadata;
    private readonly InMemoryKnownDevices? _devices;
    private readonly InMemoryAccessNotices? _notices;

    public InMemoryAccounts(InMemoryEvents outbox, InMemorySessionStore sessions, InMemoryMetadata metadata, InMemoryKnownDevices? devices = null, InMemoryAccessNotices? notices = null)
    {
        (_outbox, _sessions, _metadata, _devices, _notices) = (outbox, sessions, metadata, devices, notices);
        sessions.IsActive = id =>
        {
            lock (_lock)
            {
                return _accounts.GetValueOrDefault(id) is { IsActive: true };
            }
        };
    }

    /// <summary>The roles that may be given.</summary>
    public HashSet<string> Roles { get; } = new(StringComparer.Ordinal) { "admin" };

    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, Account> _accounts = [];
    private readonly Dictionary<Guid, AccountCredentials> _credentials = [];
    private int _statements;

    /// <summary>Every call that a real store would answer with a statement.</summary>
    public int Statements => Volatile.Read(ref _statements);

    public Task<Account?> FindAsync(Guid id, CancellationToken cancellationToken) => FindAsync(account => account.Id == id);

    public Task<Account?> FindByEmailAsync(string normalizedEmail, CancellationToken cancellationToken) => FindAsync(account => account.NormalizedEmail == normalizedEmail);

    public Task<Account?> FindByUserNameAsync(string normalizedUserName, CancellationToken cancellationToken) => FindAsync(account => account.NormalizedUserName is { } name && name == normalizedUserName);

    public Task<Account?> FindByPhoneNumberAsync(string phoneNumber, CancellationToken cancellationToken) => FindAsync(account => account.PhoneNumber is { } number && number == phoneNumber);

    public Task<Account?> FindByPendingAsync(string? email, string? phoneNumber, CancellationToken cancellationToken) => Locked(() =>
        _accounts.Values.Where(account => email is null ? account.PendingPhoneNumber == phoneNumber : account.PendingEmail == email).MaxBy(account => account.UpdatedAt) is { } found ? Copy(found) : null);

    public Task<IReadOnlyList<Account>> ListAsync(Guid? after, int limit, CancellationToken cancellationToken) => Locked<IReadOnlyList<Account>>(() =>
        [.. _accounts.Values.Where(account => after is not { } id || account.Id.CompareTo(id) > 0).OrderBy(account => account.Id).Take(limit).Select(account => Copy(account))]);

    public Task<IReadOnlyList<Account>> SearchAsync(AccountFilter filter, Guid? after, int limit, CancellationToken cancellationToken) => Locked<IReadOnlyList<Account>>(() =>
        [.. _accounts.Values
            .Where(account => filter.Search is not { Length: > 0 } search || AccountFilter.Fold(account).Contains(AccountFilter.Fold(search), StringComparison.Ordinal))
            .Where(account => filter.Role is not { } role || account.Roles.Contains(role, StringComparer.Ordinal))
            .Where(account => filter.IsActive is not { } isActive || account.IsActive == isActive)
            .Where(account => filter.CreatedAfter is not { } createdAfter || account.CreatedAt > createdAfter)
            .Where(account => after is not { } id || account.Id.CompareTo(id) > 0)
            .OrderBy(account => account.Id).Take(limit).Select(account => Copy(account))]);

    public Task DeleteAsync(Guid accountId, CancellationToken cancellationToken) => Locked(() => _credentials.Remove(accountId));

    public Task<AccountWrite> CreateAsync(Account account, AccountCredentials credentials, IReadOnlyList<LifecycleEvent> events, CancellationToken cancellationToken, JsonObject? brought = null) => Locked(() =>
    {
        if (Taken(account) is { } taken)
        {
            return taken;
        }

        _metadata.TryMerge(account.Id, brought ?? []);

        _accounts.Add(account.Id, Copy(account));
        _credentials.Add(account.Id, credentials);
        _outbox.Add(events);
        return AccountWrite.Done;
    });

    public async Task<AccountWrite> UpdateAsync(Account account, long expectedVersion, IReadOnlyList<LifecycleEvent> events, CancellationToken cancellationToken) =>
        (await UpdateAsync(account, expectedVersion, events, new AccountConsequences(), cancellationToken)).Outcome;

    public Task<AccountUpdate> UpdateAsync(Account account, long expectedVersion, IReadOnlyList<LifecycleEvent> events, AccountConsequences consequences, CancellationToken cancellationToken) => Locked(() =>
    {
        if (!_accounts.TryGetValue(account.Id, out var stored))
        {
            return new AccountUpdate(AccountWrite.NotFound, []);
        }

        if (stored.Version != expectedVersion)
        {
            return new AccountUpdate(AccountWrite.Conflict, []);
        }

        if (Taken(account) is { } taken)
        {
            return new AccountUpdate(taken, []);
        }

        if (!Roles.IsSupersetOf(consequences.GivenRoles))
        {
            return new AccountUpdate(AccountWrite.UnknownRole, []);
        }

        if (IsAdmin(stored) && !IsAdmin(account) && !_accounts.Values.Any(other => other.Id != account.Id && IsAdmin(other)))
        {
            return new AccountUpdate(AccountWrite.LastAdmin, []);
        }

        if (consequences.DisownedBy is { } link && _notices?.TryDisown(link) == false)
        {
            return new AccountUpdate(AccountWrite.NoticeUsed, []);
        }

        if (consequences.Metadata is { } patch && !_metadata.TryMerge(account.Id, patch))
        {
            return new AccountUpdate(AccountWrite.MetadataTooLarge, []);
        }

        if (consequences.Password is { } password)
        {
            if (_credentials.GetValueOrDefault(account.Id)?.PasswordHash != password.ExpectedHash)
            {
                return new AccountUpdate(AccountWrite.PasswordConflict, []);
            }

            _credentials[account.Id] = new AccountCredentials(account.Id, password.Hash, password.At);
        }

        account.Version = expectedVersion + 1;
        var written = consequences.Unlocks ? Copy(account, 0, lockoutEnd: null) : Copy(account, stored.AccessFailedCount, stored.LockoutEnd);
        if (consequences.ForgetsDevices)
        {
            _devices?.ForgetAll(account.Id);
        }

        if (consequences.VoidsNotices)
        {
            _notices?.VoidAll(account.Id);
        }

        _notices?.Add(consequences.Notices);

        written.LastLoginAt = stored.LastLoginAt;
        _accounts[account.Id] = written;
        _outbox.Add(events);
        return new AccountUpdate(AccountWrite.Done, consequences.EndSessions is { } ending ? _sessions.EndAll(account.Id, ending) : []);
    });

    public Task<FailedAttempt> CountFailureAsync(Guid id, int limit, DateTimeOffset lockoutEnd, DateTimeOffset now, LifecycleEvent lockedOut, CancellationToken cancellationToken) => Locked(() =>
    {
        if (!_accounts.TryGetValue(id, out var stored))
        {
            return new FailedAttempt(0, LockedNow: false, LockoutEnd: null);
        }

        if (stored.LockoutEnd > now)
        {
            return new FailedAttempt(stored.AccessFailedCount, LockedNow: false, stored.LockoutEnd);
        }

        var failed = stored.AccessFailedCount + 1;
        if (failed < limit)
        {
            _accounts[id] = Copy(stored, failed, stored.LockoutEnd);
            return new FailedAttempt(failed, LockedNow: false, LockoutEnd: null);
        }

        _accounts[id] = Copy(stored, 0, lockoutEnd);
        _outbox.Add([lockedOut]);
        return new FailedAttempt(limit, LockedNow: true, lockoutEnd);
    });

    public Task<bool> SetLockoutAsync(Guid id, DateTimeOffset? lockoutEnd, IReadOnlyList<LifecycleEvent> events, CancellationToken cancellationToken) => Locked(() =>
    {
        if (!_accounts.TryGetValue(id, out var stored))
        {
            return false;
        }

        _accounts[id] = Copy(stored, 0, lockoutEnd);
        _outbox.Add(events);
        return true;
    });

    public Task RecordSignInAsync(Guid id, DateTimeOffset now, CancellationToken cancellationToken) => Locked(() =>
    {
        if (_accounts.TryGetValue(id, out var stored))
        {
            var written = Copy(stored, 0, stored.LockoutEnd);
            written.LastLoginAt = now;
            _accounts[id] = written;
        }

        return true;
    });

    public Task<bool> AnyInRoleAsync(string role, CancellationToken cancellationToken) => Locked(() => _accounts.Values.Any(account => account.Roles.Contains(role, StringComparer.Ordinal)));

    Task<AccountCredentials?> ICredentialStore.FindAsync(Guid accountId, CancellationToken cancellationToken) => Locked(() => _credentials.GetValueOrDefault(accountId));

    public Task<bool> TrySetPasswordAsync(Guid accountId, string? expectedHash, string passwordHash, DateTimeOffset now, CancellationToken cancellationToken) => Locked(() =>
    {
        if (_credentials.GetValueOrDefault(accountId)?.PasswordHash != expectedHash)
        {
            return false;
        }

        _credentials[accountId] = new AccountCredentials(accountId, passwordHash, now);
        return true;
    });

    private Task<Account?> FindAsync(Func<Account, bool> which) => Locked(() => _accounts.Values.FirstOrDefault(which) is { } account ? Copy(account) : null);

    private static bool IsAdmin(Account account) => account.IsActive && account.Roles.Contains("admin", StringComparer.Ordinal);

    private AccountWrite? Taken(Account account)
    {
        var others = _accounts.Values.Where(other => other.Id != account.Id).ToArray();
        return others.Any(other => other.NormalizedEmail == account.NormalizedEmail) ? AccountWrite.EmailTaken
            : account.NormalizedUserName is { } name && others.Any(other => other.NormalizedUserName == name) ? AccountWrite.UserNameTaken
            : account.PhoneNumber is { } number && others.Any(other => other.PhoneNumber == number) ? AccountWrite.PhoneNumberTaken
            : null;
    }

    private Task<T> Locked<T>(Func<T> work)
    {
        Interlocked.Increment(ref _statements);
        lock (_lock)
        {
            return Task.FromResult(work());
        }
    }

    private static Account Copy(Account account) => Copy(account, account.AccessFailedCount, account.LockoutEnd);

    private static Account Copy(Account account, int failed, DateTimeOffset? lockoutEnd) => new()
    {
        Id = account.Id,
        Email = account.Email,
        NormalizedEmail = account.NormalizedEmail,
        UserName = account.UserName,
        NormalizedUserName = account.NormalizedUserName,
        PhoneNumber = account.PhoneNumber,
        PendingEmail = account.PendingEmail,
        PendingPhoneNumber = account.PendingPhoneNumber,
        Claim = account.Claim,
        FirstName = account.FirstName,
        LastName = account.LastName,
        EmailVerified = account.EmailVerified,
        PhoneNumberVerified = account.PhoneNumberVerified,
        IsActive = account.IsActive,
        Roles = [.. account.Roles],
        Profile = account.Profile.DeepClone().AsObject(),
        CreatedAt = account.CreatedAt,
        UpdatedAt = account.UpdatedAt,
        LastLoginAt = account.LastLoginAt,
        SecurityStamp = account.SecurityStamp,
        Version = account.Version,
        AccessFailedCount = failed,
        LockoutEnd = lockoutEnd,
        DeleteAfter = account.DeleteAfter,
    };
}

public sealed class InMemoryMetadata : IMetadataStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, JsonObject> _documents = [];

    public Task<JsonObject> FindAsync(Guid accountId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(_documents.GetValueOrDefault(accountId)?.DeepClone().AsObject() ?? []);
        }
    }

    public async Task<IReadOnlyDictionary<Guid, JsonObject>> FindManyAsync(IReadOnlyCollection<Guid> accountIds, CancellationToken cancellationToken)
    {
        var found = new Dictionary<Guid, JsonObject>();
        foreach (var id in accountIds)
        {
            found[id] = await FindAsync(id, cancellationToken);
        }

        return found;
    }

    public Task DeleteAsync(Guid accountId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _documents.Remove(accountId);
            return Task.CompletedTask;
        }
    }

    public Task<bool> MergeAsync(Guid accountId, JsonObject patch, CancellationToken cancellationToken) => Task.FromResult(TryMerge(accountId, patch));

    public bool TryMerge(Guid accountId, JsonObject patch)
    {
        lock (_lock)
        {
            var document = _documents.GetValueOrDefault(accountId)?.DeepClone().AsObject() ?? [];
            foreach (var (name, value) in patch)
            {
                document.Remove(name);
                if (value is not null)
                {
                    document[name] = value.DeepClone();
                }
            }

            if (Encoding.UTF8.GetByteCount(document.ToJsonString()) > 16 * 1024)
            {
                return false;
            }

            _documents[accountId] = document;
            return true;
        }
    }
}

public sealed class InMemorySessionStore(InMemoryEvents outbox) : ISessionStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Session> _sessions = new(StringComparer.Ordinal);

    public Task CreateAsync(Session session, LifecycleEvent created, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _sessions.Add(session.Id, session);
        }

        outbox.Add([created]);
        return Task.CompletedTask;
    }

    public ValueTask<Session?> FindAsync(string id, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return new(_sessions.GetValueOrDefault(id));
        }
    }

    /// <summary>Accounts are another store's.</summary>
    public Func<Guid, bool> IsActive { get; set; } = _ => false;

    public ValueTask<Session?> FindLiveAsync(string id, DateTimeOffset now, CancellationToken cancellationToken)
    {
        Session? session;
        lock (_lock)
        {
            session = _sessions.GetValueOrDefault(id);
        }

        return new(session is { EndedAt: null } && session.ExpiresAt > now && IsActive(session.AccountId) ? session : null);
    }

    public Task<IReadOnlyList<Session>> ListLiveAsync(Guid accountId, DateTimeOffset now, CancellationToken cancellationToken) =>
        ListAsync(session => session.AccountId == accountId && session.EndedAt is null && session.ExpiresAt > now, int.MaxValue);

    // There are no refresh families here: what outlives the sign-in is one's.
    public Task<IReadOnlyList<Session>> ListUsableAsync(Guid accountId, DateTimeOffset seenAfter, DateTimeOffset now, CancellationToken cancellationToken) =>
        ListAsync(session => session.AccountId == accountId && session.EndedAt is null && session.ExpiresAt > now && ((session.SignInUntil > now && session.LastSeenAt > seenAfter) || session.ExpiresAt > session.SignInUntil), int.MaxValue);

    public Task<bool> AuthenticateAgainAsync(string id, DateTimeOffset at, IReadOnlyList<string> amr, string acr, DateTimeOffset until, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_sessions.TryGetValue(id, out var session) || session.EndedAt is not null || session.ExpiresAt <= at || session.AuthenticatedAt >= at)
            {
                return Task.FromResult(false);
            }

            _sessions[id] = session with { AuthenticatedAt = at, LastSeenAt = at, Amr = amr, Acr = acr, SignInUntil = until, ExpiresAt = until > session.ExpiresAt ? until : session.ExpiresAt };
            return Task.FromResult(true);
        }
    }

    public Task TouchAsync(string id, DateTimeOffset now, CancellationToken cancellationToken)
    {
        Change(id, session => now > session.LastSeenAt ? session with { LastSeenAt = now } : session);
        return Task.CompletedTask;
    }

    public Task AttachClientAsync(string id, string clientId, bool isTold, DateTimeOffset until, CancellationToken cancellationToken)
    {
        Change(id, session => session with
        {
            ClientIds = session.ClientIds.Contains(clientId, StringComparer.Ordinal) ? session.ClientIds : [.. session.ClientIds, clientId],
            ExpiresAt = until > session.ExpiresAt ? until : session.ExpiresAt,
        });
        return Task.CompletedTask;
    }

    public Task<bool> EndAsync(string id, DateTimeOffset now, LifecycleEvent destroyed, CancellationToken cancellationToken) => EndAsync(id, _ => true, now, destroyed);

    public Task<bool> EndExpiredAsync(string id, DateTimeOffset now, LifecycleEvent destroyed, CancellationToken cancellationToken) => EndAsync(id, session => session.ExpiresAt <= now, now, destroyed);

    private Task<bool> EndAsync(string id, Func<Session, bool> which, DateTimeOffset now, LifecycleEvent destroyed)
    {
        lock (_lock)
        {
            if (!_sessions.TryGetValue(id, out var session) || session.EndedAt is not null || !which(session))
            {
                return Task.FromResult(false);
            }

            _sessions[id] = session with { EndedAt = now };
            outbox.Add([destroyed]);
            return Task.FromResult(true);
        }
    }

    public IReadOnlyList<Session> EndAll(Guid accountId, SessionEnding ending)
    {
        lock (_lock)
        {
            var live = _sessions.Values.Where(session => session.AccountId == accountId && session.EndedAt is null && session.ExpiresAt > ending.At).ToArray();
            foreach (var session in live)
            {
                _sessions[session.Id] = session with { EndedAt = ending.At };
            }

            outbox.Add(live.Select(ending.Destroyed));
            return live;
        }
    }

    public Task<IReadOnlyList<Session>> ListExpiredAsync(DateTimeOffset now, int limit, CancellationToken cancellationToken) =>
        ListAsync(session => session.EndedAt is null && session.ExpiresAt <= now, limit);

    private Task<IReadOnlyList<Session>> ListAsync(Func<Session, bool> which, int limit)
    {
        lock (_lock)
        {
            return Task.FromResult<IReadOnlyList<Session>>([.. _sessions.Values.Where(which).OrderByDescending(session => session.CreatedAt).Take(limit)]);
        }
    }

    private void Change(string id, Func<Session, Session> change)
    {
        lock (_lock)
        {
            if (_sessions.TryGetValue(id, out var session))
            {
                _sessions[id] = change(session);
            }
        }
    }
}

public sealed class InMemoryOneTimeCodes : IOneTimeCodeStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, (OneTimeCode Code, int Guesses, bool Used)> _codes = [];

    public Task ReplaceAsync(OneTimeCode code, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            foreach (var (id, entry) in _codes.ToArray())
            {
                if (code.AccountId is not null && entry.Code.AccountId == code.AccountId && entry.Code.Purpose == code.Purpose)
                {
                    _codes.Remove(id);
                }
            }

            _codes.Add(code.Id, (code, 0, false));
            return Task.CompletedTask;
        }
    }

    public Task<OneTimeCode?> FindAsync(Guid id, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(_codes.TryGetValue(id, out var entry) ? entry.Code : null);
        }
    }

    public Task<OneTimeCode?> FindLatestAsync(Guid accountId, string purpose, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(_codes.Values.Select(entry => entry.Code).Where(code => code.AccountId == accountId && code.Purpose == purpose).MaxBy(code => code.CreatedAt));
        }
    }

    public Task<bool> TryUseAsync(Guid id, byte[] codeHash, int maxGuesses, DateTimeOffset now, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_codes.TryGetValue(id, out var entry) || entry.Used || entry.Guesses >= maxGuesses || entry.Code.ExpiresAt <= now)
            {
                return Task.FromResult(false);
            }

            var right = entry.Code.CodeHash.AsSpan().SequenceEqual(codeHash);
            _codes[id] = (entry.Code, entry.Guesses + 1, right);
            return Task.FromResult(right);
        }
    }
}

public sealed class InMemoryKnownDevices : IKnownDeviceStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(Guid AccountId, string Key), (int Failures, DateTimeOffset Until)> _devices = [];

    public Task<bool> IsKnownAsync(Guid accountId, string key, DateTimeOffset now, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(_devices.TryGetValue((accountId, key), out var device) && device.Until > now);
        }
    }

    public Task RememberAsync(Guid accountId, string key, DateTimeOffset until, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _devices[(accountId, key)] = (0, until);
            return Task.CompletedTask;
        }
    }

    public Task<bool> TryCountFailureAsync(Guid accountId, string key, int limit, DateTimeOffset now, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_devices.TryGetValue((accountId, key), out var device) || device.Until <= now)
            {
                return Task.FromResult(false);
            }

            if (device.Failures + 1 >= limit)
            {
                _devices.Remove((accountId, key));
            }
            else
            {
                _devices[(accountId, key)] = (device.Failures + 1, device.Until);
            }

            return Task.FromResult(true);
        }
    }

    public Task ForgetAllAsync(Guid accountId, CancellationToken cancellationToken)
    {
        ForgetAll(accountId);
        return Task.CompletedTask;
    }

    public void ForgetAll(Guid accountId)
    {
        lock (_lock)
        {
            foreach (var key in _devices.Keys.Where(key => key.AccountId == accountId).ToArray())
            {
                _devices.Remove(key);
            }
        }
    }
}

public sealed class InMemoryAccessNotices : IAccessNoticeStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, AccessNotice> _notices = new(StringComparer.Ordinal);

    /// <summary>Takes the mails: nothing is delivered from here.</summary>
    public Action<PersonalMessage>? Deliver { get; set; }

    public Task AddAsync(Notice notice, CancellationToken cancellationToken)
    {
        Add(notice);
        return Task.CompletedTask;
    }

    public void Add(params IEnumerable<Notice?> notices)
    {
        foreach (var notice in notices.OfType<Notice>())
        {
            lock (_lock)
            {
                if (notice.Link is { } link)
                {
                    _notices.Add(link.Key, link);
                }
            }

            Deliver?.Invoke(notice.Mail);
        }
    }

    public Task<AccessNotice?> FindAsync(string key, DateTimeOffset now, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(_notices.TryGetValue(key, out var notice) && notice.ExpiresAt > now ? notice : null);
        }
    }

    public void VoidAll(Guid accountId)
    {
        lock (_lock)
        {
            foreach (var key in _notices.Where(notice => notice.Value.AccountId == accountId).Select(notice => notice.Key).ToArray())
            {
                _notices.Remove(key);
            }
        }
    }

    public Task<IReadOnlyList<AccessNotice>> ListSinceAsync(AccessNotice notice, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult<IReadOnlyList<AccessNotice>>([.. Since(notice)]);
        }
    }

    public bool TryDisown(AccessNotice notice)
    {
        lock (_lock)
        {
            if (!_notices.ContainsKey(notice.Key))
            {
                return false;
            }

            foreach (var later in Since(notice).ToArray())
            {
                _notices.Remove(later.Key);
            }

            return true;
        }
    }

    private IEnumerable<AccessNotice> Since(AccessNotice notice) => _notices.Values.Where(other => other.AccountId == notice.AccountId && other.ExpiresAt >= notice.ExpiresAt).OrderBy(other => other.ExpiresAt);
}

public sealed class InMemoryRateLimiter(TimeProvider timeProvider) : IRateLimiter
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (DateTimeOffset Start, int Count)> _windows = new(StringComparer.Ordinal);
    private int _statements;

    /// <summary>How often it was asked: each time a store writes.</summary>
    public int Statements => _statements;

    public Task<RateLimitLease> AcquireAsync(string key, int limit, TimeSpan window, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _statements);
        var now = timeProvider.GetUtcNow();
        var start = new DateTimeOffset(now.UtcTicks - (now.UtcTicks % window.Ticks), TimeSpan.Zero);
        lock (_lock)
        {
            var count = _windows.TryGetValue(key, out var current) && current.Start == start ? current.Count + 1 : 1;
            _windows[key] = (start, count);
            return Task.FromResult(count <= limit ? new RateLimitLease(Allowed: true, TimeSpan.Zero) : new RateLimitLease(Allowed: false, start + window - now));
        }
    }
}

public sealed class InMemoryProcessedMessages : IProcessedMessages
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Row> _rows = new(StringComparer.Ordinal);

    public Task<MessageClaim> ClaimAsync(string messageId, Guid claim, DateTimeOffset now, DateTimeOffset claimedUntil, DateTimeOffset expiresAt, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_rows.TryGetValue(messageId, out var row) || row.ExpiresAt <= now)
            {
                _rows[messageId] = new(claim, claimedUntil, expiresAt, null);
                return Task.FromResult(new MessageClaim(MessageState.Claimed, null));
            }

            if (row.Answer is null && row.ClaimedUntil <= now)
            {
                _rows[messageId] = new(claim, claimedUntil, expiresAt, null);
                return Task.FromResult(new MessageClaim(MessageState.ClaimedAgain, null));
            }

            return Task.FromResult(row.Answer is null || (row.IsBegun && row.ClaimedUntil > now) ? new MessageClaim(MessageState.Busy, null)
                : row.IsBegun ? new MessageClaim(MessageState.InDoubt, null)
                : new MessageClaim(MessageState.Done, row.Answer));
        }
    }

    public Task<bool> TryCommitAsync(string messageId, Guid claim, string answer, DateTimeOffset expiresAt, CancellationToken cancellationToken) =>
        Task.FromResult(Change(messageId, claim, row => row.Answer is null ? row with { Answer = answer, ExpiresAt = expiresAt } : null));

    public Task<bool> TryBeginAsync(string messageId, Guid claim, string answer, DateTimeOffset until, DateTimeOffset expiresAt, CancellationToken cancellationToken) =>
        Task.FromResult(Change(messageId, claim, row => row.Answer is null ? row with { Answer = answer, IsBegun = true, ClaimedUntil = until, ExpiresAt = expiresAt } : null));

    public Task HoldAsync(string messageId, Guid claim, DateTimeOffset until, CancellationToken cancellationToken)
    {
        Change(messageId, claim, row => row.IsBegun ? row with { ClaimedUntil = until } : null);
        return Task.CompletedTask;
    }

    public Task EndAsync(string messageId, Guid claim, CancellationToken cancellationToken)
    {
        Change(messageId, claim, row => row with { IsBegun = false });
        return Task.CompletedTask;
    }

    public Task ReleaseAsync(string messageId, Guid claim, DateTimeOffset now, CancellationToken cancellationToken)
    {
        Change(messageId, claim, row => row with { Answer = null, IsBegun = false, ClaimedUntil = now });
        return Task.CompletedTask;
    }

    public Task ForgetAsync(string messageId, Guid claim, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_rows.TryGetValue(messageId, out var row) && row.Claim == claim)
            {
                _rows.Remove(messageId);
            }
        }

        return Task.CompletedTask;
    }

    private bool Change(string messageId, Guid claim, Func<Row, Row?> change)
    {
        lock (_lock)
        {
            if (_rows.TryGetValue(messageId, out var row) && row.Claim == claim && change(row) is { } changed)
            {
                _rows[messageId] = changed;
                return true;
            }

            return false;
        }
    }

    private sealed record Row(Guid Claim, DateTimeOffset ClaimedUntil, DateTimeOffset ExpiresAt, string? Answer, bool IsBegun = false);
}

public sealed class InMemoryAuditLog : IAuditLog
{
    private readonly Lock _lock = new();
    private readonly List<AuditRecord> _records = [];

    public IReadOnlyList<AuditRecord> All
    {
        get
        {
            lock (_lock)
            {
                return [.. _records];
            }
        }
    }

    public Task WriteAsync(AuditRecord record, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _records.Add(record);
            return Task.CompletedTask;
        }
    }

    public Task<IReadOnlyList<AuditRecord>> ListAsync(Guid? accountId, int limit, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult<IReadOnlyList<AuditRecord>>([.. _records.AsEnumerable().Reverse().Where(record => accountId is null || record.AccountId == accountId).Take(limit)]);
        }
    }
}
