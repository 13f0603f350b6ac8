// OpenID Connect Session Management 1.0 §3.2: the cookie by which a script in our own frame sees that a sign-in is another one, or over.
using Identity.OAuth;
using Identity.OAuth.Sessions;
using Microsoft.Extensions.Options;

namespace Identity.Server.Hosting;

/// <summary>Only with <c>OAuth:SessionManagement</c>. It opens nothing and names nobody: a keyed hash that scripts of ours may read, in frames of other sites too.</summary>
public sealed class BrowserState(SessionState state, ServerSettings settings, IOptions<OAuthOptions> options)
{
    // Longer than any session: without a cookie the frame cannot tell an end from a browser that hides it.
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(400);

    public string CookieName => settings.IsHttps ? "__Host-identity-state" : "identity-state";

    /// <summary>Makes the cookie say who is signed in now. A browser that never was is not marked.</summary>
    public void Show(HttpContext context, SessionInfo? session)
    {
        var (shown, now) = (context.Request.Cookies[CookieName], state.OfBrowser(session));
        if (options.Value.SessionManagement && shown != now && (session is not null || shown is not null))
        {
            context.Response.Cookies.Append(CookieName, now, new CookieOptions
            {
                HttpOnly = false,
                Secure = settings.IsHttps,
                // Browsers take None with Secure alone.
                SameSite = settings.IsHttps ? SameSiteMode.None : SameSiteMode.Lax,
                Path = "/",
                IsEssential = true,
                MaxAge = Lifetime,
            });
        }
    }
}
