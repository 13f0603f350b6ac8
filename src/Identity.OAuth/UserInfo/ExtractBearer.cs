// RFC 6750 §2, RFC 9449 §7.1: replaces OpenIddict's ExtractGetOrPostRequest and ExtractAccessToken, which take a token from the query, and from two places at once.
using Identity.OAuth.DPoP;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Http;
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
