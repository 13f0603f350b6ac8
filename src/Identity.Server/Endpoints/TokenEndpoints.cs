// RFC 6749 §3.2 (token), RFC 7009 (revocation), RFC 7662 and RFC 9701 (introspection): the endpoints that clients authenticate at.
using Identity.OAuth;
using Identity.OAuth.Introspection;
using Identity.OAuth.Revocation;
using Identity.OAuth.Token;
using Identity.Server.Hosting;

namespace Identity.Server.Endpoints;

/// <summary>Maps HTTP to the engine and back.</summary>
internal static class TokenEndpoints
{
    public static void MapTokens(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapMethods("/connect/token", ["POST", "OPTIONS"], TokenAsync).ExcludeFromDescription();
        foreach (var path in (string[])["/connect/revoke", "/connect/revocation"])
        {
            endpoints.MapMethods(path, ["POST", "OPTIONS"], RevokeAsync).ExcludeFromDescription();
        }

        endpoints.MapPost("/connect/introspect", IntrospectAsync).ExcludeFromDescription();
    }

    private static async Task TokenAsync(HttpContext context)
    {
        if (HttpMethods.IsOptions(context.Request.Method))
        {
            await Cors.PreflightAsync(context);
            return;
        }

        var limiter = context.RequestServices.GetRequiredService<FailureLimiter>();
        if (!limiter.MayTry(context, out var wait))
        {
            await FailureLimiter.RefuseAsync(context, wait);
            return;
        }

        if (await ReadAsync(context) is not var (parameters, authorization))
        {
            return;
        }

        await Cors.AllowClientAsync(context, Cors.ClaimedClient(parameters["client_id"], authorization));
        var outcome = await context.RequestServices.GetRequiredService<TokenEndpoint>().HandleAsync(new TokenRequest(parameters, authorization), context.RequestAborted);
        if (outcome.TryGet(out var response, out var error))
        {
            await ProtocolResponses.WriteAsync(context, response.Body);
            return;
        }

        limiter.Count(context);
        await ProtocolResponses.WriteAsync(context, error);
    }

    private static async Task RevokeAsync(HttpContext context)
    {
        if (HttpMethods.IsOptions(context.Request.Method))
        {
            await Cors.PreflightAsync(context);
            return;
        }

        if (await ReadAsync(context) is not var (parameters, authorization))
        {
            return;
        }

        await Cors.AllowClientAsync(context, Cors.ClaimedClient(parameters["client_id"], authorization));
        if (await context.RequestServices.GetRequiredService<RevocationEndpoint>().HandleAsync(parameters, authorization, context.RequestAborted) is { } error)
        {
            await ProtocolResponses.WriteAsync(context, error);
            return;
        }

        context.Response.Headers.CacheControl = "no-store";
        context.Response.ContentLength = 0;
    }

    private static async Task IntrospectAsync(HttpContext context)
    {
        if (await ReadAsync(context) is not var (parameters, authorization))
        {
            return;
        }

        var endpoint = context.RequestServices.GetRequiredService<IntrospectionEndpoint>();
        if (!(await endpoint.HandleAsync(parameters, authorization, context.RequestAborted)).TryGet(out var response, out var error))
        {
            await ProtocolResponses.WriteAsync(context, error);
            return;
        }

        if (PrefersJwt(context.Request))
        {
            context.Response.ContentType = IntrospectionEndpoint.JwtMediaType;
            context.Response.Headers.CacheControl = "no-store";
            await context.Response.WriteAsync(await endpoint.SignAsync(response, context.RequestAborted), context.RequestAborted);
            return;
        }

        await ProtocolResponses.WriteAsync(context, response.Body);
    }

    // RFC 9701 §4: a signed answer for who asks for one by its media type, unless it would rather have the plain one (RFC 9110 §12.5.1).
    private static bool PrefersJwt(HttpRequest request)
    {
        var accepted = request.GetTypedHeaders().Accept;
        double Quality(string type) => accepted.Where(value => value.MediaType.Equals(type, StringComparison.OrdinalIgnoreCase)).Select(value => value.Quality ?? 1).DefaultIfEmpty(0).Max();
        var jwt = Quality(IntrospectionEndpoint.JwtMediaType);
        return jwt > 0 && jwt >= Quality("application/json");
    }

    private static async Task<(RequestParameters Parameters, string? Authorization)?> ReadAsync(HttpContext context)
    {
        if (!FormReading.TryReadAuthorization(context.Request, out var authorization))
        {
            await ProtocolResponses.WriteAsync(context, ProtocolResponses.TwoAuthorizations);
            return null;
        }

        // Parameters in the query of these endpoints would end up in logs: they are not read, and a secret there is not accepted (RFC 6749 §2.3.1).
        if ((await FormReading.ReadFormAsync(context.Request)).TryGet(out var parameters, out var error))
        {
            return (parameters, authorization);
        }

        await ProtocolResponses.WriteAsync(context, error);
        return null;
    }
}
