// WebAuthn Level 3 §11 (user agent automation), by the Chrome DevTools Protocol's domain WebAuthn.
using System.Text.Json;
using Microsoft.Playwright;

namespace Identity.Browser.Tests;

/// <summary>A device with passkeys that Chromium takes for the machine's own.</summary>
internal sealed class VirtualAuthenticator
{
    private readonly ICDPSession _session;
    private readonly string _id;

    private VirtualAuthenticator(ICDPSession session, string id) => (_session, _id) = (session, id);

    /// <param name="page">It is there for this page.</param>
    /// <param name="synchronised">Whether its passkeys may be copied to other devices (backup eligible).</param>
    public static async Task<VirtualAuthenticator> AddAsync(IPage page, bool synchronised = false)
    {
        var session = await page.Context.NewCDPSessionAsync(page);
        await session.SendAsync("WebAuthn.enable", new Dictionary<string, object>(StringComparer.Ordinal) { ["enableUI"] = false });
        var added = await session.SendAsync("WebAuthn.addVirtualAuthenticator", new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["options"] = new Dictionary<string, object>(StringComparer.Ordinal)
            {
                ["protocol"] = "ctap2",
                ["ctap2Version"] = "ctap2_1",
                ["transport"] = "internal",
                ["hasResidentKey"] = true,
                ["hasUserVerification"] = true,
                ["isUserVerified"] = true,
                ["automaticPresenceSimulation"] = true,
                ["defaultBackupEligibility"] = synchronised,
                ["defaultBackupState"] = synchronised,
            },
        });
        return new VirtualAuthenticator(session, added!.Value.GetProperty("authenticatorId").GetString()!);
    }

    /// <summary>Whether the person is recognised (finger, face, PIN): where not, the browser ends the ceremony as one that was cancelled.</summary>
    public Task RecogniseAsync(bool recognised) => SendAsync("WebAuthn.setUserVerified", "isUserVerified", recognised);

    /// <summary>Whether somebody touches it whenever it asks.</summary>
    public Task TouchAsync(bool touched) => SendAsync("WebAuthn.setAutomaticPresenceSimulation", "enabled", touched);

    public async Task<IReadOnlyList<JsonElement>> PasskeysAsync()
    {
        var answer = await _session.SendAsync("WebAuthn.getCredentials", new Dictionary<string, object>(StringComparer.Ordinal) { ["authenticatorId"] = _id });
        return [.. answer!.Value.GetProperty("credentials").EnumerateArray()];
    }

    private Task SendAsync(string method, string name, object value) =>
        _session.SendAsync(method, new Dictionary<string, object>(StringComparer.Ordinal) { ["authenticatorId"] = _id, [name] = value });
}
