// RFC 9700 §4.7, SAML 2.0 Profiles §4.1.5: an answer belongs to the browser that asked, and to one request of it.
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Identity.Accounts.ExternalSignIn;
using Identity.Server.Hosting;
using Microsoft.AspNetCore.DataProtection;

namespace Identity.Server.External;

/// <summary>What a person is on their way to a provider for.</summary>
/// <param name="Provider">Which one: the answer of another is refused.</param>
/// <param name="ReturnUrl">Where they go on, a validated path of ours.</param>
/// <param name="Browser">SHA-256 of the browser's mark.</param>
/// <param name="StartedAt">When.</param>
/// <param name="Fresh">They must prove themselves anew: the application asked for it.</param>
/// <param name="MaxAge">Seconds since when at most they proved themselves, where the application said so.</param>
/// <param name="LoginHint">Whom the application expects.</param>
/// <param name="LinkSessionId">The session whose account is to be linked; null: a sign-in.</param>
/// <param name="Proves">Somebody who is signed in comes to prove it again: a sign-in there of long ago would lead nowhere. Unlike <paramref name="MaxAge"/> nobody is refused for it.</param>
/// <param name="Retried">It is the one ordinary sign-in after the provider said no to a special one.</param>
internal sealed record ExternalFlow(string Provider, string ReturnUrl, string Browser, DateTimeOffset StartedAt, bool Fresh, long? MaxAge, string? LoginHint, string? LinkSessionId, bool Retried, bool Proves = false);

/// <summary>Somebody has been vouched for, and the browser is on its way to where that counts.</summary>
internal sealed record ExternalTicket(ExternalFlow Flow, ExternalPerson Person);

/// <summary>Keeps what external sign-ins leave for their next step: in the store, encrypted, each taken once and by the browser it belongs to.</summary>
internal sealed class ExternalFlows(ExternalEntries entries, IDataProtectionProvider protection, ServerSettings settings, TimeProvider timeProvider)
{
    /// <summary>Signing in at the provider may take a while.</summary>
    public static readonly TimeSpan Life = TimeSpan.FromMinutes(30);

    /// <summary>Kind of a way to a provider to sign in.</summary>
    public const string SignIn = "flow";

    /// <summary>Kind of a page of ours that leads to a provider to sign out there.</summary>
    public const string SignOut = "signout";

    /// <summary>Kind of the way back from a sign-out there.</summary>
    public const string SignedOut = "signedout";

    private const string TicketKind = "ticket";
    private const string ProofKind = "proof";
    private readonly IDataProtector _protector = protection.CreateProtector("identity.external-flow.v1");

    private string CookieName => settings.IsHttps ? "__Host-identity-external" : "identity-external";

    /// <summary>SHA-256 of this browser's mark; it gets one where it has none.</summary>
    public string MarkBrowser(HttpContext context)
    {
        var mark = Mark(context);
        if (mark is null)
        {
            mark = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
            context.Response.Cookies.Append(CookieName, mark, new CookieOptions { HttpOnly = true, Secure = settings.IsHttps, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true, MaxAge = TimeSpan.FromHours(12) });
            context.Items[nameof(MarkBrowser)] = mark;
        }

        return Hash(mark);
    }

    public bool IsFrom(HttpContext context, ExternalFlow flow) => Mark(context) is { } mark && CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(Hash(mark)), Encoding.ASCII.GetBytes(flow.Browser));

    /// <param name="kind">What it is for: an id of one kind is unknown as another, so that a sign-out is answered by no sign-in.</param>
    /// <param name="id">New and unguessable.</param>
    /// <param name="flow">What it stands for.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task SaveAsync(string kind, string id, ExternalFlow flow, CancellationToken cancellationToken) => SaveAsync<ExternalFlow>(kind, id, flow, cancellationToken);

    /// <summary>For exactly one caller; null: unknown, used, expired, or of another kind.</summary>
    public Task<ExternalFlow?> TakeAsync(string kind, string id, CancellationToken cancellationToken) => TakeAsync<ExternalFlow>(kind, id, cancellationToken);

    public async Task<ExternalFlow?> PeekAsync(string kind, string id, CancellationToken cancellationToken) => Read<ExternalFlow>(await entries.PeekAsync(kind, id, cancellationToken));

    public Task<string> SaveTicketAsync(ExternalTicket ticket, CancellationToken cancellationToken) => SaveNewAsync(TicketKind, ticket, cancellationToken);

    public Task<ExternalTicket?> TakeTicketAsync(string id, CancellationToken cancellationToken) => TakeAsync<ExternalTicket>(TicketKind, id, cancellationToken);

    /// <summary>For somebody who has to prove that an account is theirs.</summary>
    public Task<string> SaveProofAsync(ExternalTicket ticket, CancellationToken cancellationToken) => SaveNewAsync(ProofKind, ticket, cancellationToken);

    public async Task<ExternalTicket?> PeekProofAsync(string id, CancellationToken cancellationToken) => Read<ExternalTicket>(await entries.PeekAsync(ProofKind, id, cancellationToken));

    public Task<ExternalTicket?> TakeProofAsync(string id, CancellationToken cancellationToken) => TakeAsync<ExternalTicket>(ProofKind, id, cancellationToken);

    private async Task<string> SaveNewAsync<T>(string kind, T value, CancellationToken cancellationToken)
    {
        var id = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(24));
        await SaveAsync(kind, id, value, cancellationToken);
        return id;
    }

    private Task SaveAsync<T>(string kind, string id, T value, CancellationToken cancellationToken) =>
        entries.SaveAsync(kind, id, _protector.Protect(JsonSerializer.Serialize(value)), timeProvider.GetUtcNow() + Life, cancellationToken);

    private async Task<T?> TakeAsync<T>(string kind, string id, CancellationToken cancellationToken)
        where T : class => Read<T>(await entries.TakeAsync(kind, id, cancellationToken));

    private T? Read<T>(string? payload)
        where T : class
    {
        if (payload is null)
        {
            return null;
        }

        try
        {
            return JsonSerializer.Deserialize<T>(_protector.Unprotect(payload));
        }
        catch (CryptographicException)
        {
            // Its key is gone: as good as expired.
            return null;
        }
    }

    private string? Mark(HttpContext context) =>
        context.Items[nameof(MarkBrowser)] as string ?? (context.Request.Cookies.TryGetValue(CookieName, out var cookie) && cookie is { Length: > 20 and < 100 } ? cookie : null);

    private static string Hash(string mark) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(mark)));
}

/// <summary>The ids that we make up for providers to send back. Tests that replay recorded answers put in the recorded ones.</summary>
public class ExternalIds
{
    /// <summary>OpenID Connect Core §15.5.2.</summary>
    public virtual string NewNonce() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(24));

    /// <summary>SAML 2.0 Core §1.3.4: an xs:ID of at least 128 random bits.</summary>
    public virtual string NewRequestId() => "_" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(20));
}
