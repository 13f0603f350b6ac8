using System.Security.Cryptography;
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Events;
using Identity.Accounts.Passwords;
using Identity.Accounts.Registration;
using Identity.Accounts.Sessions;

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
public sealed class AdminSeed(
    IAccountStore accounts,
    ICredentialStore credentials,
    RegistrationService registration,
    PasswordHashing hashing,
    PasswordPolicy policy,
    SessionService sessions,
    LifecycleEvents events,
    AuditTrail audit,
    TimeProvider timeProvider)
{
    public const string AdminRole = RoleCatalog.Admin;

    private const int PageSize = 100;

    private static readonly AccountFilter s_admins = new(Search: null, AdminRole, IsActive: null);

    // The stamp of whom a password was shown to, until another is set: each of these changes it.
    private const string Printed = "printed-";

    /// <param name="email">ADMIN_EMAIL.</param>
    /// <param name="password">ADMIN_PASSWORD; null: made up.</param>
    /// <param name="isShown">One that is made up is shown on the console, as Development does.</param>
    /// <param name="besides">Administrators who do not count (<see cref="WithdrawPrintedAsync"/>).</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<AdminSeeding> EnsureAsync(string email, string? password, bool isShown, IReadOnlyCollection<Guid> besides, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(besides);
        if ((await accounts.SearchAsync(s_admins, after: null, limit: besides.Count + 1, cancellationToken)).Any(admin => !besides.Contains(admin.Id)))
        {
            return new(Made: null, IsAddressTaken: false);
        }

        var generated = password is null ? RandomNumberGenerator.GetString("abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789", 20) : null;
        var account = registration.Create(new NewAccount(email, password ?? generated!));
        account.Roles = [AdminRole];
        account.EmailVerified = true;
        account.SecurityStamp = (generated is not null && isShown ? Printed : "") + account.SecurityStamp;
        var hash = await hashing.HashAsync(password ?? generated!, cancellationToken);
        var written = await accounts.CreateAsync(account, new AccountCredentials(account.Id, hash, account.CreatedAt), [events.OfUser(EventTypes.UserCreated, account)], cancellationToken);

        // Another node may have made it in between.
        return written == AccountWrite.Done ? new(new SeededAdmin(email, generated), IsAddressTaken: false) : new(Made: null, IsAddressTaken: !await accounts.AnyInRoleAsync(AdminRole, cancellationToken));
    }

    /// <summary>
    /// A password that was made up for a developer's machine, and shown on its console, opens nothing elsewhere, whatever data was taken along: the account has none from
    /// now on, and its sessions end.
    /// </summary>
    /// <returns>Whose.</returns>
    public async Task<IReadOnlyCollection<Guid>> WithdrawPrintedAsync(CancellationToken cancellationToken)
    {
        var withdrawn = new List<Guid>();
        for (Guid? after = null; ;)
        {
            var page = await accounts.SearchAsync(s_admins, after, PageSize, cancellationToken);
            foreach (var account in page.Where(account => account.SecurityStamp.StartsWith(Printed, StringComparison.Ordinal)))
            {
                if (await WithdrawAsync(account, cancellationToken))
                {
                    withdrawn.Add(account.Id);
                }
            }

            if (page.Count < PageSize)
            {
                return withdrawn;
            }

            after = page[^1].Id;
        }
    }

    /// <summary>What is wrong with ADMIN_PASSWORD; null: nothing.</summary>
    public string? FindProblem(string email, string password) => policy.FindProblems(password, [email]) is [var first, ..] ? first : null;

    private async Task<bool> WithdrawAsync(Account account, CancellationToken cancellationToken)
    {
        var caller = new Caller(Ip: null, UserAgent: null, ActorId: "start");
        var revised = await accounts.ReviseAsync(
            account,
            async current =>
            {
                if (!current.SecurityStamp.StartsWith(Printed, StringComparison.Ordinal))
                {
                    return null;
                }

                var stored = (await credentials.FindAsync(current.Id, cancellationToken))?.PasswordHash;
                var now = timeProvider.GetUtcNow();
                (current.SecurityStamp, current.UpdatedAt) = (Guid.NewGuid().ToString("N"), now);
                return new AccountRevision(
                    [events.OfUser(EventTypes.UserPasswordChanged, current)],
                    new AccountConsequences { Password = new PasswordReplacement(stored, Hash: null, now), EndSessions = sessions.EndingWith(SessionEndReasons.PasswordChanged, caller) });
            },
            cancellationToken);
        if (!revised.IsDone)
        {
            return false;
        }

        await sessions.AuditEndedAsync(revised.Ended, SessionEndReasons.PasswordChanged, caller, CancellationToken.None);
        await audit.WriteAsync("password_withdrawn", "success", account.Id, caller, sessionId: null, CancellationToken.None);
        return true;
    }
}
