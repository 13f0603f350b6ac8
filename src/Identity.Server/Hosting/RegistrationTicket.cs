// NIST SP 800-63A §4: the code that comes by mail is confirmed by the browser that registered.
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.DataProtection;

namespace Identity.Server.Hosting;

/// <summary>A cookie for an hour, encrypted and signed, with the account that this browser registered, and for which address. With the code from the mail it signs in; alone it is worth nothing.</summary>
public sealed class RegistrationTicket(IDataProtectionProvider protection, ServerSettings settings, TimeProvider timeProvider)
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

    private readonly IDataProtector _protector = protection.CreateProtector("identity.registration.v1");

    private string CookieName => settings.IsHttps ? "__Host-identity-registered" : "identity-registered";

    /// <summary>Also for an account that was made up, so that the answers look alike.</summary>
    /// <param name="context">The request.</param>
    /// <param name="accountId">Whose.</param>
    /// <param name="email">For which address.</param>
    /// <param name="held">What a sign-in through another provider goes on with; null: there is none.</param>
    public void Give(HttpContext context, Guid accountId, string email, string? held = null)
    {
        var until = (timeProvider.GetUtcNow() + Lifetime).ToUnixTimeSeconds();
        context.Response.Cookies.Append(CookieName, _protector.Protect(string.Create(CultureInfo.InvariantCulture, $"{accountId:N}/{until}/{Mark(email)}{(held is null ? "" : "/" + held)}")), Cookie(Lifetime));
    }

    /// <summary>Null: this browser did not register this address within the hour.</summary>
    public Guid? Read(HttpContext context, string email) => Find(context, email)?.AccountId;

    /// <summary>What the sign-in through another provider goes on with that this browser began; null: it began none.</summary>
    public string? ReadHeld(HttpContext context, string email) => Find(context, email)?.Held;

    private (Guid AccountId, string? Held)? Find(HttpContext context, string email)
    {
        if (!context.Request.Cookies.TryGetValue(CookieName, out var cookie) || cookie is not { Length: > 0 and < 2000 })
        {
            return null;
        }

        try
        {
            var parts = _protector.Unprotect(cookie).Split('/');
            return parts is [var id, var until, var mark, .. var held] && mark == Mark(email) && long.Parse(until, CultureInfo.InvariantCulture) > timeProvider.GetUtcNow().ToUnixTimeSeconds()
                ? (Guid.ParseExact(id, "N"), held.FirstOrDefault())
                : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    public void Take(HttpContext context) => context.Response.Cookies.Delete(CookieName, Cookie(maxAge: null));

    private static string Mark(string email) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(email.ToUpperInvariant())));

    private CookieOptions Cookie(TimeSpan? maxAge) => new() { HttpOnly = true, Secure = settings.IsHttps, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true, MaxAge = maxAge };
}
