using System.Text.Json;
using Identity.Accounts.Events;
using Identity.Accounts.SecondFactors;
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts.AspNetCoreIdentity;

/// <summary>Passkeys as ASP.NET Core Identity's WebAuthn sees them.</summary>
public sealed partial class AccountUserStore : IUserPasskeyStore<Account>
{
    public async Task AddOrUpdatePasskeyAsync(Account user, UserPasskeyInfo passkey, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(user);
        ArgumentNullException.ThrowIfNull(passkey);
        var now = timeProvider.GetUtcNow();
        if (await FindFactorAsync(user, passkey.CredentialId, cancellationToken) is { } known)
        {
            await factors.TryRaiseAsync(known.Id, passkey.SignCount, now, cancellationToken);
            return;
        }

        await factors.AddAsync(
            new SecondFactor(Guid.CreateVersion7(now), user.Id, FactorKinds.Passkey, StoredPasskey.Slot(passkey.CredentialId), passkey.Name ?? "", JsonSerializer.Serialize(StoredPasskey.Of(passkey)), passkey.SignCount, now, null),
            events.OfUser(EventTypes.UserFactorAdded, user),
            notice: null,
            cancellationToken);
    }

    public async Task<IList<UserPasskeyInfo>> GetPasskeysAsync(Account user, CancellationToken cancellationToken) =>
        [.. (await factors.ListAsync(user.Id, cancellationToken)).Where(factor => factor.Kind == FactorKinds.Passkey && factor.Data.Length > 0).Select(factor => StoredPasskey.Of(factor).ToInfo(factor))];

    public async Task<Account?> FindByPasskeyIdAsync(byte[] credentialId, CancellationToken cancellationToken) =>
        await factors.FindBySlotAsync(StoredPasskey.Slot(credentialId), cancellationToken) is { } factor ? await accounts.FindAsync(factor.AccountId, cancellationToken) : null;

    public async Task<UserPasskeyInfo?> FindPasskeyAsync(Account user, byte[] credentialId, CancellationToken cancellationToken) =>
        await FindFactorAsync(user, credentialId, cancellationToken) is { Data.Length: > 0 } factor ? StoredPasskey.Of(factor).ToInfo(factor) : null;

    public async Task RemovePasskeyAsync(Account user, byte[] credentialId, CancellationToken cancellationToken)
    {
        if (await FindFactorAsync(user, credentialId, cancellationToken) is { } factor)
        {
            await factors.RemoveAsync(user.Id, factor.Id, events.OfUser(EventTypes.UserFactorRemoved, user), notice: null, cancellationToken);
        }
    }

    private async Task<SecondFactor?> FindFactorAsync(Account user, byte[] credentialId, CancellationToken cancellationToken) =>
        await factors.FindBySlotAsync(StoredPasskey.Slot(credentialId), cancellationToken) is { } factor && factor.AccountId == user.Id ? factor : null;
}
