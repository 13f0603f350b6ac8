// RFC 6265bis §4.1.3: what a browser carries besides its session: half a sign-in, and what it is remembered for.
using System.Security.Cryptography;
using Identity.Accounts.SecondFactors;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Options;

namespace Identity.Server.Hosting;

/// <summary>Cookies that no script reads. The remembered tokens are encrypted, so that nobody can plant one of their own choice.</summary>
public sealed class SignInCookies(ServerSettings settings, IDataProtectionProvider protection, IOptions<SecondFactorOptions> options)
{
    // People at one browser: the one remembered longest ago goes.
    private const int MostAccounts = 5;
    private readonly IDataProtector _protector = protection.CreateProtector("identity.remembered-browser.v1");

    private string HalfName => settings.IsHttps ? "__Host-identity-half" : "identity-half";

    private string RememberedName => settings.IsHttps ? "__Host-identity-remembered" : "identity-remembered";

    /// <summary>The ticket of the first half.</summary>
    public string? ReadHalf(HttpContext context) => context.Request.Cookies.TryGetValue(HalfName, out var ticket) ? ticket : null;

    public void WriteHalf(HttpContext context, string ticket) => context.Response.Cookies.Append(HalfName, ticket, Cookie(FactorTickets.EnrolmentLifetime));

    public void DeleteHalf(HttpContext context) => context.Response.Cookies.Delete(HalfName, Cookie(maxAge: null));

    /// <summary>Tokens of second factors that this browser need not prove for a while.</summary>
    public IReadOnlyList<string> ReadRemembered(HttpContext context) => [.. Entries(context).Select(entry => entry.Token)];

    public void Remember(HttpContext context, Guid accountId, string token)
    {
        var account = accountId.ToString("N");
        var entries = Entries(context).Where(entry => entry.Account != account).Append((Account: account, Token: token)).TakeLast(MostAccounts);
        context.Response.Cookies.Append(RememberedName, _protector.Protect(string.Join('\n', entries.Select(entry => entry.Account + " " + entry.Token))), Cookie(TimeSpan.FromDays(options.Value.RememberedBrowserDays)));
    }

    private (string Account, string Token)[] Entries(HttpContext context)
    {
        if (!context.Request.Cookies.TryGetValue(RememberedName, out var cookie) || cookie is not { Length: > 0 and < 4000 })
        {
            return [];
        }

        try
        {
            return [.. _protector.Unprotect(cookie).Split('\n').Select(line => line.Split(' ')).Where(parts => parts.Length == 2).Select(parts => (parts[0], parts[1])).Take(MostAccounts)];
        }
        catch (CryptographicException)
        {
            return [];
        }
    }

    private CookieOptions Cookie(TimeSpan? maxAge) => new() { HttpOnly = true, Secure = settings.IsHttps, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true, MaxAge = maxAge };
}
