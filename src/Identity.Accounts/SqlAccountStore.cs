using System.Linq.Expressions;
using System.Text.Json.Nodes;
using Identity.Accounts.Administration;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Mongo;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Identity.Accounts.Profile;
using Identity.Accounts.Sessions;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts;

/// <param name="database">Where accounts are.</param>
/// <param name="mail">Where notices wait.</param>
/// <param name="credentials">The other home of credentials; null: they are here too.</param>
/// <param name="metadata">The other home of metadata; null: it is here too.</param>
internal sealed class SqlAccountStore(StoreDatabase database, MailOutbox mail, MongoCredentialStore? credentials = null, MongoMetadataStore? metadata = null) : IAccountStore
{
    // Asked at nearly every request that acts for somebody.
    private readonly RowsByKey<Guid, AccountRow> _rows = new(
        database,
        EF.CompileAsyncQuery((IdentityDbContext context, Guid id, CancellationToken token) => context.Accounts.FirstOrDefault(r => r.Id == id)),
        EF.CompileAsyncQuery((IdentityDbContext context, Guid[] ids) => context.Accounts.Where(r => ids.Contains(r.Id))),
        row => row.Id);

    public async Task<Account?> FindAsync(Guid id, CancellationToken cancellationToken) => await _rows.FindAsync(id, cancellationToken) is { } row ? Map(row) : null;

    public Task<Account?> FindByEmailAsync(string normalizedEmail, CancellationToken cancellationToken) =>
        FindAsync(r => r.NormalizedEmail == normalizedEmail, cancellationToken);

    public Task<Account?> FindByUserNameAsync(string normalizedUserName, CancellationToken cancellationToken) =>
        FindAsync(r => r.NormalizedUserName == normalizedUserName, cancellationToken);

    public Task<Account?> FindByPhoneNumberAsync(string phoneNumber, CancellationToken cancellationToken) =>
        FindAsync(r => r.PhoneNumber == phoneNumber, cancellationToken);

    public async Task<Account?> FindByPendingAsync(string? email, string? phoneNumber, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync(
            (context, token) => (email is null ? context.Accounts.Where(r => r.PendingPhoneNumber == phoneNumber) : context.Accounts.Where(r => r.PendingEmail == email))
                .OrderByDescending(r => r.UpdatedAt)
                .FirstOrDefaultAsync(token),
            cancellationToken);
        return row is null ? null : Map(row);
    }

