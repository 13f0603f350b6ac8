// What administrators do with accounts (docs/decisions/0009-people.md). Who may is decided before.
using System.Text.Json.Nodes;
using Identity.Accounts.Audit;
using Identity.Accounts.Import;
using Identity.Accounts.Passwords;
using Identity.Accounts.Profile;
using Identity.Accounts.Registration;
using Identity.Accounts.Sessions;

namespace Identity.Accounts.Administration;

/// <summary>An account as an administrator makes it.</summary>
/// <param name="Account">Its members; the password is empty where there is none, or a hash.</param>
/// <param name="PasswordHash">Of another system; null: none.</param>
public sealed record NewUser(NewAccount Account, string? PasswordHash, bool EmailVerified, bool PhoneNumberVerified, bool IsActive, IReadOnlyList<string> Roles);

/// <summary>What making an account came to.</summary>
public abstract record UserCreation
{
    private UserCreation()
    {
    }

    public sealed record Created(Account Account, JsonObject Metadata) : UserCreation;

    /// <summary>EmailTaken, UserNameTaken or PhoneNumberTaken.</summary>
    public sealed record Taken(AccountWrite Member) : UserCreation;

    /// <summary>Each as the end of a sentence that begins with the member's name.</summary>
    public sealed record PasswordRefused(IReadOnlyList<string> Problems) : UserCreation;

    /// <summary>A role that is to be given does not exist.</summary>
    public sealed record UnknownRole : UserCreation;
}

/// <summary>A page of accounts with their metadata.</summary>
/// <param name="Items">In order of id.</param>
/// <param name="Next">Where the next page begins; null: this is the last.</param>
public sealed record AccountPage(IReadOnlyList<(Account Account, JsonObject Metadata)> Items, Guid? Next);

/// <summary>Lists, makes, unlocks and signs out accounts.</summary>
public sealed class AccountAdministration(
    IAccountStore accounts,
    IMetadataStore metadata,
    AccountIntake intake,
    RegistrationService registration,
    PasswordPolicy policy,
    PasswordHashing hashing,
    SessionService sessions,
    AuditTrail audit)
{
    public async Task<AccountPage> ListAsync(AccountFilter filter, Guid? after, int limit, CancellationToken cancellationToken)
    {
        // One more than asked for tells whether there is another page.
        var found = await accounts.SearchAsync(filter, after, limit + 1, cancellationToken);
        var page = found.Take(limit).ToList();
        var documents = await metadata.FindManyAsync([.. page.Select(account => account.Id)], cancellationToken);
        return new AccountPage([.. page.Select(account => (account, documents[account.Id]))], found.Count > limit ? page[^1].Id : null);
    }

    public async Task<UserCreation> CreateAsync(NewUser user, Caller caller, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(user);
        var (made, password) = (user.Account, user.Account.Password);
        if (password.Length > 0 && policy.FindProblems(password, [made.Email, made.UserName, made.FirstName, made.LastName]) is { Count: > 0 } problems)
        {
            return new UserCreation.PasswordRefused(problems);
        }

        var account = registration.Create(made);
        account.EmailVerified = user.EmailVerified;
        account.PhoneNumberVerified = user.PhoneNumberVerified && made.PhoneNumber is not null;
        account.IsActive = user.IsActive;
        account.Roles = [.. user.Roles.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        var extra = RegistrationService.WithoutNulls(made.Metadata);
        var hash = password.Length > 0 ? await hashing.HashAsync(password, cancellationToken) : user.PasswordHash;
        var outcome = (await intake.AddAsync([new BroughtAccount(account, hash, extra, HasOwnId: false)], cancellationToken))[0];
        await audit.WriteAsync("create", outcome == Intake.Created ? "success" : outcome.ToString(), outcome == Intake.Created ? account.Id : null, caller, sessionId: null, CancellationToken.None);
        return outcome switch
        {
            Intake.Created => new UserCreation.Created(account, extra),
            Intake.Existing or Intake.EmailTaken => new UserCreation.Taken(AccountWrite.EmailTaken),
            Intake.UserNameTaken => new UserCreation.Taken(AccountWrite.UserNameTaken),
            Intake.PhoneNumberTaken => new UserCreation.Taken(AccountWrite.PhoneNumberTaken),
            Intake.UnknownRole => new UserCreation.UnknownRole(),
            _ => throw new InvalidOperationException("An unknown outcome."),
        };
    }

    /// <summary>Ends a lock and forgets the failures that led to it. False: no such account.</summary>
    public async Task<bool> UnlockAsync(Guid id, Caller caller, CancellationToken cancellationToken)
    {
        var found = await accounts.SetLockoutAsync(id, lockoutEnd: null, [], cancellationToken);
        if (found)
        {
            await audit.WriteAsync("unlock", "success", id, caller, sessionId: null, CancellationToken.None);
        }

        return found;
    }

    /// <summary>Ends every session. False: no such account.</summary>
    public async Task<bool> SignOutAsync(Guid id, Caller caller, CancellationToken cancellationToken)
    {
        if (await accounts.FindAsync(id, cancellationToken) is null)
        {
            return false;
        }

        await sessions.EndAllAsync(id, SessionEndReasons.Admin, caller, cancellationToken);
        await audit.WriteAsync("sign_out_all", "success", id, caller, sessionId: null, CancellationToken.None);
        return true;
    }
}
