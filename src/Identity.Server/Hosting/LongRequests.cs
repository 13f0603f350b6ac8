// RFC 9110 §4.1 and §15.5.15, and the 4 KB that proxies keep for the headers of an answer: a long request is kept here, and goes through pages and redirects by a reference.
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.RateLimits;
using Identity.OAuth;
using Identity.OAuth.Authorize;
using Identity.OAuth.EndSession;
using Identity.Server.Endpoints;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Options;

namespace Identity.Server.Hosting;

/// <summary>What a browser sent, with the reference in the place of what is kept: what pages lead back to.</summary>
internal sealed record ShortRequest(RequestParameters Parameters)
{
    /// <summary>The parameters of this request as a browser carries them.</summary>
    public static RequestParameters Of(HttpContext context) => context.Features.Get<ShortRequest>()?.Parameters ?? Authorize.Parameters(context);
}

/// <summary>
/// Before the authorization and end-session endpoints: puts the long values of a request (state, claims, hints) away, encrypted and for an hour, and back
/// into the request that comes with their reference. What pages read of a request stays in the address, as does everything that is short.
/// </summary>
public sealed class LongRequests(ExternalEntries entries, AuthorizeRules rules, EndSessionEndpoint signOut, IRateLimiter limiter, IOptions<RateLimitOptions> limits, IDataProtectionProvider protection, TimeProvider timeProvider)
{
    internal const string Parameter = "kept";
    private const string Kind = "request";

    // As it stands in an address that stands in an address; a Location has the interaction's ticket beside it.
    private const int LongestQuery = 2400;

    // Longer than this it is kept.
    private const int LongestValue = 100;

    // Bytes that are kept of one request. A request object that is too long is among them: its client is told so.
    private const int MostKept = 32 * 1024;

    // What the two endpoints read besides: nothing else is kept (RFC 6749 §3.1: what is not known is ignored).
    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "acr_values", "claims", "claims_locales", "code_challenge", "code_challenge_method", "display", "dpop_jkt", "id_token_hint", "login_hint", "logout_hint", "max_age", "nonce",
        "registration", "request", "resource", "response_mode", "response_type", "scope", "state",
    };

    // What pages and other endpoints read of an address.
    private static readonly HashSet<string> Stay = new(StringComparer.Ordinal) { "client_id", "redirect_uri", "post_logout_redirect_uri", "request_uri", "prompt", "ui_locales", Interactions.Parameter, Parameter };

    // Stored, and never shown: quotes and letters of any language count as what they are.
    private static readonly JsonSerializerOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly IDataProtector _protector = protection.CreateProtector("identity.long-request.v1");

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var asked = Authorize.Parameters(context);
        if (asked[Parameter] is { } id && !HttpMethods.IsPost(context.Request.Method))
        {
            await BringBackAsync(context, asked, id, next);
            return;
        }

        var isLong = asked[Parameter] is null && Uri.EscapeDataString(Authorize.Encode(asked)).Length > LongestQuery;
        var away = isLong ? asked.Names.Where(name => !Stay.Contains(name) && asked.All(name) is [{ Length: > LongestValue }]).ToArray() : [];
        if (away.Length == 0 || !await IsForUsAsync(context, asked))
        {
            await next(context);
            return;
        }

        var rest = Query(asked, asked.Names.Except(away, StringComparer.Ordinal));
        var kept = away.Where(Known.Contains).ToDictionary(name => name, name => asked[name]!, StringComparer.Ordinal);
        if (kept.Count == 0)
        {
            Authorize.SeeOther(context, $"{context.Request.Path}?{rest}");
            return;
        }

        // Too much, or too often: it goes on as it came, as far as that gets it.
        var payload = JsonSerializer.SerializeToUtf8Bytes(kept, s_json);
        if (payload.Length > MostKept || !(await limiter.AcquireAsync("long_request", CountedAddress.Of(context.Connection.RemoteIpAddress), limits.Value.LongRequestsPerAddress, Interaction.Longest, context.RequestAborted)).Allowed)
        {
            await next(context);
            return;
        }

        var reference = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16));
        await entries.SaveAsync(Kind, reference, Base64Url.EncodeToString(_protector.Protect(payload)), timeProvider.GetUtcNow() + Interaction.Longest, context.RequestAborted);
        Authorize.SeeOther(context, $"{context.Request.Path}?{rest}&{Parameter}={reference}");
    }

    /// <summary>The parameters that a return address stands for, with what was kept of them; null: it is not kept any more.</summary>
    public async Task<RequestParameters?> WholeAsync(RequestParameters asked, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(asked);
        if (asked[Parameter] is not { } reference)
        {
            return asked;
        }

        return await FindAsync(reference, cancellationToken) is { } kept ? Read(Whole(asked, kept)) : null;
    }

    private async Task BringBackAsync(HttpContext context, RequestParameters asked, string reference, RequestDelegate next)
    {
        if (await FindAsync(reference, context.RequestAborted) is not { } kept)
        {
            Refuse(context, StatusCodes.Status400BadRequest, new OAuthError(OAuthErrors.InvalidRequest, "This request is not kept any more: begin again at the application."));
            return;
        }

        context.Features.Set(new ShortRequest(asked));
        context.Request.QueryString = new QueryString("?" + Whole(asked, kept));
        await next(context);
    }

    private async Task<Dictionary<string, string>?> FindAsync(string reference, CancellationToken cancellationToken) =>
        reference.Length <= 64 && await entries.PeekAsync(Kind, reference, cancellationToken) is { } payload ? Unprotect(payload) : null;

    // What the address says beside it is the address's own; nothing in it takes the place of what is kept.
    private static string Whole(RequestParameters asked, Dictionary<string, string> kept) =>
        string.Join('&', kept.Select(pair => Pair(pair.Key, pair.Value)).Prepend(Query(asked, asked.Names.Where(name => name != Parameter && !kept.ContainsKey(name)))).Where(part => part.Length > 0));

    private static RequestParameters Read(string query) =>
        RequestParameters.Read(Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(query).Select(pair => KeyValuePair.Create(pair.Key, (IReadOnlyList<string?>)pair.Value.ToArray()))).Value;

    // For strangers nothing is kept: the endpoint says what is wrong.
    private async Task<bool> IsForUsAsync(HttpContext context, RequestParameters asked) =>
        context.Request.Path.Equals(Authorize.Path, StringComparison.OrdinalIgnoreCase)
            ? await rules.FindTargetAsync(asked, context.RequestAborted) is not null
            : await signOut.IsOfClientAsync(asked, context.RequestAborted);

    private Dictionary<string, string>? Unprotect(string payload)
    {
        try
        {
            return JsonSerializer.Deserialize<Dictionary<string, string>>(_protector.Unprotect(Base64Url.DecodeFromChars(payload)));
        }
        catch (Exception exception) when (exception is CryptographicException or FormatException or JsonException)
        {
            // Its key is gone: as good as over.
            return null;
        }
    }

    private static string Query(RequestParameters parameters, IEnumerable<string> names) =>
        string.Join('&', names.SelectMany(name => parameters.All(name).Select(value => Pair(name, value))));

    private static string Pair(string name, string value) => Uri.EscapeDataString(name) + "=" + Uri.EscapeDataString(value);

    private static void Refuse(HttpContext context, int status, OAuthError error)
    {
        context.Features.Set(error);
        context.Response.StatusCode = status;
    }
}
