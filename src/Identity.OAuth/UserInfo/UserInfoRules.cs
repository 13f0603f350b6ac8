// RFC 6750 §2 and §3, RFC 9449 §7.1: follows OpenIddict's ExtractGetOrPostRequest and ExtractAccessToken, which take a token from the query, and from two places at once.
using Identity.OAuth.DPoP;
using Identity.OAuth.Tokens;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.UserInfo;

/// <summary>Where the token may stand: in the header or, by POST, in a form.</summary>
internal sealed class ExtractBearer : IOpenIddictServerHandler<ExtractUserInfoRequestContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ExtractUserInfoRequestContext>()
        .UseSingletonHandler<ExtractBearer>()
        .SetOrder(OpenIddictServerAspNetCoreHandlers.ExtractGetOrPostRequest<ExtractUserInfoRequestContext>.Descriptor.Order)
        .Build();

    public async ValueTask HandleAsync(ExtractUserInfoRequestContext context)
    {
        var http = context.Transaction.GetHttpRequest()!;
        context.Request = new();

        // RFC 6750 §2.3 and OAuth 2.1: a token in the query is in logs and histories. It is not read, and beside another it is one too many.
        if (http.Query.ContainsKey("access_token"))
        {
            context.Reject(OAuthErrors.InvalidRequest, "An access token is not accepted in the query.");
            return;
        }

        string? form = HttpMethods.IsPost(http.Method) && http.HasFormContentType ? (await http.ReadFormAsync(context.CancellationToken))["access_token"] : default(string);
        var authorization = http.Headers.Authorization.ToString();
        if (authorization.Length == 0)
        {
            context.Request.AccessToken = string.IsNullOrEmpty(form) ? null : form;
            return;
        }

        if (!string.IsNullOrEmpty(form))
        {
            context.Reject(OAuthErrors.InvalidRequest, "The access token is sent in two places.");
            return;
        }

        if (PresentedToken.Read(authorization) is not var (_, token))
        {
            return;
        }

        if (token.Length == 0 || token.Contains(' ', StringComparison.Ordinal) || token.Contains(',', StringComparison.Ordinal))
        {
            context.Reject(OAuthErrors.InvalidRequest, "The Authorization header does not hold one access token.");
            return;
        }

        context.Request.AccessToken = token;
    }
}

/// <summary>OpenID Connect Core §5.3: the token is for userinfo (its audience is the issuer) and has the scope openid.</summary>
internal sealed class RequireOpenId(IOptions<OAuthOptions> options) : IOpenIddictServerHandler<ValidateUserInfoRequestContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateUserInfoRequestContext>()
        .UseSingletonHandler<RequireOpenId>()
        .SetOrder(OpenIddictServerHandlers.UserInfo.ValidateAuthentication.Descriptor.Order + 500)
        .Build();

    public ValueTask HandleAsync(ValidateUserInfoRequestContext context)
    {
        var token = AccessToken.Of(context.Transaction);
        if (token is null || !token.Audience.Contains(options.Value.Issuer, StringComparer.Ordinal))
        {
            context.Reject(OAuthErrors.InvalidToken, "The access token is expired, revoked, malformed, or not for this resource.");
        }
        else if (!token.Scopes.Contains("openid", StringComparer.Ordinal))
        {
            context.Reject(OAuthErrors.InsufficientScope, "The access token lacks the scope openid.");
        }

        return default;
    }
}

/// <summary>
/// RFC 6750 §3.1: replaces OpenIddict's ProcessChallengeErrorResponse, which answers the challenge without a body. A script of another
/// origin reads no challenge, so the error stands in the body too, and ProcessJsonResponse writes it. Nobody without a token gets either.
/// </summary>
internal sealed class TellRefusal : IOpenIddictServerHandler<ApplyUserInfoResponseContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ApplyUserInfoResponseContext>()
        .UseSingletonHandler<TellRefusal>()
        .SetOrder(OpenIddictServerAspNetCoreHandlers.ProcessChallengeErrorResponse<ApplyUserInfoResponseContext>.Descriptor.Order)
        .Build();

    public ValueTask HandleAsync(ApplyUserInfoResponseContext context)
    {
        if (context.Error == OpenIddictConstants.Errors.MissingToken)
        {
            // Nor the page that the host shows for a status without a body.
            context.Transaction.GetHttpRequest()!.HttpContext.Features.Get<IStatusCodePagesFeature>()?.Enabled = false;
            context.HandleRequest();
        }
        else if (!string.IsNullOrEmpty(context.Error))
        {
            // These are the challenge's.
            context.Response.RemoveParameter("resource_metadata");
            context.Response.Scope = null;
        }

        return default;
    }
}
