// OWASP ASVS 5.0 §6.3.7: a device that may say yes to sign-ins is a means of access: its person is told when it goes, as when it comes.
using Identity.Accounts.Profile;

namespace Identity.Accounts.Devices;

/// <summary>Takes out a device that its person asks to be taken out, for every door.</summary>
public sealed class DeviceWithdrawal(DeviceRegistry devices, IAccountStore accounts, AccessNotices notices)
{
    /// <summary>False: the account has no such device.</summary>
    public async Task<bool> RemoveAsync(Guid accountId, Guid id, Caller caller, CancellationToken cancellationToken)
    {
        if (await devices.RemoveAsync(accountId, id, caller, cancellationToken) is not { } removed)
        {
            return false;
        }

        if (removed.CanApprove && await accounts.FindAsync(accountId, CancellationToken.None) is { } account)
        {
            await notices.TellAsync(account, AccessChange.DeviceKeyRemoved, _ => DevicePlatforms.NameOf(removed.Platform));
        }

        return true;
    }
}
