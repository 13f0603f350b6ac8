// The wire contract's /devices: who gets push messages where.
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Identity.Accounts.Audit;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Data.Mongo;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Identity.Accounts.Profile;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Devices;

/// <summary>
/// People's devices. Locks are taken in one order everywhere: the token's, then the accounts' by id, so that a move never waits for a
/// sign-out that waits for it.
/// </summary>
public sealed class DeviceRegistry
{
    /// <summary>FCM calls a token stale after 270 days without a sign of life, and forgets it.</summary>
    public static readonly TimeSpan StaleAfter = TimeSpan.FromDays(270);

    /// <summary>More are nobody's: the one not seen for longest makes room.</summary>
    public const int MostPerAccount = 20;

    private const string TokenPurpose = "device-token";

    // How fresh a sign-in has to be to bring a key along.
    private static readonly TimeSpan FreshSignIn = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan TouchEvery = TimeSpan.FromHours(1);

    private readonly StoreDatabase _database;
    private readonly AuditTrail _audit;
    private readonly TimeProvider _timeProvider;
    private readonly SealedText _tokens;
    private readonly byte[] _hashKey;
    private readonly MailOutbox _mail;
    private readonly DeviceSecrets? _secrets;

    internal DeviceRegistry(StoreDatabase database, MasterKey masterKey, MailOutbox mail, AuditTrail audit, TimeProvider timeProvider, DeviceSecrets? secrets)
    {
        (_database, _mail, _audit, _timeProvider, _secrets) = (database, mail, audit, timeProvider, secrets);
        _tokens = new SealedText(masterKey, TokenPurpose);
        _hashKey = masterKey.Derive(TokenPurpose + "-hash");
    }

    /// <summary>Registers a device for an account, or notes that it is still there; takes the token from whoever had it.</summary>
    /// <param name="accountId">Whose.</param>
    /// <param name="sessionId">The session that registers it.</param>
    /// <param name="device">As its app tells.</param>
    /// <param name="caller">From where.</param>
    /// <param name="notice">What an owner is told of a key that comes or goes with it, on which platform, written with the change.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<DeviceRegistration> RegisterAsync(Guid accountId, string sessionId, NewDevice device, Caller caller, Func<Account, AccessChange, string, Notice>? notice, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(caller);
        var hash = Hash(device.Platform, device.Token);
        var now = _timeProvider.GetUtcNow();
        var (result, stored, removed) = await _database.TransactAsync<(DeviceRegistration Result, DeviceRow? Stored, List<DeviceRow> Removed)>(
            async (context, token) =>
            {
                var devices = context.Set<DeviceRow>();
                await _database.Dialect.LockAsync(context, "device:" + hash, token);
                var owner = await devices.Where(r => r.TokenHash == hash).Select(r => (Guid?)r.AccountId).FirstOrDefaultAsync(token) ?? accountId;
                foreach (var id in new[] { accountId, owner }.Distinct().Order())
                {
                    await SqlOutbox.LockAsync(_database, context, id, token);
                }

                // Under the lock that ending a session takes: a device is registered before its sign-out, which then detaches it, or not at all.
                var session = await context.Sessions.FirstOrDefaultAsync(r => r.Id == sessionId && r.AccountId == accountId && r.EndedAt == null && r.ExpiresAt > now, token);
                var account = session is null ? null : await context.Accounts.AsNoTracking().FirstOrDefaultAsync(r => r.Id == accountId && r.IsActive, token);
                if (session is null || account is null)
                {
                    return (new DeviceRegistration.SessionOver(), null, []);
                }

                var own = await FindOwnAsync(devices, accountId, device, hash, token);
                var isFresh = now - session.AuthenticatedAt <= FreshSignIn;
                var keyIsNew = device.PublicKey is { } key && own?.PublicKey?.AsSpan().SequenceEqual(key) != true;
                if (keyIsNew && !isFresh)
                {
                    return (new DeviceRegistration.ReauthenticationRequired(), null, []);
                }

                // A push token that takes the place of a keyed device's, without the key that only the device has: codes and questions go there from now on.
                var isRedirected = isFresh && device.PublicKey is null && own is { PublicKey: not null } && own.TokenHash != hash;

                // The token's former row, with another owner or under another name of this one's.
                var former = devices.Where(r => r.TokenHash == hash && r.Id != (own == null ? Guid.Empty : own.Id));
                var gone = new List<DeviceRow>(await DeviceDetachment.RemoveAsync(_database, context, former, owner == accountId ? DeviceRemovalReasons.Replaced : DeviceRemovalReasons.Moved, now, token));
                if (own is null)
                {
                    gone.AddRange(await MakeRoomAsync(context, accountId, now, token));
                }

                var row = own ?? NewRow(accountId, sessionId, device, hash, now);
                var keyBefore = row.PublicKey;
                row.SessionId = sessionId;
                row.Environment = device.Environment;
                row.AppId = device.AppId;
                row.DeviceId = device.DeviceId ?? row.DeviceId;
                row.SealedToken = _tokens.Seal(device.Token, row.Id);

                // A new push token under the name of a device with a key may be another device: it says the key again, or has none.
                row.PublicKey = device.PublicKey ?? (isFresh || row.TokenHash == hash ? row.PublicKey : null);
                row.TokenHash = hash;
                row.UserAgent = caller.UserAgent is { Length: > 400 } agent ? agent[..400] : caller.UserAgent;
                row.RegisteredAt = row.LastSeenAt = now;
                context.Entry(row).State = own is null ? EntityState.Added : EntityState.Modified;
                if (keyBefore is not null && row.PublicKey is null)
                {
                    // It was written to the device with the key, and may hold a code that signs in: the new token is not to get it.
                    await context.Set<PushMessageRow>().Where(r => r.DeviceId == row.Id).ExecuteDeleteAsync(token);
                }

                _mail.Add(context, keyIsNew || isRedirected ? notice?.Invoke(SqlAccountStore.Map(account), AccessChange.DeviceKeyAdded, row.Platform) : null);
                if (notice is not null)
                {
                    _mail.Add(context, await WriteLossesAsync(context, account, row, keyBefore, gone, notice, token));
                }

                await context.SaveChangesAsync(token);
                if (own is null)
                {
                    await SqlOutbox.AppendAsync(_database, context, [DeviceDetachment.Event(EventTypes.DeviceRegistered, row, now, ("moved", gone.Any(g => g.AccountId != accountId)))], token);
                }

                return (new DeviceRegistration.Registered(Map(row), keyIsNew), row, gone);
            },
            cancellationToken);

