// OpenID Connect Core §5.3, RFC 6750 §2, RFC 9728 §5.1: userinfo.
using Identity.OAuth;
using Identity.OAuth.Resources;
using Identity.OAuth.Tokens;
using Identity.OAuth.UserInfo;

namespace Identity.Server.Endpoints;

/// <summary>Maps userinfo: GET and POST, the token in the header or, by POST, in a form.</summary>
internal static class UserInfoEndpoints
{
    public static void MapUserInfo(this IEndpointRouteBuilder endpoints) =>
        endpoints.MapMethods("/connect/userinfo", ["GET", "POST", "OPTIONS"], HandleAsync).ExcludeFromDescription();

    private static async Task HandleAsync(HttpContext context)
    {
        if (HttpMethods.IsOptions(context.Request.Method))
        {
            await Cors.PreflightAsync(context);
            return;
        }

        if (!FormReading.TryReadAuthorization(context.Request, out var authorization))
        {
            await ProtocolResponses.WriteAsync(context, ProtocolResponses.TwoAuthorizations);
            return;
        }

        string? formToken = null;
        if (HttpMethods.IsPost(context.Request.Method) && context.Request.HasFormContentType)
        {
            if (!(await FormReading.ReadFormAsync(context.Request)).TryGet(out var form, out var unreadable))
            {
                await ProtocolResponses.WriteAsync(context, unreadable);
                return;
            }

            formToken = form["access_token"];
        }

        // RFC 6750 §2.3 and OAuth 2.1: a token in the query is in logs and histories. It is not read, and beside another it is one too many.
        if (context.Request.Query.ContainsKey("access_token"))
        {
            await RefuseAsync(context, new OAuthError(OAuthErrors.InvalidRequest, "An access token is not accepted in the query.") { Challenge = "Bearer error=\"invalid_request\"" });
            return;
        }

        if (context.Request.Headers.Origin.Count > 0)
        {
            var token = BearerToken.Read(authorization, formToken).TryGet(out var value, out _)
                ? await context.RequestServices.GetRequiredService<AccessTokenValidator>().ValidateAsync(value, acceptCompatibility: false, context.RequestAborted)
                : null;
            await (token is null ? Cors.AllowAnyClientAsync(context) : Cors.AllowClientAsync(context, token.ClientId));
        }

        if ((await context.RequestServices.GetRequiredService<UserInfoEndpoint>().HandleAsync(authorization, formToken, context.RequestAborted)).TryGet(out var claims, out var error))
        {
            await ProtocolResponses.WriteAsync(context, claims);
            return;
        }

        await RefuseAsync(context, error);
    }

    private static Task RefuseAsync(HttpContext context, OAuthError error)
    {
        var metadata = ResourceCatalog.MetadataAddress(context.RequestServices.GetRequiredService<ResourceCatalog>().UserInfo.Identifier);
        return ProtocolResponses.WriteAsync(context, error.Challenge is null ? error : error with { Challenge = $"{error.Challenge}{(error.Challenge == "Bearer" ? " " : ", ")}resource_metadata=\"{metadata}\"" });
    }
}
