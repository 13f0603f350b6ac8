using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Devices;
using Identity.Accounts.Events;
using Microsoft.EntityFrameworkCore;
using OpenIddict.Abstractions;

namespace Identity.Accounts.Sessions;

internal sealed class SqlSessionStore(StoreDatabase database) : ISessionStore
{
    private readonly Func<IdentityDbContext, string, CancellationToken, Task<SessionRow?>> _find =
        EF.CompileAsyncQuery((IdentityDbContext context, string id, CancellationToken token) => context.Sessions.FirstOrDefault(r => r.Id == id));

    // Asked at every request that carries a token or a cookie.
    private readonly RowsByKey<string, NotEnded> _notEnded = new(
        database,
        EF.CompileAsyncQuery((IdentityDbContext context, string id, CancellationToken token) =>
            context.Sessions
                .Where(r => r.Id == id && r.EndedAt == null)
                .Join(context.Accounts.Where(a => a.IsActive), r => r.AccountId, a => a.Id, (r, a) => new NotEnded(r, a.LockoutEnd))
                .FirstOrDefault()),
        EF.CompileAsyncQuery((IdentityDbContext context, string[] ids) =>
            context.Sessions
                .Where(r => ids.Contains(r.Id) && r.EndedAt == null)
                .Join(context.Accounts.Where(a => a.IsActive), r => r.AccountId, a => a.Id, (r, a) => new NotEnded(r, a.LockoutEnd))),
        found => found.Row.Id);

    public Task CreateAsync(Session session, LifecycleEvent created, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(session);
        return database.TransactAsync(
            async (context, token) =>
            {
                context.Add(new SessionRow
                {
                    Id = session.Id,
                    AccountId = session.AccountId,
                    CreatedAt = session.CreatedAt,
                    AuthenticatedAt = session.AuthenticatedAt,
                    Amr = Text.Words(session.Amr),
                    Acr = session.Acr,
                    SignInUntil = session.SignInUntil,
                    LastSeenAt = session.LastSeenAt,
                    ExpiresAt = session.ExpiresAt,
                    EndedAt = session.EndedAt,
                    ClientIds = string.Join('\n', session.ClientIds),
                    Ip = session.Ip,
                    UserAgent = session.UserAgent,
                    DeviceId = session.DeviceId,
                });
                await context.SaveChangesAsync(token);
                await SqlOutbox.AppendAsync(database, context, [created], token);
                return true;
            },
            cancellationToken);
    }

    public async ValueTask<Session?> FindAsync(string id, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync((context, token) => _find(context, id, token), cancellationToken);
        return row is null ? null : Map(row);
    }

    public ValueTask<Session?> FindLiveAsync(string id, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.SessionCache is { } cache
            ? cache.FindLiveAsync(id, now, (sid, token) => ReadLiveAsync(sid, now, token), cancellationToken)
            : new(ReadLiveAsync(id, now, cancellationToken));

    private async Task<Session?> ReadLiveAsync(string id, DateTimeOffset now, CancellationToken cancellationToken) =>
        await _notEnded.FindAsync(id, cancellationToken) is { } found && found.Row.ExpiresAt > now ? Map(found.Row) with { LockedUntil = found.LockoutEnd } : null;

    public async Task<IReadOnlyList<Session>> ListLiveAsync(Guid accountId, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            (context, token) => context.Sessions
                .Where(r => r.AccountId == accountId && r.EndedAt == null && r.ExpiresAt > now)
                .OrderByDescending(r => r.CreatedAt)
                .ToListAsync(token),
            cancellationToken);
        return [.. rows.Select(Map)];
    }