        await ForgetAsync(removed);
        if (_secrets is not null && stored is not null)
        {
            await _secrets.TryMoveAsync(DeviceSecrets.Of(stored));
        }

        // Written: the trail tells of it although the caller may have hung up.
        foreach (var row in removed)
        {
            await _audit.WriteAsync("device_remove", row.AccountId == accountId ? DeviceRemovalReasons.Replaced : DeviceRemovalReasons.Moved, row.AccountId, caller, sessionId: null, CancellationToken.None);
        }

        await _audit.WriteAsync(
            "device_register",
            result switch { DeviceRegistration.Registered => "success", DeviceRegistration.SessionOver => "session_over", _ => "reauthentication_required" },
            accountId,
            caller,
            sessionId,
            CancellationToken.None);
        return result;
    }

    /// <summary>The account's devices, the newest first. Those of <paramref name="sessionId"/> have thereby been seen.</summary>
    public async Task<IReadOnlyList<Device>> ListAsync(Guid accountId, string? sessionId, CancellationToken cancellationToken)
    {
        var now = _timeProvider.GetUtcNow();
        var due = now - TouchEvery;
        var rows = await _database.ReadAsync((context, token) => context.Set<DeviceRow>().Where(r => r.AccountId == accountId).OrderByDescending(r => r.Id).ToListAsync(token), cancellationToken);
        if (sessionId is not null && rows.Any(r => r.SessionId == sessionId && r.LastSeenAt < due))
        {
            await _database.WriteAsync(
                (context, token) => context.Set<DeviceRow>().Where(r => r.AccountId == accountId && r.SessionId == sessionId && r.LastSeenAt < due).ExecuteUpdateAsync(set => set.SetProperty(r => r.LastSeenAt, now), token),
                cancellationToken);
            foreach (var row in rows.Where(r => r.SessionId == sessionId && r.LastSeenAt < due))
            {
                row.LastSeenAt = now;
            }
        }

        return [.. rows.Select(Map)];
    }

    /// <summary>The device as it was; null: the account has none of that id.</summary>
    /// <param name="accountId">Whose.</param>
    /// <param name="id">Which.</param>
    /// <param name="caller">From where.</param>
    /// <param name="notice">What the owner is told of it, written with it; null: nothing.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<Device?> RemoveAsync(Guid accountId, Guid id, Caller caller, Func<Device, Notice?>? notice, CancellationToken cancellationToken)
    {
        var removed = await RemoveAsync(accountId, r => r.Id == id, DeviceRemovalReasons.Requested, notice, cancellationToken);
        if (removed is not null)
        {
            await _audit.WriteAsync("device_remove", DeviceRemovalReasons.Requested, accountId, caller, caller.SessionId, CancellationToken.None);
        }

        return removed is null ? null : Map(removed);
    }

    /// <summary>
    /// The provider refused the token that <paramref name="device"/> had: it goes, unless its app registered again, with another one or after
    /// <paramref name="asOf"/>, which is when the provider saw that it is dead (by its clock). True where it went.
    /// </summary>
    internal async Task<bool> RemoveRefusedAsync(DeviceRow device, DateTimeOffset asOf, CancellationToken cancellationToken)
    {
        var (accountId, id, refused) = (device.AccountId, device.Id, device.TokenHash);
        var removed = await RemoveAsync(accountId, r => r.Id == id && r.TokenHash == refused && r.RegisteredAt <= asOf, DeviceRemovalReasons.Unregistered, notice: null, cancellationToken) is not null;
        if (removed)
        {
            await _audit.WriteAsync("device_remove", DeviceRemovalReasons.Unregistered, accountId, new Caller(Ip: null, UserAgent: null, ActorId: "push"), sessionId: null, CancellationToken.None);
        }

        return removed;
    }

    /// <summary>The token of a row, to send to. Null: the device is gone or has another one by now, or its token was lost and it has to register again.</summary>
    /// <exception cref="CryptographicException">It was sealed under another master key.</exception>
    internal async Task<string?> TokenAsync(DeviceRow row, CancellationToken cancellationToken) =>
        (_secrets is null ? row.SealedToken : await _secrets.FindAsync(row, cancellationToken)) is { Length: > 0 } token ? _tokens.Open(token, row.Id) : null;

    /// <summary>Removes devices that were not seen for <see cref="StaleAfter"/>; how many. Any number of nodes may do it.</summary>
    internal static async Task<int> RemoveStaleAsync(StoreDatabase database, DateTimeOffset now, CancellationToken cancellationToken)
    {
        const int BatchSize = 200;
        var cutoff = now - StaleAfter;
        var total = 0;
        while (true)
        {
            var stale = await database.ReadAsync(
                (context, token) => context.Set<DeviceRow>().Where(r => r.LastSeenAt <= cutoff).OrderBy(r => r.LastSeenAt).Take(BatchSize).Select(r => new { r.Id, r.AccountId }).ToListAsync(token),
                cancellationToken);
            foreach (var device in stale)
            {
                total += await RemoveAsync(database, device.AccountId, r => r.Id == device.Id && r.LastSeenAt <= cutoff, DeviceRemovalReasons.Stale, now, alongside: null, cancellationToken) is not null ? 1 : 0;
            }

            if (stale.Count < BatchSize)
            {
                return total;
            }
        }
    }

    // The first that went; null: none.
    private async Task<DeviceRow?> RemoveAsync(Guid accountId, System.Linq.Expressions.Expression<Func<DeviceRow, bool>> which, string reason, Func<Device, Notice?>? notice, CancellationToken cancellationToken)
    {
        var removed = await RemoveAsync(_database, accountId, which, reason, _timeProvider.GetUtcNow(), (context, row) => _mail.Add(context, notice?.Invoke(Map(row))), cancellationToken);
        await ForgetAsync(removed is null ? [] : [removed]);
        return removed;
    }

    // Those that go with a session or an account are found by the repair.
    private async Task ForgetAsync(IReadOnlyList<DeviceRow> removed)
    {
        if (_secrets is null)
        {
            return;
        }

        foreach (var row in removed)
        {
            await _secrets.TryRemoveAsync(DeviceSecrets.Of(row).Key);
        }
    }

    private static Task<DeviceRow?> RemoveAsync(StoreDatabase database, Guid accountId, System.Linq.Expressions.Expression<Func<DeviceRow, bool>> which, string reason, DateTimeOffset now, Action<IdentityDbContext, DeviceRow>? alongside, CancellationToken cancellationToken) => database.TransactAsync(
        async (context, token) =>
        {
            await SqlOutbox.LockAsync(database, context, accountId, token);
            if (await DeviceDetachment.RemoveAsync(database, context, context.Set<DeviceRow>().Where(r => r.AccountId == accountId).Where(which), reason, now, token) is not [var first, ..])
            {
                return null;
            }

            alongside?.Invoke(context, first);
            await context.SaveChangesAsync(token);
            return first;
        },
        cancellationToken);

    // By its token; or, where the app named the device, the one of that name: tokens change, and the old one must not get a second copy.
    private static async Task<DeviceRow?> FindOwnAsync(DbSet<DeviceRow> devices, Guid accountId, NewDevice device, string hash, CancellationToken cancellationToken) =>
        (device.DeviceId is { } name
            ? await devices.OrderBy(r => r.Id).FirstOrDefaultAsync(r => r.AccountId == accountId && r.DeviceId == name && r.Platform == device.Platform && r.AppId == device.AppId, cancellationToken)
            : null)
        ?? await devices.FirstOrDefaultAsync(r => r.AccountId == accountId && r.TokenHash == hash, cancellationToken);

    private async Task<IReadOnlyList<DeviceRow>> MakeRoomAsync(IdentityDbContext context, Guid accountId, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var kept = await context.Set<DeviceRow>().Where(r => r.AccountId == accountId).OrderByDescending(r => r.LastSeenAt).ThenByDescending(r => r.Id).Skip(MostPerAccount - 1).Select(r => r.Id).ToListAsync(cancellationToken);
        return kept.Count == 0 ? [] : await DeviceDetachment.RemoveAsync(_database, context, context.Set<DeviceRow>().Where(r => kept.Contains(r.Id)), DeviceRemovalReasons.Replaced, now, cancellationToken);
    }

    // Whoever holds a stolen access token takes a key away by this as surely as by removing the device, of which its owner is told.
    private static async Task<IReadOnlyList<Notice>> WriteLossesAsync(IdentityDbContext context, AccountRow account, DeviceRow row, byte[]? keyBefore, List<DeviceRow> gone, Func<Account, AccessChange, string, Notice> notice, CancellationToken cancellationToken)
    {
        var losses = gone
            .Where(lost => lost.PublicKey is { } key && !(lost.AccountId == row.AccountId && row.PublicKey?.AsSpan().SequenceEqual(key) == true))
            .Select(lost => (lost.AccountId, lost.Platform))
            .ToList();
        if (keyBefore is not null && row.PublicKey is null)
        {
            losses.Add((row.AccountId, row.Platform));
        }

        var written = new List<Notice>();
        foreach (var (accountId, platform) in losses)
        {
            if ((accountId == account.Id ? account : await context.Accounts.AsNoTracking().FirstOrDefaultAsync(r => r.Id == accountId && r.IsActive, cancellationToken)) is { } owner)
            {
                written.Add(notice(SqlAccountStore.Map(owner), AccessChange.DeviceKeyRemoved, platform));
            }
        }

        return written;
    }

    private static DeviceRow NewRow(Guid accountId, string sessionId, NewDevice device, string hash, DateTimeOffset now) => new()
    {
        Id = Guid.CreateVersion7(now),
        AccountId = accountId,
        SessionId = sessionId,
        Platform = device.Platform,
        TokenHash = hash,
        SealedToken = [],
        CreatedAt = now,
    };

    private string Hash(string platform, string token) => Base64Url.EncodeToString(HMACSHA256.HashData(_hashKey, Encoding.UTF8.GetBytes(platform + "|" + token)));

    private static Device Map(DeviceRow row) => new(row.Id, row.AccountId, row.SessionId, row.Platform, row.Environment, row.AppId, row.DeviceId, row.PublicKey is not null, row.UserAgent, row.CreatedAt, row.LastSeenAt);
}