    public async Task<IReadOnlyList<Account>> ListAsync(Guid? after, int limit, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            (context, token) =>
            {
                var accounts = after is { } id ? context.Accounts.Where(r => r.Id > id) : context.Accounts;
                return accounts.OrderBy(r => r.Id).Take(limit).ToListAsync(token);
            },
            cancellationToken);
        return [.. rows.Select(Map)];
    }

    public async Task<IReadOnlyList<Account>> SearchAsync(AccountFilter filter, Guid? after, int limit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(filter);
        var rows = await database.ReadAsync(
            (context, token) =>
            {
                var accounts = Filtered(context.Accounts, filter);
                accounts = after is { } id ? accounts.Where(r => r.Id > id) : accounts;
                return accounts.OrderBy(r => r.Id).Take(limit).ToListAsync(token);
            },
            cancellationToken);
        return [.. rows.Select(Map)];
    }

    public async Task<AccountWrite> CreateAsync(Account account, AccountCredentials first, IReadOnlyList<LifecycleEvent> events, CancellationToken cancellationToken, JsonObject? brought = null)
    {
        ArgumentNullException.ThrowIfNull(account);
        ArgumentNullException.ThrowIfNull(first);
        try
        {
            var written = await database.TransactAsync(
                async (context, token) =>
                {
                    context.Add(Map(account));
                    context.Add(new CredentialRow
                    {
                        AccountId = first.AccountId,
                        PasswordHash = first.PasswordHash,
                        PasswordChangedAt = first.PasswordChangedAt,
                    });
                    if (brought is { Count: > 0 })
                    {
                        context.Add(new MetadataRow { AccountId = account.Id, Document = brought.ToJsonString() });
                    }

                    await context.SaveChangesAsync(token);
                    await SqlOutbox.AppendAsync(database, context, events, token);
                    return AccountWrite.Done;
                },
                cancellationToken);
            await MoveAsync(account.Id, withMetadata: brought is { Count: > 0 });
            return written;
        }
        catch (Exception exception) when (Taken(exception) is not null)
        {
            return Taken(exception)!.Value;
        }
    }

    public async Task<AccountWrite> UpdateAsync(Account account, long expectedVersion, IReadOnlyList<LifecycleEvent> events, CancellationToken cancellationToken) =>
        (await UpdateAsync(account, expectedVersion, events, new AccountConsequences(), cancellationToken)).Outcome;

    public async Task<AccountUpdate> UpdateAsync(Account account, long expectedVersion, IReadOnlyList<LifecycleEvent> events, AccountConsequences consequences, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(account);
        ArgumentNullException.ThrowIfNull(consequences);
        var row = Map(account);
        if (metadata is not null && consequences.Metadata is { } asked && !await metadata.FitsAsync(row.Id, asked, cancellationToken))
        {
            return new AccountUpdate(AccountWrite.MetadataTooLarge, []);
        }

        StagedPassword? staged = null;
        if (credentials is not null && consequences.Password is { } replacement)
        {
            staged = await credentials.PrepareAsync(row.Id, replacement, cancellationToken);
            if (staged is null)
            {
                var version = await database.ReadAsync((context, token) => context.Accounts.Where(r => r.Id == row.Id).Select(r => (long?)r.Version).FirstOrDefaultAsync(token), cancellationToken);
                return new AccountUpdate(version is null ? AccountWrite.NotFound : version == expectedVersion ? AccountWrite.PasswordConflict : AccountWrite.Conflict, []);
            }
        }

        try
        {
            var update = await database.TransactAsync(
                async (context, token) =>
                {
                    // First: whoever takes a role away takes its lock before it looks at accounts.
                    if (consequences.GivenRoles.Count > 0 && !(await RoleCatalog.FindAsync(database, context, consequences.GivenRoles, token)).IsSupersetOf(consequences.GivenRoles))
                    {
                        return new AccountUpdate(AccountWrite.UnknownRole, []);
                    }

                    if (!RoleCatalog.IsAdmin(row) && await RoleCatalog.IsLastAdminAsync(database, context, row.Id, token))
                    {
                        return new AccountUpdate(AccountWrite.LastAdmin, []);
                    }

                    var updated = await context.Accounts
                        .Where(r => r.Id == row.Id && r.Version == expectedVersion)
                        .ExecuteUpdateAsync(
                            set => set
                                .SetProperty(r => r.Version, expectedVersion + 1)
                                .SetProperty(r => r.Email, row.Email)
                                .SetProperty(r => r.NormalizedEmail, row.NormalizedEmail)
                                .SetProperty(r => r.UserName, row.UserName)
                                .SetProperty(r => r.NormalizedUserName, row.NormalizedUserName)
                                .SetProperty(r => r.PhoneNumber, row.PhoneNumber)
                                .SetProperty(r => r.PendingEmail, row.PendingEmail)
                                .SetProperty(r => r.PendingPhoneNumber, row.PendingPhoneNumber)
                                .SetProperty(r => r.Claim, row.Claim)
                                .SetProperty(r => r.FirstName, row.FirstName)
                                .SetProperty(r => r.LastName, row.LastName)
                                .SetProperty(r => r.EmailVerified, row.EmailVerified)
                                .SetProperty(r => r.PhoneNumberVerified, row.PhoneNumberVerified)
                                .SetProperty(r => r.IsActive, row.IsActive)
                                .SetProperty(r => r.Roles, row.Roles)
                                .SetProperty(r => r.Profile, row.Profile)
                                .SetProperty(r => r.UpdatedAt, row.UpdatedAt)
                                .SetProperty(r => r.DeleteAfter, row.DeleteAfter)
                                .SetProperty(r => r.SearchText, row.SearchText)
                                .SetProperty(r => r.SecurityStamp, row.SecurityStamp),
                            token) == 1;
                    if (!updated)
                    {
                        return new AccountUpdate(await context.Accounts.AnyAsync(r => r.Id == row.Id, token) ? AccountWrite.Conflict : AccountWrite.NotFound, []);
                    }

                    // Whether it may sign in is a part of what is remembered of its sessions.
                    context.SessionsChangedOf(row.Id);
                    if (metadata is null && consequences.Metadata is { } patch && !await SqlMetadataStore.TryMergeAsync(database, context, row.Id, patch, token))
                    {
                        throw new RefusedException(AccountWrite.MetadataTooLarge);
                    }

                    if (staged is not null ? !await MongoCredentialStore.TryStageAsync(database, context, row.Id, staged, token)
                        : consequences.Password is { } password && !await SqlCredentialStore.TrySetPasswordAsync(database, context, row.Id, password, token))
                    {
                        throw new RefusedException(AccountWrite.PasswordConflict);
                    }

                    if (consequences.Unlocks)
                    {
                        await context.Accounts.Where(r => r.Id == row.Id).ExecuteUpdateAsync(set => set.SetProperty(r => r.AccessFailedCount, 0).SetProperty(r => r.LockoutEnd, (DateTimeOffset?)null), token);
                    }

                    if (consequences.ForgetsDevices)
                    {
                        await context.Set<KnownDeviceRow>().Where(r => r.AccountId == row.Id).ExecuteDeleteAsync(token);
                    }

                    if (consequences.VoidsNotices)
                    {
                        await context.Set<AccessNoticeRow>().Where(r => r.AccountId == row.Id).ExecuteDeleteAsync(token);
                    }

                    if (consequences.DisownedBy is { } link)
                    {
                        var links = context.Set<AccessNoticeRow>().Where(r => r.AccountId == row.Id && r.UsedAt == null);
                        if (await links.Where(r => r.Key == link.Key).ExecuteUpdateAsync(set => set.SetProperty(r => r.UsedAt, row.UpdatedAt), token) != 1)
                        {
                            throw new RefusedException(AccountWrite.NoticeUsed);
                        }

                        await links.Where(r => r.ExpiresAt >= link.ExpiresAt).ExecuteUpdateAsync(set => set.SetProperty(r => r.UsedAt, row.UpdatedAt), token);
                    }

                    var ended = consequences.EndSessions is { } ending ? await SqlSessionStore.EndAllAsync(database, context, row.Id, ending.Reason, ending.At, token) : [];

                    // Saved with the first event, where there is one.
                    mail.Add(context, consequences.Notices);
                    await SqlOutbox.AppendAsync(database, context, [.. events, .. ended.Select(session => consequences.EndSessions!.Destroyed(session))], token);
                    await context.SaveChangesAsync(token);
                    return new AccountUpdate(AccountWrite.Done, ended);
                },
                cancellationToken);
            if (update.Outcome == AccountWrite.Done)
            {
                account.Version = expectedVersion + 1;
                if (staged is not null)
                {
                    await MoveAsync(row.Id);
                }

                // After the account, before the answer: what a crash in between leaves undone was not acknowledged.
                if (metadata is not null && consequences.Metadata is { } merged && !await metadata.MergeAsync(row.Id, merged, CancellationToken.None))
                {
                    throw new InvalidOperationException("The metadata grew over its limit while it was changed twice at once.");
                }
            }

            return update;
        }
        catch (RefusedException refused)
        {
            return new AccountUpdate(refused.Outcome, []);
        }
        catch (Exception exception) when (Taken(exception) is not null)
        {
            return new AccountUpdate(Taken(exception)!.Value, []);
        }
    }

    public Task<FailedAttempt> CountFailureAsync(Guid id, int limit, DateTimeOffset lockoutEnd, DateTimeOffset now, LifecycleEvent lockedOut, CancellationToken cancellationToken) => database.TransactAsync(
        async (context, token) =>
        {
            // While the account is locked nothing is counted: else the failures that raced the one that locked would lock it again.
            var counted = await context.Accounts
                .Where(r => r.Id == id && (r.LockoutEnd == null || r.LockoutEnd <= now))
                .ExecuteUpdateAsync(
                    set => set
                        .SetProperty(r => r.AccessFailedCount, r => r.AccessFailedCount + 1 >= limit ? 0 : r.AccessFailedCount + 1)
                        .SetProperty(r => r.LockoutEnd, r => r.AccessFailedCount + 1 >= limit ? lockoutEnd : r.LockoutEnd),
                    token) == 1;

            // The row is ours until the commit, so this reads what the statement above wrote.
            var state = await context.Accounts.Where(r => r.Id == id).Select(r => new { r.AccessFailedCount, r.LockoutEnd }).FirstOrDefaultAsync(token);
            if (state is null)
            {
                return new FailedAttempt(0, LockedNow: false, LockoutEnd: null);
            }

            var lockedNow = counted && state.AccessFailedCount == 0;
            if (lockedNow)
            {
                await SqlOutbox.AppendAsync(database, context, [lockedOut], token);
            }

            return new FailedAttempt(lockedNow ? limit : state.AccessFailedCount, lockedNow, state.LockoutEnd > now ? state.LockoutEnd : null);
        },
        cancellationToken);

    public Task<bool> SetLockoutAsync(Guid id, DateTimeOffset? lockoutEnd, IReadOnlyList<LifecycleEvent> events, CancellationToken cancellationToken) => database.TransactAsync(
        async (context, token) =>
        {
            var found = await context.Accounts
                .Where(r => r.Id == id)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.AccessFailedCount, 0).SetProperty(r => r.LockoutEnd, lockoutEnd), token) == 1;
            if (found)
            {
                await SqlOutbox.AppendAsync(database, context, events, token);
            }

            return found;
        },
        cancellationToken);

    public Task RecordSignInAsync(Guid id, DateTimeOffset now, CancellationToken cancellationToken) => database.WriteAsync(
        (context, token) => context.Accounts
            .Where(r => r.Id == id)
            .ExecuteUpdateAsync(set => set.SetProperty(r => r.AccessFailedCount, 0).SetProperty(r => r.LastLoginAt, now), token),
        cancellationToken);

    public Task<bool> AnyInRoleAsync(string role, CancellationToken cancellationToken)
    {
        var element = Text.Json(role);
        return database.ReadAsync((context, token) => context.Accounts.AnyAsync(r => r.Roles != "[]" && r.Roles.Contains(element), token), cancellationToken);
    }

    // What waits is durable and in force already: a move that fails now is the repair job's.
    private async Task MoveAsync(Guid id, bool withMetadata = false)
    {
        try
        {
            await (credentials?.MoveAsync(id, CancellationToken.None) ?? Task.CompletedTask);
            await (withMetadata && metadata is not null ? metadata.MoveAsync(id, CancellationToken.None) : Task.CompletedTask);
        }
        catch (Exception exception) when (exception is StoreUnavailableException or System.Data.Common.DbException)
        {
        }
    }

    private async Task<Account?> FindAsync(Expression<Func<AccountRow, bool>> which, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync((context, token) => context.Accounts.FirstOrDefaultAsync(which, token), cancellationToken);
        return row is null ? null : Map(row);
    }

    private AccountWrite? Taken(Exception exception) => database.Dialect.IsUniqueViolation(exception, out var detail)
        ? detail switch
        {
            _ when detail.Contains("normalized_email", StringComparison.Ordinal) => AccountWrite.EmailTaken,
            _ when detail.Contains("normalized_user_name", StringComparison.Ordinal) => AccountWrite.UserNameTaken,
            _ when detail.Contains("phone_number", StringComparison.Ordinal) => AccountWrite.PhoneNumberTaken,
            _ => null,
        }
        : null;

    // Takes the transaction back: what it already wrote must not be kept.
    private sealed class RefusedException(AccountWrite outcome) : Exception
    {
        public AccountWrite Outcome { get; } = outcome;
    }

    internal static IQueryable<AccountRow> Filtered(IQueryable<AccountRow> accounts, AccountFilter filter)
    {
        if (filter.Search is { Length: > 0 } search)
        {
            var folded = AccountFilter.Fold(search);
            accounts = accounts.Where(r => r.SearchText.Contains(folded));
        }

        if (filter.Role is { } role)
        {
            var element = Text.Json(role);
            accounts = accounts.Where(r => r.Roles != "[]" && r.Roles.Contains(element));
        }

        accounts = filter.CreatedAfter is { } createdAfter ? accounts.Where(r => r.CreatedAt > createdAfter) : accounts;
        return filter.IsActive is { } isActive ? accounts.Where(r => r.IsActive == isActive) : accounts;
    }

    internal static AccountRow Map(Account account) => new()
    {
        Id = account.Id,
        Email = account.Email,
        NormalizedEmail = account.NormalizedEmail,
        UserName = account.UserName,
        NormalizedUserName = account.NormalizedUserName,
        PhoneNumber = account.PhoneNumber,
        PendingEmail = account.PendingEmail,
        PendingPhoneNumber = account.PendingPhoneNumber,
        Claim = (int)account.Claim,
        FirstName = account.FirstName,
        LastName = account.LastName,
        EmailVerified = account.EmailVerified,
        PhoneNumberVerified = account.PhoneNumberVerified,
        IsActive = account.IsActive,
        Roles = Text.Json(account.Roles),
        Profile = account.Profile.ToJsonString(),
        CreatedAt = account.CreatedAt,
        UpdatedAt = account.UpdatedAt,
        LastLoginAt = account.LastLoginAt,
        SecurityStamp = account.SecurityStamp,
        Version = account.Version,
        AccessFailedCount = account.AccessFailedCount,
        LockoutEnd = account.LockoutEnd,
        DeleteAfter = account.DeleteAfter,
        SearchText = AccountFilter.Fold(account),
    };

    internal static Account Map(AccountRow row) => new()
    {
        Id = row.Id,
        Email = row.Email,
        NormalizedEmail = row.NormalizedEmail,
        UserName = row.UserName,
        NormalizedUserName = row.NormalizedUserName,
        PhoneNumber = row.PhoneNumber,
        PendingEmail = row.PendingEmail,
        PendingPhoneNumber = row.PendingPhoneNumber,
        Claim = (AccountClaim)row.Claim,
        FirstName = row.FirstName,
        LastName = row.LastName,
        EmailVerified = row.EmailVerified,
        PhoneNumberVerified = row.PhoneNumberVerified,
        IsActive = row.IsActive,
        Roles = Text.ParseList(row.Roles),
        Profile = JsonNode.Parse(row.Profile)!.AsObject(),
        CreatedAt = row.CreatedAt,
        UpdatedAt = row.UpdatedAt,
        LastLoginAt = row.LastLoginAt,
        SecurityStamp = row.SecurityStamp,
        Version = row.Version,
        AccessFailedCount = row.AccessFailedCount,
        LockoutEnd = row.LockoutEnd,
        DeleteAfter = row.DeleteAfter,
    };
}
