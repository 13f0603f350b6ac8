// OpenID Connect Back-Channel Logout 1.0 §2.5-2.8: the provider says that its session has ended.
using System.Text.Json;
using Identity.Accounts.ExternalSignIn;
using Identity.Server.Pages.Flow;
using Microsoft.IdentityModel.JsonWebTokens;

namespace Identity.Server.External.Oidc;

/// <summary>Receives logout tokens.</summary>
internal sealed class BackChannelLogout(ExternalEntries entries, ExternalSessions sessions, ExternalFailures failures, TimeProvider timeProvider)
{
    private const string Event = "http://schemas.openid.net/event/backchannel-logout";
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    public async Task HandleAsync(HttpContext context, OidcProvider provider)
    {
        context.Response.Headers.CacheControl = "no-store";
        try
        {
            var form = context.Request.HasFormContentType ? await context.Request.ReadFormAsync(context.RequestAborted) : null;
            if (form?["logout_token"] is not [{ Length: > 0 } token])
            {
                throw Refused("form", "the request carries no logout_token");
            }

            await EndAsync(context, provider, token);
            context.Response.StatusCode = StatusCodes.Status200OK;
        }
        catch (Exception failure) when (failure is ExternalRefusal or InvalidDataException or BadHttpRequestException)
        {
            failures.Note(provider.Name, failure);
            context.Response.StatusCode = failure is ExternalRefusal { Problem: ExternalProblem.Unavailable } ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status400BadRequest;
            await context.Response.WriteAsJsonAsync(new { error = "invalid_request" }, context.RequestAborted);
        }
    }

    private async Task EndAsync(HttpContext context, OidcProvider provider, string token)
    {
        var jwt = (JsonWebToken)(await provider.Tokens.ValidateAsync(token, context.RequestAborted)).SecurityToken;

        // §2.6 and RFC 8725 §3.11: an ID token, which every application of the person has, must not sign them out.
        if (jwt.Typ is { Length: > 0 } type && !string.Equals(type, "logout+jwt", StringComparison.OrdinalIgnoreCase) && !string.Equals(type, "JWT", StringComparison.OrdinalIgnoreCase))
        {
            throw Refused("typ", "the token is of another type");
        }

        if (!jwt.TryGetPayloadValue<JsonElement>("events", out var events) || events.ValueKind != JsonValueKind.Object || !events.TryGetProperty(Event, out var told) || told.ValueKind != JsonValueKind.Object)
        {
            throw Refused("events", "the token is no logout token");
        }

        if (jwt.TryGetPayloadValue<object>("nonce", out _))
        {
            throw Refused("nonce", "a logout token has no nonce");
        }

        var (subject, session) = (OidcTokens.Text(jwt, "sub"), OidcTokens.Text(jwt, "sid"));
        if (subject is null && session is null)
        {
            throw Refused("sub", "the token names neither a person nor a session");
        }

        if (provider.Options.Subject is not (null or "sub") && session is null)
        {
            throw Refused("sid", "people of this provider are known by another claim than sub, so a sign-out has to name its session");
        }

        var issued = DateTimeOffset.FromUnixTimeSeconds(jwt.GetPayloadValue<long>("iat"));
        if (issued < timeProvider.GetUtcNow() - Longest)
        {
            throw Refused("iat", "the token is old");
        }

        if (OidcTokens.Text(jwt, "jti") is not { Length: <= 500 } id || await entries.PeekAsync("logout", provider.Name + "\n" + id, context.RequestAborted) is not null)
        {
            throw Refused("jti", "the token came before, or has no jti");
        }

        var realm = provider.Options.IsOpenAm ? OidcTokens.Text(jwt, "realm") ?? "" : "";
        var person = subject is null || provider.Options.Subject is not (null or "sub") ? null : new ExternalSubject(provider.Name, realm, subject, provider.Options.IgnoreSubjectCase);

        // Marked after it: what an outage leaves undone may come again, and two at once end the same sessions.
        await sessions.EndAsync(provider.Name, person, session, Callers.Of(context), CancellationToken.None);
        if (!await entries.TryMarkAsync("logout", provider.Name + "\n" + id, issued + Longest + Longest, CancellationToken.None))
        {
            throw Refused("jti", "the token came twice at once");
        }
    }

    private static ExternalRefusal Refused(string reason, string detail) => new(ExternalProblem.Refused, reason, detail);
}
