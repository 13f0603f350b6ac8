// ASP.NET Core Identity's stores over our own ports: what its UserManager changes has the same consequences as any other change.
using System.Text.Json.Nodes;
using Identity.Accounts.Credentials;
using Identity.Accounts.Events;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts.AspNetCoreIdentity;

/// <summary>
/// Accounts as ASP.NET Core Identity sees them. One per scope: between a setter and <see cref="UpdateAsync"/> it holds the new password
/// hash, which <see cref="Account"/> has no member for. Lockout is counted by the port's atomic statement at once, not with the update.
/// There is no role store: Identity folds the case of names, and ours are as they are written. Set <see cref="Account.Roles"/> and update.
/// </summary>
public sealed partial class AccountUserStore(
    IAccountStore accounts,
    ICredentialStore credentials,
    Lockout lockout,
    SessionService sessions,
    LifecycleEvents events,
    ISecondFactorStore factors,
    IdentityErrorDescriber errors,
    TimeProvider timeProvider) :
    IUserPasswordStore<Account>,
    IUserEmailStore<Account>,
    IUserPhoneNumberStore<Account>,
    IUserSecurityStampStore<Account>,
    IUserLockoutStore<Account>
{
    private static readonly Caller Here = new(Ip: null, UserAgent: null);

    // The hash that was read, or is expected, and the one to come; by reference, since two may have read the same account.
    private readonly Dictionary<Account, string?> _passwords = new(ReferenceEqualityComparer.Instance);

    public async Task<IdentityResult> CreateAsync(Account user, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(user);
        var hash = _passwords.GetValueOrDefault(user);
        var written = await accounts.CreateAsync(
            user,
            new AccountCredentials(user.Id, hash, hash is null ? null : timeProvider.GetUtcNow()),
            [events.OfUser(EventTypes.UserCreated, user)],
            cancellationToken);
        return Result(written, user);
    }

    /// <summary>
    /// Writes what differs from the stored account, tells of it, and ends every session if it is a new password, a new stamp, other roles or
    /// a deactivation: one transaction. Nothing differs: nothing is written. Another change in between: <c>ConcurrencyFailure</c>.
    /// </summary>
    public async Task<IdentityResult> UpdateAsync(Account user, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(user);
        if (await accounts.FindAsync(user.Id, cancellationToken) is not { } stored)
        {
            return IdentityResult.Failed(errors.DefaultError());
        }

        if (stored.Version != user.Version)
        {
            return IdentityResult.Failed(errors.ConcurrencyFailure());
        }

        var newPassword = _passwords.ContainsKey(user);
        var told = Told(stored, user, newPassword);
        var stamped = stored.SecurityStamp != user.SecurityStamp || !SameRoles(stored, user);
        if (told.Count == 0 && !stamped)
        {
            return IdentityResult.Success;
        }

        var now = timeProvider.GetUtcNow();
        user.UpdatedAt = now;
        var reason = newPassword ? SessionEndReasons.PasswordChanged : stored.IsActive && !user.IsActive ? SessionEndReasons.Deactivated : stamped ? SessionEndReasons.Admin : null;
        var expected = newPassword ? (await credentials.FindAsync(user.Id, cancellationToken))?.PasswordHash : null;
        var consequences = new AccountConsequences
        {
            Password = newPassword ? new PasswordReplacement(expected, _passwords[user], now) : null,
            GivenRoles = [.. user.Roles.Except(stored.Roles, StringComparer.Ordinal)],
            EndSessions = reason is null ? null : sessions.EndingWith(reason, Here),
        };
        var (written, ended) = await accounts.UpdateAsync(user, user.Version, told, consequences, cancellationToken);
        if (written == AccountWrite.Done)
        {
            _passwords.Remove(user);
            await sessions.AuditEndedAsync(ended, reason ?? "", Here, CancellationToken.None);
        }

        return Result(written, user);
    }

    /// <summary>Always fails: deleting somebody needs a proof or an administrator (<see cref="Administration.AccountErasure"/>). Deactivate it instead.</summary>
    public Task<IdentityResult> DeleteAsync(Account user, CancellationToken cancellationToken) =>
        Task.FromResult(IdentityResult.Failed(new IdentityError { Code = "AccountsAreKept", Description = "Accounts are deactivated, not deleted." }));

    public async Task<Account?> FindByIdAsync(string userId, CancellationToken cancellationToken) =>
        Guid.TryParse(userId, out var id) ? await accounts.FindAsync(id, cancellationToken) : null;

    public Task<Account?> FindByNameAsync(string normalizedUserName, CancellationToken cancellationToken) => accounts.FindByUserNameAsync(normalizedUserName, cancellationToken);

    public Task<Account?> FindByEmailAsync(string normalizedEmail, CancellationToken cancellationToken) => accounts.FindByEmailAsync(normalizedEmail, cancellationToken);

    public Task<string> GetUserIdAsync(Account user, CancellationToken cancellationToken) => Task.FromResult(user.Id.ToString());

    public Task<string?> GetUserNameAsync(Account user, CancellationToken cancellationToken) => Task.FromResult(user.UserName);

    public Task SetUserNameAsync(Account user, string? userName, CancellationToken cancellationToken) => Set(() => user.UserName = userName);

    public Task<string?> GetNormalizedUserNameAsync(Account user, CancellationToken cancellationToken) => Task.FromResult(user.NormalizedUserName);

    public Task SetNormalizedUserNameAsync(Account user, string? normalizedName, CancellationToken cancellationToken) => Set(() => user.NormalizedUserName = normalizedName);

    public async Task<string?> GetPasswordHashAsync(Account user, CancellationToken cancellationToken) =>
        _passwords.TryGetValue(user, out var hash) ? hash : (await credentials.FindAsync(user.Id, cancellationToken))?.PasswordHash;

    public Task SetPasswordHashAsync(Account user, string? passwordHash, CancellationToken cancellationToken) => Set(() => _passwords[user] = passwordHash);

    public async Task<bool> HasPasswordAsync(Account user, CancellationToken cancellationToken) => await GetPasswordHashAsync(user, cancellationToken) is not null;

    public Task<string?> GetEmailAsync(Account user, CancellationToken cancellationToken) => Task.FromResult<string?>(user.Email);

    public Task SetEmailAsync(Account user, string? email, CancellationToken cancellationToken) => Set(() => user.Email = email ?? "");

    public Task<bool> GetEmailConfirmedAsync(Account user, CancellationToken cancellationToken) => Task.FromResult(user.EmailVerified);

    public Task SetEmailConfirmedAsync(Account user, bool confirmed, CancellationToken cancellationToken) => Set(() => user.EmailVerified = confirmed);

    public Task<string?> GetNormalizedEmailAsync(Account user, CancellationToken cancellationToken) => Task.FromResult<string?>(user.NormalizedEmail);

    public Task SetNormalizedEmailAsync(Account user, string? normalizedEmail, CancellationToken cancellationToken) => Set(() => user.NormalizedEmail = normalizedEmail ?? "");

    public Task<string?> GetPhoneNumberAsync(Account user, CancellationToken cancellationToken) => Task.FromResult(user.PhoneNumber);

    public Task SetPhoneNumberAsync(Account user, string? phoneNumber, CancellationToken cancellationToken) => Set(() => user.PhoneNumber = phoneNumber);

    public Task<bool> GetPhoneNumberConfirmedAsync(Account user, CancellationToken cancellationToken) => Task.FromResult(user.PhoneNumberVerified);

    public Task SetPhoneNumberConfirmedAsync(Account user, bool confirmed, CancellationToken cancellationToken) => Set(() => user.PhoneNumberVerified = confirmed);

    public Task<string?> GetSecurityStampAsync(Account user, CancellationToken cancellationToken) => Task.FromResult<string?>(user.SecurityStamp);

    public Task SetSecurityStampAsync(Account user, string stamp, CancellationToken cancellationToken) => Set(() => user.SecurityStamp = stamp);

    /// <summary>As stored now: others count meanwhile.</summary>
    public async Task<DateTimeOffset?> GetLockoutEndDateAsync(Account user, CancellationToken cancellationToken) => (await accounts.FindAsync(user.Id, cancellationToken))?.LockoutEnd;

    /// <summary>Written at once; the count starts anew.</summary>
    public Task SetLockoutEndDateAsync(Account user, DateTimeOffset? lockoutEnd, CancellationToken cancellationToken)
    {
        var locks = lockoutEnd > timeProvider.GetUtcNow();
        return accounts.SetLockoutAsync(user.Id, lockoutEnd, locks ? [events.OfUser(EventTypes.UserLockedOut, user)] : [], cancellationToken);
    }

    /// <summary>Counted at once. 0 where this failure locked the account, or it is locked: nothing is left for the caller to do then.</summary>
    public async Task<int> IncrementAccessFailedCountAsync(Account user, CancellationToken cancellationToken) =>
        await lockout.CountAsync(user, cancellationToken) is { LockoutEnd: null } counted ? counted.FailedCount : 0;

    /// <summary>A sign-in that succeeded: noted at once.</summary>
    public Task ResetAccessFailedCountAsync(Account user, CancellationToken cancellationToken) => accounts.RecordSignInAsync(user.Id, timeProvider.GetUtcNow(), cancellationToken);

    public async Task<int> GetAccessFailedCountAsync(Account user, CancellationToken cancellationToken) => (await accounts.FindAsync(user.Id, cancellationToken))?.AccessFailedCount ?? 0;

    public Task<bool> GetLockoutEnabledAsync(Account user, CancellationToken cancellationToken) => Task.FromResult(true);

    /// <exception cref="NotSupportedException">No account is without a lockout.</exception>
    public Task SetLockoutEnabledAsync(Account user, bool enabled, CancellationToken cancellationToken) =>
        enabled ? Task.CompletedTask : throw new NotSupportedException("Every account is locked after too many failures (Accounts:LockoutThreshold).");

    public void Dispose()
    {
    }

    private List<LifecycleEvent> Told(Account stored, Account user, bool newPassword)
    {
        var told = new List<LifecycleEvent>();
        void Tell(bool happened, string type)
        {
            if (happened)
            {
                told.Add(events.OfUser(type, user));
            }
        }

        Tell(!Same(stored, user) || !SameRoles(stored, user), EventTypes.UserUpdated);
        Tell(stored.IsActive && !user.IsActive, EventTypes.UserDeactivated);
        Tell(!stored.IsActive && user.IsActive, EventTypes.UserReactivated);
        Tell(!stored.EmailVerified && user.EmailVerified, EventTypes.UserEmailVerified);
        Tell(!stored.PhoneNumberVerified && user.PhoneNumberVerified, EventTypes.UserPhoneVerified);
        Tell(!SameRoles(stored, user), EventTypes.UserRolesChanged);
        Tell(newPassword, EventTypes.UserPasswordChanged);
        return told;
    }

    private static bool Same(Account one, Account other) =>
        (one.Email, one.NormalizedEmail, one.UserName, one.NormalizedUserName, one.PhoneNumber, one.FirstName, one.LastName, one.EmailVerified, one.PhoneNumberVerified, one.IsActive)
        == (other.Email, other.NormalizedEmail, other.UserName, other.NormalizedUserName, other.PhoneNumber, other.FirstName, other.LastName, other.EmailVerified, other.PhoneNumberVerified, other.IsActive)
        && JsonNode.DeepEquals(one.Profile, other.Profile);

    private static bool SameRoles(Account one, Account other) => one.Roles.Order(StringComparer.Ordinal).SequenceEqual(other.Roles.Order(StringComparer.Ordinal), StringComparer.Ordinal);

    private IdentityResult Result(AccountWrite written, Account user) => written switch
    {
        AccountWrite.Done => IdentityResult.Success,
        AccountWrite.EmailTaken => IdentityResult.Failed(errors.DuplicateEmail(user.Email)),
        AccountWrite.UserNameTaken => IdentityResult.Failed(errors.DuplicateUserName(user.UserName ?? "")),
        AccountWrite.PhoneNumberTaken => IdentityResult.Failed(new IdentityError { Code = "DuplicatePhoneNumber", Description = "This phone number is taken." }),
        AccountWrite.UnknownRole => IdentityResult.Failed(new IdentityError { Code = "UnknownRole", Description = "A role must exist before it is given." }),
        AccountWrite.LastAdmin => IdentityResult.Failed(new IdentityError { Code = "LastAdmin", Description = "Somebody active must have the role admin." }),
        AccountWrite.Conflict or AccountWrite.PasswordConflict => IdentityResult.Failed(errors.ConcurrencyFailure()),
        _ => IdentityResult.Failed(errors.DefaultError()),
    };

    private static Task Set(Action set)
    {
        set();
        return Task.CompletedTask;
    }
}
