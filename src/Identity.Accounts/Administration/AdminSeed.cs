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

/// <summary>What seeing to an admin came to.</summary>
/// <param name="Made">The one that was made; null: none was, as there is one or the address is taken.</param>
/// <param name="IsAddressTaken">There is no admin, and the address is another account's. That account is not given the role: whoever registered the address first would have it.</param>
public sealed record AdminSeeding(SeededAdmin? Made, bool IsAddressTaken);

/// <summary>Makes the first admin where there is none.</summary>
public sealed class AdminSeed(IAccountStore accounts, RegistrationService registration, PasswordHashing hashing, PasswordPolicy policy, LifecycleEvents events)
{
    public const string AdminRole = RoleCatalog.Admin;

    /// <param name="email">ADMIN_EMAIL.</param>
    /// <param name="password">ADMIN_PASSWORD; null: made up.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<AdminSeeding> EnsureAsync(string email, string? password, CancellationToken cancellationToken)
    {
        if (await accounts.AnyInRoleAsync(AdminRole, cancellationToken))
        {
            return new(Made: null, IsAddressTaken: false);
        }

        var generated = password is null ? RandomNumberGenerator.GetString("abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789", 20) : null;
        var account = registration.Create(new NewAccount(email, password ?? generated!));
        account.Roles = [AdminRole];
        account.EmailVerified = true;
        var hash = await hashing.HashAsync(password ?? generated!, cancellationToken);
        var written = await accounts.CreateAsync(account, new AccountCredentials(account.Id, hash, account.CreatedAt), [events.OfUser(EventTypes.UserCreated, account)], cancellationToken);

        // Another node may have made it in between.
        return written == AccountWrite.Done ? new(new SeededAdmin(email, generated), IsAddressTaken: false) : new(Made: null, IsAddressTaken: !await accounts.AnyInRoleAsync(AdminRole, cancellationToken));
    }

    /// <summary>What is wrong with ADMIN_PASSWORD; null: nothing.</summary>
    public string? FindProblem(string email, string password) => policy.FindProblems(password, [email]) is [var first, ..] ? first : null;
}
