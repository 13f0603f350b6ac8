// OpenID Connect Front-Channel Logout 1.0 §3: from the request that ends a session to the page that tells its clients, whatever is between the two.
using System.Security.Cryptography;
using Identity.Accounts.Sessions;
using Identity.OAuth.EndSession;
using Microsoft.AspNetCore.DataProtection;

namespace Identity.Server.Hosting;

/// <summary>A cookie with the id of the session, encrypted: no link of somebody else's makes a page tell clients of anything.</summary>
public sealed class EndedSession(FrontChannelLogout logout, IDataProtectionProvider protection, ServerSettings settings)
{
    // Long enough to sign out at another provider on the way.
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);

    private readonly IDataProtector _protector = protection.CreateProtector("identity.ended-session.v1");

    private string CookieName => settings.IsHttps ? "__Host-identity-ended" : "identity-ended";

    /// <summary>Remembers it until a page takes it; it does nothing where no application is to be told.</summary>
    public async Task RememberAsync(HttpContext context, Session session)
    {
        if ((await logout.FindAsync(session.Id, context.RequestAborted)).Count > 0)
        {
            context.Items[this] = session.Id;
            context.Response.Cookies.Append(CookieName, _protector.Protect(session.Id), Cookie(Lifetime));
        }
    }

    /// <summary>A page is still to take it.</summary>
    public bool IsRemembered(HttpContext context) => Read(context) is not null;

    /// <summary>The addresses that the page has to open, each with what it says of the session; once.</summary>
    public async Task<IReadOnlyList<Uri>> TakeAsync(HttpContext context)
    {
        if (Read(context) is not { } session)
        {
            return [];
        }

        context.Response.Cookies.Delete(CookieName, Cookie(maxAge: null));
        return await logout.FindAsync(session, context.RequestAborted);
    }

    private string? Read(HttpContext context)
    {
        if (context.Items.TryGetValue(this, out var ended))
        {
            return (string?)ended;
        }

        try
        {
            return context.Request.Cookies.TryGetValue(CookieName, out var cookie) && cookie is { Length: > 0 and < 1000 } ? _protector.Unprotect(cookie) : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private CookieOptions Cookie(TimeSpan? maxAge) => new() { HttpOnly = true, Secure = settings.IsHttps, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true, MaxAge = maxAge };
}
