using System.Security.Cryptography;
using Identity.Accounts.Credentials;
using Identity.Accounts.Events;
using Identity.Accounts.Passwords;
using Identity.Accounts.Registration;

namespace Identity.Accounts.Administration;

/// <summary>The first account with role admin.</summary>
/// <param name="Email">Whose.</param>
/// <param name="GeneratedPassword">Set where it was made up here: to be shown once.</param>
public sealed record SeededAdmin(string Email, string? GeneratedPassword);

/// <summary>Makes the first admin where there is none.</summary>
public sealed class AdminSeed(IAccountStore accounts, RegistrationService registration, PasswordHashing hashing, PasswordPolicy policy, LifecycleEvents events)
{
    public const string AdminRole = RoleCatalog.Admin;

    /// <summary>Null where there is an admin already, or the address is taken by somebody else.</summary>
    /// <param name="email">ADMIN_EMAIL.</param>
    /// <param name="password">ADMIN_PASSWORD; null: made up.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<SeededAdmin?> EnsureAsync(string email, string? password, CancellationToken cancellationToken)
    {
        if (await accounts.AnyInRoleAsync(AdminRole, cancellationToken))
        {
            return null;
        }

        var generated = password is null ? RandomNumberGenerator.GetString("abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789", 20) : null;
        var account = registration.Create(new NewAccount(email, password ?? generated!));
        account.Roles = [AdminRole];
        account.EmailVerified = true;
        var hash = await hashing.HashAsync(password ?? generated!, cancellationToken);
        var written = await accounts.CreateAsync(account, new AccountCredentials(account.Id, hash, account.CreatedAt), [events.OfUser(EventTypes.UserCreated, account)], cancellationToken);
        return written == AccountWrite.Done ? new SeededAdmin(email, generated) : null;
    }

    /// <summary>What is wrong with ADMIN_PASSWORD; null: nothing.</summary>
    public string? FindProblem(string email, string password) => policy.FindProblems(password, [email]) is [var first, ..] ? first : null;
}
