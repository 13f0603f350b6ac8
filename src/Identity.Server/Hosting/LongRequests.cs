// RFC 9110 §4.1 and §15.5.15, and the 4 KB that proxies keep for the headers of an answer: a long request is kept here, and goes through pages and redirects by a reference.
using System.Buffers.Text;
using System.Security.Cryptography;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.RateLimits;
using Identity.OAuth;
using Identity.OAuth.Authorize;
using Identity.Server.Endpoints;
using Microsoft.AspNetCore.DataProtection;

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
public sealed class LongRequests(ExternalEntries entries, AuthorizeRules rules, IRateLimiter limiter, IDataProtectionProvider protection, TimeProvider timeProvider)
{
    internal const string Parameter = "kept";
    private const string Kind = "request";

    // As it stands in an address that stands in an address; a Location has the interaction's ticket beside it.
    private const int LongestQuery = 2400;

    // Longer than this it is kept.
    private const int LongestValue = 100;
    private const int KeptPerAddress = 600;

    // What pages and other endpoints read of an address.
    private static readonly HashSet<string> Stay = new(StringComparer.Ordinal) { "client_id", "redirect_uri", "post_logout_redirect_uri", "request_uri", "prompt", "ui_locales", Interactions.Parameter, Parameter };

    private readonly IDataProtector _protector = protection.CreateProtector("identity.long-request.v1");

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var asked = Authorize.Parameters(context);
        if (asked[Parameter] is { } id && !HttpMethods.IsPost(context.Request.Method))
        {
            await BringBackAsync(context, asked, id, next);
            return;
        }

        var kept = asked.Names.Where(name => !Stay.Contains(name) && asked.All(name) is [{ Length: > LongestValue }]).ToArray();
        if (asked[Parameter] is not null || kept.Length == 0 || Uri.EscapeDataString(Authorize.Encode(asked)).Length <= LongestQuery || !await IsForUsAsync(context, asked))
        {
            await next(context);
            return;
        }

        if (context.Connection.RemoteIpAddress is { } address && await limiter.AcquireAsync("long_request:" + address, KeptPerAddress, TimeSpan.FromMinutes(1), context.RequestAborted) is { Allowed: false } lease)
        {
            context.Response.Headers.RetryAfter = Math.Max(1, (int)Math.Ceiling(lease.RetryAfter.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture);
            Refuse(context, StatusCodes.Status429TooManyRequests, new OAuthError(OAuthErrors.TemporarilyUnavailable, "Too many long requests from this address."));
            return;
        }

        var reference = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16));
        await entries.SaveAsync(Kind, reference, _protector.Protect(Query(asked, kept)), timeProvider.GetUtcNow() + Interaction.Longest, context.RequestAborted);
        Authorize.SeeOther(context, $"{context.Request.Path}?{Query(asked, asked.Names.Except(kept, StringComparer.Ordinal))}&{Parameter}={reference}");
    }

    /// <summary>The parameters that a return address stands for, with what was kept of them; null: it is not kept any more.</summary>
    public async Task<RequestParameters?> WholeAsync(RequestParameters asked, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(asked);
        if (asked[Parameter] is not { } reference)
        {
            return asked;
        }

        return await FindAsync(reference, cancellationToken) is { } query ? Read(Whole(asked, query)) : null;
    }

    private async Task BringBackAsync(HttpContext context, RequestParameters asked, string reference, RequestDelegate next)
    {
        if (await FindAsync(reference, context.RequestAborted) is not { } query)
        {
            Refuse(context, StatusCodes.Status400BadRequest, new OAuthError(OAuthErrors.InvalidRequest, "This request is not kept any more: begin again at the application."));
            return;
        }

        context.Features.Set(new ShortRequest(asked));
        context.Request.QueryString = new QueryString("?" + Whole(asked, query));
        await next(context);
    }

    private async Task<string?> FindAsync(string reference, CancellationToken cancellationToken) =>
        reference.Length <= 64 && await entries.PeekAsync(Kind, reference, cancellationToken) is { } payload ? Unprotect(payload) : null;

    // What the address says beside it is the address's own; nothing in it takes the place of what is kept.
    private static string Whole(RequestParameters asked, string query)
    {
        var brought = Read(query);
        return string.Join('&', ((string[])[Query(asked, asked.Names.Where(name => name != Parameter && brought[name] is null)), query]).Where(part => part.Length > 0));
    }

    private static RequestParameters Read(string query) =>
        RequestParameters.Read(Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(query).Select(pair => KeyValuePair.Create(pair.Key, (IReadOnlyList<string?>)pair.Value.ToArray()))).Value;

    // For strangers nothing is kept: the endpoint says what is wrong.
    private async Task<bool> IsForUsAsync(HttpContext context, RequestParameters asked) =>
        !context.Request.Path.Equals(Authorize.Path, StringComparison.OrdinalIgnoreCase) || await rules.FindTargetAsync(asked, context.RequestAborted) is not null;

    private string? Unprotect(string payload)
    {
        try
        {
            return _protector.Unprotect(payload);
        }
        catch (CryptographicException)
        {
            // Its key is gone: as good as over.
            return null;
        }
    }

    private static string Query(RequestParameters parameters, IEnumerable<string> names) =>
        string.Join('&', names.SelectMany(name => parameters.All(name).Select(value => Uri.EscapeDataString(name) + "=" + Uri.EscapeDataString(value))));

    private static void Refuse(HttpContext context, int status, OAuthError error)
    {
        context.Features.Set(error);
        context.Response.StatusCode = status;
    }
}
