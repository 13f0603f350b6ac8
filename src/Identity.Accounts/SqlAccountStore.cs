using System.Linq.Expressions;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Events;
using Identity.Accounts.Sessions;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts;

internal sealed class SqlAccountStore(StoreDatabase database) : IAccountStore
{
    public Task<Account?> FindAsync(Guid id, CancellationToken cancellationToken) => FindAsync(r => r.Id == id, cancellationToken);

    public Task<Account?> FindByEmailAsync(string normalizedEmail, CancellationToken cancellationToken) =>
        FindAsync(r => r.NormalizedEmail == normalizedEmail, cancellationToken);

    public Task<Account?> FindByUserNameAsync(string normalizedUserName, CancellationToken cancellationToken) =>
        FindAsync(r => r.NormalizedUserName == normalizedUserName, cancellationToken);

    public Task<Account?> FindByPhoneNumberAsync(string phoneNumber, CancellationToken cancellationToken) =>
        FindAsync(r => r.PhoneNumber == phoneNumber, cancellationToken);

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

    public async Task<AccountWrite> CreateAsync(Account account, AccountCredentials credentials, IReadOnlyList<LifecycleEvent> events, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(account);
        ArgumentNullException.ThrowIfNull(credentials);
        try
        {
            return await database.TransactAsync(
                async (context, token) =>
                {
                    context.Add(Map(account));
                    context.Add(new CredentialRow
                    {
                        AccountId = credentials.AccountId,
                        PasswordHash = credentials.PasswordHash,
                        PasswordChangedAt = credentials.PasswordChangedAt,
                    });
                    await context.SaveChangesAsync(token);
                    await SqlOutbox.AppendAsync(database, context, events, token);
                    return AccountWrite.Done;
                },
                cancellationToken);
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
        try
        {
            var update = await database.TransactAsync(
                async (context, token) =>
                {
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
                                .SetProperty(r => r.FirstName, row.FirstName)
                                .SetProperty(r => r.LastName, row.LastName)
                                .SetProperty(r => r.EmailVerified, row.EmailVerified)
                                .SetProperty(r => r.PhoneNumberVerified, row.PhoneNumberVerified)
                                .SetProperty(r => r.IsActive, row.IsActive)
                                .SetProperty(r => r.Roles, row.Roles)
                                .SetProperty(r => r.Profile, row.Profile)
                                .SetProperty(r => r.UpdatedAt, row.UpdatedAt)
                                .SetProperty(r => r.SecurityStamp, row.SecurityStamp),
                            token) == 1;
                    if (!updated)
                    {
                        return new AccountUpdate(await context.Accounts.AnyAsync(r => r.Id == row.Id, token) ? AccountWrite.Conflict : AccountWrite.NotFound, []);
                    }

                    if (consequences.Password is { } password && !await SqlCredentialStore.TrySetPasswordAsync(database, context, row.Id, password, token))
                    {
                        throw new PasswordConflictException();
                    }

                    var ended = consequences.EndSessions is { } ending ? await SqlSessionStore.EndAllAsync(database, context, row.Id, ending.At, token) : [];
                    await SqlOutbox.AppendAsync(database, context, [.. events, .. ended.Select(session => consequences.EndSessions!.Destroyed(session))], token);
                    return new AccountUpdate(AccountWrite.Done, ended);
                },
                cancellationToken);
            if (update.Outcome == AccountWrite.Done)
            {
                account.Version = expectedVersion + 1;
            }

            return update;
        }
        catch (PasswordConflictException)
        {
            return new AccountUpdate(AccountWrite.PasswordConflict, []);
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
    private sealed class PasswordConflictException : Exception;

    private static AccountRow Map(Account account) => new()
    {
        Id = account.Id,
        Email = account.Email,
        NormalizedEmail = account.NormalizedEmail,
        UserName = account.UserName,
        NormalizedUserName = account.NormalizedUserName,
        PhoneNumber = account.PhoneNumber,
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
    };

    private static Account Map(AccountRow row) => new()
    {
        Id = row.Id,
        Email = row.Email,
        NormalizedEmail = row.NormalizedEmail,
        UserName = row.UserName,
        NormalizedUserName = row.NormalizedUserName,
        PhoneNumber = row.PhoneNumber,
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
    };
}
