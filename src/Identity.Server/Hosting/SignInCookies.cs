// RFC 6265bis §4.1.3: what a browser carries besides its session: half a sign-in, what it is remembered for, and what it shows but once.
using System.Globalization;
using System.Security.Cryptography;
using Identity.Accounts.SecondFactors;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Options;

namespace Identity.Server.Hosting;

/// <summary>Cookies that no script reads. The remembered tokens and recovery codes are encrypted, so that nobody can plant one of their own choice.</summary>
public sealed class SignInCookies(ServerSettings settings, IDataProtectionProvider protection, IOptions<SecondFactorOptions> options, TimeProvider time)
{
    // People at one browser: the one remembered longest ago goes.
    private const int MostAccounts = 5;
    private readonly IDataProtector _protector = protection.CreateProtector("identity.remembered-browser.v1");

    private readonly IDataProtector _recovery = protection.CreateProtector("identity.recovery-codes.v1");
    private readonly IDataProtector _login = protection.CreateProtector("identity.phone-login.v1");

    private string HalfName => settings.IsHttps ? "__Host-identity-half" : "identity-half";

    private string RememberedName => settings.IsHttps ? "__Host-identity-remembered" : "identity-remembered";

    private string LoginName => settings.IsHttps ? "__Host-identity-login" : "identity-login";

    private string RecoveryName => settings.IsHttps ? "__Host-identity-recovery" : "identity-recovery";

    /// <summary>The ticket of the first half.</summary>
    public string? ReadHalf(HttpContext context) => context.Request.Cookies.TryGetValue(HalfName, out var ticket) ? ticket : null;

    public void WriteHalf(HttpContext context, string ticket) => context.Response.Cookies.Append(HalfName, ticket, Cookie(FactorTickets.EnrolmentLifetime));

    public void DeleteHalf(HttpContext context)
    {
        context.Response.Cookies.Delete(HalfName, Cookie(maxAge: null));
        Drop(context, LoginName);
    }

    /// <summary>Whose phone is asked, as it was typed, to ask it once more. Encrypted, and in no address: it may be anything that somebody typed there.</summary>
    public void WriteLogin(HttpContext context, string login) => context.Response.Cookies.Append(LoginName, _login.Protect(login), Cookie(FactorTickets.EnrolmentLifetime));

    public string? ReadLogin(HttpContext context) => Open(context, LoginName, _login);

    /// <summary>Tokens of second factors that this browser need not prove for a while.</summary>
    public IReadOnlyList<string> ReadRemembered(HttpContext context) => [.. Entries(context).Select(entry => entry.Token)];

    public void Remember(HttpContext context, Guid accountId, string token)
    {
        var account = accountId.ToString("N");
        var entries = Entries(context).Where(entry => entry.Account != account).Append((Account: account, Token: token)).TakeLast(MostAccounts);
        context.Response.Cookies.Append(RememberedName, _protector.Protect(string.Join('\n', entries.Select(entry => entry.Account + " " + entry.Token))), Cookie(TimeSpan.FromDays(options.Value.RememberedBrowserDays)));
    }

    /// <summary>Recovery codes that were made just now, for the page that shows them: as long as a proof is fresh, for new ones could be made with that anyway.</summary>
    public void WriteRecoveryCodes(HttpContext context, Guid accountId, IEnumerable<string> codes)
    {
        var until = (time.GetUtcNow() + FactorEnrolment.Fresh).ToUnixTimeSeconds();
        context.Response.Cookies.Append(RecoveryName, _recovery.Protect(string.Create(CultureInfo.InvariantCulture, $"{accountId:N}/{until}/{string.Join(' ', codes)}")), Cookie(FactorEnrolment.Fresh));
    }

    /// <summary>Empty: this browser was given none for this account, or they are saved.</summary>
    public IReadOnlyList<string> ReadRecoveryCodes(HttpContext context, Guid accountId) =>
        Open(context, RecoveryName, _recovery)?.Split('/') is [var id, var until, var codes] && id == accountId.ToString("N") && long.Parse(until, CultureInfo.InvariantCulture) > time.GetUtcNow().ToUnixTimeSeconds()
            ? codes.Split(' ')
            : [];

    public void DeleteRecoveryCodes(HttpContext context) => Drop(context, RecoveryName);

    private (string Account, string Token)[] Entries(HttpContext context) =>
        [.. (Open(context, RememberedName, _protector) ?? "").Split('\n').Select(line => line.Split(' ')).Where(parts => parts.Length == 2).Select(parts => (parts[0], parts[1])).Take(MostAccounts)];

    // Null: there is none, or it is not of our making.
    private static string? Open(HttpContext context, string name, IDataProtector protector)
    {
        if (!context.Request.Cookies.TryGetValue(name, out var cookie) || cookie is not { Length: > 0 and < 4000 })
        {
            return null;
        }

        try
        {
            return protector.Unprotect(cookie);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private void Drop(HttpContext context, string name)
    {
        if (context.Request.Cookies.ContainsKey(name))
        {
            context.Response.Cookies.Delete(name, Cookie(maxAge: null));
        }
    }

    private CookieOptions Cookie(TimeSpan? maxAge) => new() { HttpOnly = true, Secure = settings.IsHttps, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true, MaxAge = maxAge };
}
