// The Fetch Standard (CORS): which other origins' scripts may read what.
using System.Text;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.DPoP;
using Identity.OAuth.Requests;
using Identity.OAuth.Tokens;

namespace Identity.Server.Endpoints;

/// <summary>Discovery and keys are everybody's. Token, PAR, device authorization, userinfo and revocation answer the origins of the client concerned, never with credentials. Authorize and pages: nobody.</summary>
internal sealed partial class CrossOrigin(RequestDelegate next, ILogger<CrossOrigin> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        var kind = ProtocolEndpoints.KindOf(context.Request.Path);
        if (!ProtocolEndpoints.IsForScripts(context.Request.Path))
        {
            await next(context);
            return;
        }

        if (HttpMethods.IsOptions(context.Request.Method))
        {
            await (kind == EndpointKind.Document ? PreflightOfAllAsync(context) : PreflightAsync(context));
            return;
        }

        if (kind != EndpointKind.Document && context.Request.Headers.Origin.Count > 0)
        {
            await (kind == EndpointKind.Resource ? AllowForTokenAsync(context) : AllowClientAsync(context, ClaimedClient(context.Request.Form["client_id"], context.Request.Headers.Authorization)));
        }

        await next(context);
    }

    private async Task AllowForTokenAsync(HttpContext context)
    {
        var value = PresentedToken.Read(context.Request.Headers.Authorization.ToString())?.Value ?? (HttpMethods.IsPost(context.Request.Method) && context.Request.HasFormContentType ? (string?)context.Request.Form["access_token"] : null);
        var token = await context.RequestServices.GetRequiredService<AccessTokenValidator>().ValidateAsync(value, acceptCompatibility: false, context.RequestAborted);
        await (token is null ? AllowAsync(context, clientId: null) : AllowClientAsync(context, token.ClientId));
    }

    /// <summary>A script that adds a header of its own to a GET is asked about first. The star stands for all but Authorization, which libraries add to every call.</summary>
    private static Task PreflightOfAllAsync(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        context.Response.Headers.AccessControlAllowOrigin = "*";
        context.Response.Headers.AccessControlAllowMethods = "GET, HEAD";
        context.Response.Headers.AccessControlAllowHeaders = "*, Authorization";
        context.Response.Headers.AccessControlMaxAge = "600";
        return Task.CompletedTask;
    }

    /// <summary>Answers a preflight: it names no client, so any client's origin will do; the request itself is then held to its own.</summary>
    private async Task PreflightAsync(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        context.Response.Headers.Vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        if (await IsKnownAsync(context, clientId: null))
        {
            context.Response.Headers.AccessControlAllowOrigin = context.Request.Headers.Origin;
            context.Response.Headers.AccessControlAllowMethods = "GET, POST";
            context.Response.Headers.AccessControlAllowHeaders = "Authorization, Content-Type, DPoP";
            context.Response.Headers.AccessControlMaxAge = "600";
        }
        else
        {
            await TellRefusedAsync(context, clientId: null);
        }
    }

    /// <summary>Whom a request claims to come from, before that is proven: only to choose whose origins count.</summary>
    private static string? ClaimedClient(string? formClientId, string? authorization)
    {
        if (formClientId is not null || authorization is null || !authorization.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase))
        {
            return formClientId;
        }

        Span<byte> bytes = stackalloc byte[1024];
        return Convert.TryFromBase64String(authorization[6..].Trim(), bytes, out var written) && Encoding.UTF8.GetString(bytes[..written]).Split(':') is [var id, ..] ? Uri.UnescapeDataString(id) : null;
    }

    /// <summary>Lets the origin read the answer if it is one of this client's.</summary>
    private Task AllowClientAsync(HttpContext context, string? clientId) => AllowAsync(context, clientId ?? "");

    // A token that no longer tells whose it is: an application must see that it has to renew it, so any client's origin will do.
    private async Task AllowAsync(HttpContext context, string? clientId)
    {
        if (context.Request.Headers.Origin.Count == 0)
        {
            return;
        }

        context.Response.Headers.Vary = "Origin";
        if (await IsKnownAsync(context, clientId))
        {
            context.Response.Headers.AccessControlAllowOrigin = context.Request.Headers.Origin;
            context.Response.Headers.AccessControlExposeHeaders = "WWW-Authenticate, DPoP-Nonce, Retry-After";
        }
        else
        {
            await TellRefusedAsync(context, clientId);
        }
    }

    // A browser tells the page no more than that it failed, and the developer the name of a header: only here can be said what is missing.
    private async Task TellRefusedAsync(HttpContext context, string? clientId)
    {
        var origin = context.Request.Headers.Origin.ToString();
        if (origin == $"{context.Request.Scheme}://{context.Request.Host}" || !logger.IsEnabled(LogLevel.Information))
        {
            return;
        }

        // What is no origin, or no client's id, may be anything that somebody sent in its place.
        var shown = Uri.TryCreate(origin, UriKind.Absolute, out var uri) && uri.GetLeftPart(UriPartial.Authority) == origin && uri.UserInfo.Length == 0 ? origin : "(no origin)";
        var whose = clientId is null ? "any client"
            : await context.RequestServices.GetRequiredService<ClientStore>().FindAsync(clientId, context.RequestAborted) is null ? "an unknown client"
            : clientId;
        Refused(context.Request.Path, shown, whose);
    }

    [LoggerMessage(5102, LogLevel.Information, "{Path}: a page of {Origin} may not read the answer (CORS): that origin is in neither redirect_uris nor allowed_origins of {ClientId}.")]
    private partial void Refused(string path, string origin, string clientId);

    /// <param name="context">The request.</param>
    /// <param name="clientId">Whose origin it has to be; null: any client's.</param>
    private static async Task<bool> IsKnownAsync(HttpContext context, string? clientId)
    {
        var origin = context.Request.Headers.Origin.ToString();
        if (origin.Length is 0 or > 300)
        {
            return false;
        }

        var store = context.RequestServices.GetRequiredService<ClientStore>();
        IReadOnlyList<Client> clients = clientId is null ? await store.ListRecentAsync(context.RequestAborted) : await store.FindAsync(clientId, context.RequestAborted) is { } one ? [one] : [];
        return clients.Any(client => !client.Disabled
            && (client.AllowedOrigins.Contains(origin, StringComparer.Ordinal) || client.RedirectUris.Any(uri => IsOrigin(uri, origin))));
    }

    // A loopback redirect URI stands for any port (RFC 8252 §7.3), and so does its origin.
    private static bool IsOrigin(string redirectUri, string origin) =>
        Uri.TryCreate(redirectUri, UriKind.Absolute, out var parsed)
        && parsed.Scheme is "https" or "http"
        && RedirectUriMatcher.Matches([parsed.GetLeftPart(UriPartial.Authority)], origin);
}
