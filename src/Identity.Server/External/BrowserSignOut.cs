// OpenID Connect RP-Initiated Logout 1.0 §2, Front-Channel Logout 1.0 §3, SAML 2.0 Profiles §4.4: one sign-out, whoever asked for it: here, at the applications, and at the provider that the session came from.
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;

namespace Identity.Server.External;

/// <summary>Ends this browser's session, and says where the browser goes then.</summary>
public sealed class BrowserSignOut
{
    private readonly BrowserSession _browser;
    private readonly EndedSession _ended;
    private readonly ExternalSignOut _external;

    internal BrowserSignOut(BrowserSession browser, EndedSession ended, ExternalSignOut external) => (_browser, _ended, _external) = (browser, ended, external);

    /// <returns><paramref name="nextUrl"/>, a path of ours, or a page that leads there by way of the provider.</returns>
    public async Task<string> EndAsync(HttpContext context, string nextUrl)
    {
        // What leads to the provider is found by the session, which nobody finds any more once it has ended.
        var session = await _browser.FindAsync(context);
        await _browser.EndAsync(context);
        var next = await _external.NextAsync(context, session, nextUrl);

        // Another provider may not lead back: who is to hear of it from this browser hears of it before.
        return next != nextUrl && _ended.IsRemembered(context) ? PageUrls.SignedOut(next) : next;
    }
}
