using Identity.Accounts.Changes;
using Identity.Accounts.Devices;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages.MyAccount;

/// <summary>A device that gets push messages, by words a person knows.</summary>
public sealed record DeviceLine(Guid Id, string Name, string? App, string LastSeen, string Added);

/// <summary>Which devices get a person's messages and codes, and how to take one out.</summary>
public sealed class DevicesModel(PageServices services, BrowserSession browser, AccountChangeService changes, DeviceRegistry registry, DeviceWithdrawal withdrawal, TimeProvider time) : AccountPageModel(services, browser, changes)
{
    public IReadOnlyList<DeviceLine> Devices { get; private set; } = [];

    public async Task OnGetAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();

        // Looked at from this browser: no sign of life of the devices.
        var devices = await registry.ListAsync(Person.Id, sessionId: null, cancellationToken);
        Devices =
        [
            .. devices.Select(device => new DeviceLine(
                device.Id,
                T[device.Platform == DevicePlatforms.Ios ? "Devices.Ios" : "Devices.Android"].Value,
                device.AppId,
                HumanTime.Ago(T, now, device.LastSeenAt),
                HumanTime.Ago(T, now, device.CreatedAt))),
        ];
    }

    public async Task<IActionResult> OnPostRemoveAsync(string? id, CancellationToken cancellationToken)
    {
        // Only one's own: the id in the form proves nothing.
        if (Guid.TryParseExact(id, "D", out var device))
        {
            await withdrawal.RemoveAsync(Person.Id, device, Caller with { SessionId = Session.Id }, cancellationToken);
        }

        return SeeOther("/account/devices?done=DeviceRemoved");
    }
}
