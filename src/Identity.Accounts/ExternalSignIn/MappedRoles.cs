// OWASP ASVS 5.0 §6.8 and §8.2: what a provider's claims grant lasts as long as the provider says so.
using Identity.Accounts.Audit;
using Identity.Accounts.Changes;

namespace Identity.Accounts.ExternalSignIn;

/// <summary>A provider of the settings, as far as accounts depend on it.</summary>
/// <param name="Name">In the settings.</param>
/// <param name="IsEnabled">People can sign in through it.</param>
/// <param name="ManagedRoles">The roles that its settings map, whoever has them.</param>
public sealed record ConfiguredProvider(string Name, bool IsEnabled, IReadOnlyList<string> ManagedRoles);

/// <summary>The providers of the settings.</summary>
public sealed class ConfiguredProviders(IReadOnlyList<ConfiguredProvider> all)
{
    /// <summary>False also for one that the settings do not know any more.</summary>
    public bool IsEnabled(string name) => Find(name) is { IsEnabled: true };

    public ConfiguredProvider? Find(string name) => all.FirstOrDefault(provider => string.Equals(provider.Name, name, StringComparison.Ordinal));
}

/// <summary>Gives and takes the roles that the settings of providers map. They decide about those roles, and about no others.</summary>
public sealed class MappedRoles(ConfiguredProviders providers, IAccountStore accounts, AccountChangeService changes, AuditTrail audit)
{
    /// <summary>What the provider says now. Null: the account is gone.</summary>
    public async Task<Account?> ApplyAsync(Account account, ExternalPerson person, Caller caller, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(account);
        ArgumentNullException.ThrowIfNull(person);
        return account.IsActive
            ? await ChangeAsync(account, Wanted(account, person), caller, cancellationToken)
            : account;
    }

    /// <summary>The account as it would be by <see cref="ApplyAsync"/>; nothing is stored. Null: it is gone.</summary>
    public async Task<Account?> ForeseeAsync(Account account, ExternalPerson person, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(account);
        ArgumentNullException.ThrowIfNull(person);
        if (await accounts.FindAsync(account.Id, cancellationToken) is not { } copy)
        {
            return null;
        }

        copy.Roles = Wanted(copy, person);
        return copy;
    }

    private static IReadOnlyList<string> Wanted(Account account, ExternalPerson person) =>
        [.. account.Roles.Except(person.ManagedRoles, StringComparer.Ordinal).Union(person.Roles, StringComparer.Ordinal)];

    /// <summary>Takes all of a provider's away: somebody who kept the roles and left the provider would be out of its reach. As any change of roles this ends the account's sessions.</summary>
    public async Task WithdrawAsync(Guid accountId, string provider, Caller caller, CancellationToken cancellationToken)
    {
        if (providers.Find(provider) is { } left && await accounts.FindAsync(accountId, cancellationToken) is { } account)
        {
            await ChangeAsync(account, [.. account.Roles.Except(left.ManagedRoles, StringComparer.Ordinal)], caller, cancellationToken);
        }
    }

    private async Task<Account?> ChangeAsync(Account account, IReadOnlyList<string> wanted, Caller caller, CancellationToken cancellationToken)
    {
        string[] roles = [.. wanted.Order(StringComparer.Ordinal)];
        if (roles.SequenceEqual(account.Roles.Order(StringComparer.Ordinal), StringComparer.Ordinal))
        {
            return account;
        }

        var result = await changes.ChangeAsync(account.Id, new AccountChange { Roles = roles }, expectedVersion: null, caller, cancellationToken);
        if (result is AccountChangeResult.UnknownRole)
        {
            // A role of the settings that nobody made keeps nobody out, and what the provider took away is not kept for it.
            await audit.WriteAsync("role_change", "unknown_role", account.Id, caller, sessionId: null, CancellationToken.None);
            result = await changes.ChangeAsync(account.Id, new AccountChange { Roles = [.. account.Roles.Intersect(roles, StringComparer.Ordinal)] }, expectedVersion: null, caller, cancellationToken);
        }

        switch (result)
        {
            case AccountChangeResult.Changed changed:
                return changed.Account;
            case AccountChangeResult.LastAdmin:
                await audit.WriteAsync("role_change", "last_admin", account.Id, caller, sessionId: null, CancellationToken.None);
                return account;
            default:
                return null;
        }
    }
}
