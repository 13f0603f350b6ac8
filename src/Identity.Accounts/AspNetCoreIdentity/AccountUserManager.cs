// ASP.NET Core Identity's UserManager, where its way of hashing a password anew would sign the person out everywhere.
using Identity.Accounts.Credentials;
using Identity.Accounts.Passwords;
using Identity.Accounts.SignIn;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.AspNetCoreIdentity;

/// <summary>
/// Resolve it as <see cref="UserManager{TUser}"/>. Passwords cost the same whether there is one or not, a few at a time; a weaker hash is
/// replaced at a right password without a new security stamp.
/// </summary>
public sealed class AccountUserManager(
    IUserStore<Account> store,
    IOptions<IdentityOptions> options,
    IPasswordHasher<Account> hasher,
    IEnumerable<IUserValidator<Account>> userValidators,
    IEnumerable<IPasswordValidator<Account>> passwordValidators,
    ILookupNormalizer normalizer,
    IdentityErrorDescriber errors,
    IServiceProvider services,
    ILogger<UserManager<Account>> logger,
    ICredentialStore credentials,
    PasswordHashing hashing,
    IAccountStore accounts,
    Lockout lockout) : UserManager<Account>(store, options, hasher, userValidators, passwordValidators, normalizer, errors, services, logger)
{
    /// <summary>As stored now and by our clock: Identity's own reads the machine's.</summary>
    public override async Task<bool> IsLockedOutAsync(Account user)
    {
        ArgumentNullException.ThrowIfNull(user);
        return await accounts.FindAsync(user.Id, CancellationToken) is { } stored && lockout.IsLocked(stored);
    }

    protected override async Task<PasswordVerificationResult> VerifyPasswordAsync(IUserPasswordStore<Account> store, Account user, string password)
    {
        ArgumentNullException.ThrowIfNull(user);
        var stored = await credentials.FindAsync(user.Id, CancellationToken);
        var verified = await hashing.VerifyAsync(stored?.PasswordHash, password, CancellationToken);
        if (verified == PasswordVerificationResult.SuccessRehashNeeded)
        {
            await credentials.TrySetPasswordAsync(user.Id, stored!.PasswordHash, await hashing.HashAsync(password, CancellationToken), stored.PasswordChangedAt ?? user.CreatedAt, CancellationToken);
            return PasswordVerificationResult.Success;
        }

        return verified;
    }
}
