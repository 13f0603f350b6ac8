// NIST SP 800-63B-4 §3.2.2 and OWASP Authentication Cheat Sheet (device cookies): what tells the owner's browser from a stranger's.
using System.Buffers.Text;
using System.Security.Cryptography;

namespace Identity.Server.Hosting;

/// <summary>A cookie of 128 random bits that outlives sessions. It signs nobody in; the store knows whose account it has been used with, and what somebody did because of a request counts by it alone.</summary>
public sealed class BrowserMark(ServerSettings settings)
{
    // The longest that browsers keep a cookie.
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(400);

    private string CookieName => settings.IsHttps ? "__Host-identity-browser" : "identity-browser";

    /// <summary>The mark that came with the request, or a new one that is lost unless it is kept.</summary>
    public string Of(HttpContext context)
    {
        if (context.Request.Cookies.TryGetValue(CookieName, out var mark) && mark is { Length: 22 })
        {
            return mark;
        }

        if (context.Items.TryGetValue(this, out var made))
        {
            return (string)made!;
        }

        mark = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16));
        context.Items[this] = mark;
        return mark;
    }

    /// <summary>Sends it with the answer: after a sign-in, so that refusals look alike, and with each request that leads to a page: what comes of it counts in this browser alone.</summary>
    public void Keep(HttpContext context) =>
        context.Response.Cookies.Append(CookieName, Of(context), new CookieOptions { HttpOnly = true, Secure = settings.IsHttps, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true, MaxAge = Lifetime });
}
