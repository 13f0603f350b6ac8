// OpenID Connect Core §5.3: follows OpenIddict's UserInfo.ValidateAuthentication.
using Identity.OAuth.Tokens;
using Microsoft.Extensions.Options;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.UserInfo;

/// <summary>The token is for userinfo (its audience is the issuer) and has the scope openid.</summary>
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
