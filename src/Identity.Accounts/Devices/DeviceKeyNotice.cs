// OWASP ASVS 5.0 §6.3.7: a key that may say yes to sign-ins is told like any other change of what lets somebody in.
using Identity.Accounts.SecondFactors;

namespace Identity.Accounts.Devices;

/// <summary>Tells a person by mail of a device that brought a key. After the registration is stored.</summary>
public sealed class DeviceKeyNotice(IAccountStore accounts, FactorNotices notices)
{
    public async Task TellAsync(Guid accountId)
    {
        if (await accounts.FindAsync(accountId, CancellationToken.None) is { } account)
        {
            await notices.DeviceKeyAddedAsync(account);
        }
    }
}
