// OWASP ASVS 5.0 §7 and RFC 6265bis §4.1.3: the cookie that stands for a sign-in session, looked up in the store at every request.
using System.Globalization;
using System.Security.Cryptography;
using Identity.Accounts;
using Identity.Accounts.Sessions;
using Identity.OAuth.Sessions;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Options;

namespace Identity.Server.Hosting;

/// <summary>Writes, reads and takes away the session cookie. It carries the session's id and the moment of its last sign-in, encrypted and signed: a cookie kept from before a sign-out or another sign-in is worth nothing.</summary>
public sealed class BrowserSession(SessionService sessions, IDataProtectionProvider protection, BrowserMark mark, EndedSession ended, BrowserState state, ServerSettings settings, IOptions<AccountsOptions> options)
{
    private static readonly object Key = new();
    private readonly IDataProtector _protector = protection.CreateProtector("identity.session-cookie.v2");

    /// <summary>With the __Host- prefix where https is spoken: no other host or path can set it.</summary>
    private string CookieName => settings.IsHttps ? "__Host-identity" : "identity";

    /// <summary>The live session; null: nobody is signed in here. Looked up in the store once a request.</summary>
    public async ValueTask<Session?> FindAsync(HttpContext context)
    {
        if (context.Items.TryGetValue(Key, out var known))
        {
            return (Session?)known;
        }

        Session? session = null;
        if (context.Request.Cookies.TryGetValue(CookieName, out var cookie) && cookie is { Length: > 0 and < 2000 } && Unprotect(cookie) is { } value)
        {
            var found = await sessions.FindForBrowserAsync(value.Split('/')[0], context.RequestAborted);
            session = found is not null && Value(found) == value ? found : null;
        }

        context.Items[Key] = session;
        return session;
    }

    /// <summary>Sets a new cookie for a session that somebody just signed in to. The cookie from before is worth nothing from then on, and another session that it stood for ends.</summary>
    public async Task StartAsync(HttpContext context, Session session)
    {
        if (await FindAsync(context) is { } before && before.Id != session.Id)
        {
            await sessions.EndAsync(before.Id, SessionEndReasons.Logout, Callers.Of(context), context.RequestAborted);
        }

        context.Items[Key] = session;
        mark.Keep(context);
        context.Response.Cookies.Append(CookieName, _protector.Protect(Value(session)), Cookie(options.Value.SessionLifetime));
        state.Show(context, SessionInfo.Of(session));
    }

    /// <summary>Takes the cookie away and ends the session behind it; without one it does nothing.</summary>
    public async Task EndAsync(HttpContext context)
    {
        if (await FindAsync(context) is { } session)
        {
            await sessions.EndAsync(session.Id, SessionEndReasons.Logout, Callers.Of(context), context.RequestAborted);
            await ended.RememberAsync(context, session);
            state.Show(context, session: null);
        }

        context.Items[Key] = null;
        context.Response.Cookies.Delete(CookieName, Cookie(maxAge: null));
    }

    /// <summary>The session that <see cref="FindAsync"/> found for this request, for those who cannot wait.</summary>
    internal static Session? Known(HttpContext context) => context.Items.TryGetValue(Key, out var known) ? (Session?)known : null;

    private static string Value(Session session) => string.Create(CultureInfo.InvariantCulture, $"{session.Id}/{session.AuthenticatedAt.ToUnixTimeMilliseconds()}");

    private CookieOptions Cookie(TimeSpan? maxAge) => new() { HttpOnly = true, Secure = settings.IsHttps, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true, MaxAge = maxAge };

    private string? Unprotect(string cookie)
    {
        try
        {
            return _protector.Unprotect(cookie);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }
}
