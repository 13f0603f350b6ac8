// OWASP ASVS 5.0 §6.3.7: a device that may say yes to sign-ins is a means of access: its person is told when it goes, as when it comes.
using Identity.Accounts.Profile;

namespace Identity.Accounts.Devices;

/// <summary>Takes out a device that its person asks to be taken out, for every door.</summary>
public sealed class DeviceWithdrawal(DeviceRegistry devices, IAccountStore accounts, AccessNotices notices)
{
    /// <summary>False: the account has no such device.</summary>
    public async Task<bool> RemoveAsync(Guid accountId, Guid id, Caller caller, CancellationToken cancellationToken)
    {
        var account = await accounts.FindAsync(accountId, cancellationToken);
        return await devices.RemoveAsync(
            accountId,
            id,
            caller,
            device => device.CanApprove && account is not null ? notices.Write(account, AccessChange.DeviceKeyRemoved, _ => DevicePlatforms.NameOf(device.Platform)) : null,
            cancellationToken) is not null;
    }
}