    public async Task<IReadOnlyList<Session>> ListUsableAsync(Guid accountId, DateTimeOffset seenAfter, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            (context, token) => context.Sessions
                .Where(r => r.AccountId == accountId && r.EndedAt == null && r.ExpiresAt > now)
                .Where(r => (r.SignInUntil > now && r.LastSeenAt > seenAfter) || context.Authorizations.Any(family => family.SessionId == r.Id && family.RevokedAt == null && family.ExpiresAt > now))
                .OrderByDescending(r => r.CreatedAt)
                .ToListAsync(token),
            cancellationToken);
        return [.. rows.Select(Map)];
    }

    public async Task<bool> AuthenticateAgainAsync(string id, DateTimeOffset at, IReadOnlyList<string> amr, string acr, DateTimeOffset until, CancellationToken cancellationToken)
    {
        var words = Text.Words(amr);
        return await WriteAsync(
            id,
            (context, token) => context.Sessions
                .Where(r => r.Id == id && r.EndedAt == null && r.ExpiresAt > at && r.AuthenticatedAt < at)
                .ExecuteUpdateAsync(
                    set => set
                        .SetProperty(r => r.AuthenticatedAt, at)
                        .SetProperty(r => r.LastSeenAt, at)
                        .SetProperty(r => r.Amr, words)
                        .SetProperty(r => r.Acr, acr)
                        .SetProperty(r => r.SignInUntil, until)
                        .SetProperty(r => r.ExpiresAt, r => r.ExpiresAt < until ? until : r.ExpiresAt),
                    token),
            cancellationToken) == 1;
    }

    public Task TouchAsync(string id, DateTimeOffset now, CancellationToken cancellationToken) => WriteAsync(
        id,
        (context, token) => context.Sessions
            .Where(r => r.Id == id && r.EndedAt == null && r.LastSeenAt < now)
            .ExecuteUpdateAsync(set => set.SetProperty(r => r.LastSeenAt, now), token),
        cancellationToken);

    public Task AttachClientAsync(string id, string clientId, bool isTold, DateTimeOffset until, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(clientId);
        if (clientId.Length == 0 || clientId.Contains('\n', StringComparison.Ordinal))
        {
            throw new ArgumentException("A client id is one line of ASCII.", nameof(clientId));
        }

        var line = "\n" + clientId + "\n";
        return database.WriteAsync(
            (context, token) => context.Sessions
                .Where(r => r.Id == id && (r.ExpiresAt < until || !("\n" + r.ClientIds + "\n").Contains(line) || (isTold && !("\n" + r.ToldClientIds + "\n").Contains(line))))
                .ExecuteUpdateAsync(
                    set => set
                        .SetProperty(r => r.ClientIds, r => ("\n" + r.ClientIds + "\n").Contains(line) ? r.ClientIds : r.ClientIds == "" ? clientId : r.ClientIds + "\n" + clientId)
                        .SetProperty(r => r.ToldClientIds, r => !isTold || ("\n" + r.ToldClientIds + "\n").Contains(line) ? r.ToldClientIds : r.ToldClientIds == "" ? clientId : r.ToldClientIds + "\n" + clientId)
                        .SetProperty(r => r.ExpiresAt, r => r.ExpiresAt < until ? until : r.ExpiresAt),
                    token),
            cancellationToken);
    }

    public Task<bool> EndAsync(string id, DateTimeOffset now, LifecycleEvent destroyed, CancellationToken cancellationToken) => EndAsync(id, onlyExpired: false, now, destroyed, cancellationToken);

    public Task<bool> EndExpiredAsync(string id, DateTimeOffset now, LifecycleEvent destroyed, CancellationToken cancellationToken) => EndAsync(id, onlyExpired: true, now, destroyed, cancellationToken);

    private Task<bool> EndAsync(string id, bool onlyExpired, DateTimeOffset now, LifecycleEvent destroyed, CancellationToken cancellationToken) => database.TransactAsync(
        async (context, token) =>
        {
            // First, as in EndAllAsync: taken after the row, the two could wait for each other.
            await SqlOutbox.LockAsync(database, context, destroyed.AccountId, token);
            var session = context.Sessions.Where(r => r.Id == id && r.EndedAt == null);
            var ended = await (onlyExpired ? session.Where(r => r.ExpiresAt <= now) : session).ExecuteUpdateAsync(set => set.SetProperty(r => r.EndedAt, now), token) == 1;
            if (ended)
            {
                context.SessionChanged(id);
                await context.Authorizations
                    .Where(r => r.SessionId == id && r.RevokedAt == null)
                    .ExecuteUpdateAsync(set => set.SetProperty(r => r.RevokedAt, now).SetProperty(r => r.Status, OpenIddictConstants.Statuses.Revoked), token);
                if (await context.Sessions.Where(r => r.Id == id && r.ToldClientIds != "").Select(r => new { r.AccountId, r.ToldClientIds }).FirstOrDefaultAsync(token) is { } told)
                {
                    LogoutNotices.Add(context, id, told.AccountId, told.ToldClientIds, now);
                    await context.SaveChangesAsync(token);
                }

                await DeviceDetachment.EndedAsync(database, context, id, destroyed, now, token);
                await SqlOutbox.AppendAsync(database, context, [destroyed], token);
            }

            return ended;
        },
        cancellationToken);

    /// <summary>Ends an account's live sessions as a part of a change of the account, and detaches all its devices; the sessions that it ended.</summary>
    public static async Task<IReadOnlyList<Session>> EndAllAsync(StoreDatabase database, IdentityDbContext context, Guid accountId, string reason, DateTimeOffset now, CancellationToken cancellationToken)
    {
        // Whoever makes a session takes this lock before its commit: a session is seen here, or made after the change that ends the others.
        await SqlOutbox.LockAsync(database, context, accountId, cancellationToken);
        context.SessionsChangedOf(accountId);
        var rows = await context.Sessions.Where(r => r.AccountId == accountId && r.EndedAt == null && r.ExpiresAt > now).ToListAsync(cancellationToken);
        if (rows.Count > 0)
        {
            var ids = rows.Select(r => r.Id).ToArray();
            await context.Sessions.Where(r => ids.Contains(r.Id) && r.EndedAt == null).ExecuteUpdateAsync(set => set.SetProperty(r => r.EndedAt, now), cancellationToken);
            await context.Authorizations
                .Where(r => ids.Contains(r.SessionId) && r.RevokedAt == null)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.RevokedAt, now).SetProperty(r => r.Status, OpenIddictConstants.Statuses.Revoked), cancellationToken);
            foreach (var row in rows.Where(r => r.ToldClientIds.Length > 0))
            {
                LogoutNotices.Add(context, row.Id, row.AccountId, row.ToldClientIds, now);
            }

            await context.SaveChangesAsync(cancellationToken);
        }

        await DeviceDetachment.AllAsync(database, context, accountId, reason, now, cancellationToken);
        return [.. rows.Select(Map)];
    }

    public async Task<IReadOnlyList<Session>> ListExpiredAsync(DateTimeOffset now, int limit, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            (context, token) => context.Sessions
                .Where(r => r.ExpiresAt <= now && r.EndedAt == null)
                .OrderBy(r => r.ExpiresAt)
                .Take(limit)
                .ToListAsync(token),
            cancellationToken);
        return [.. rows.Select(Map)];
    }

    /// <summary>One statement on one session.</summary>
    private Task<int> WriteAsync(string id, Func<IdentityDbContext, CancellationToken, Task<int>> statement, CancellationToken cancellationToken) => database.WriteAsync(
        async (context, token) =>
        {
            var changed = await statement(context, token);
            if (changed > 0)
            {
                context.SessionChanged(id);
            }

            return changed;
        },
        cancellationToken);

    internal static Session Map(SessionRow row) => new(
        row.Id,
        row.AccountId,
        row.CreatedAt,
        row.AuthenticatedAt,
        Text.ParseWords(row.Amr),
        row.Acr,
        row.SignInUntil,
        row.LastSeenAt,
        row.ExpiresAt,
        row.EndedAt,
        Lines(row.ClientIds),
        row.Ip,
        row.UserAgent,
        row.DeviceId)
    {
        ToldClientIds = Lines(row.ToldClientIds),
    };

    private sealed record NotEnded(SessionRow Row, DateTimeOffset? LockoutEnd);

    private static string[] Lines(string text) => text.Length == 0 ? [] : text.Split('\n');
}
