// RFC 8707 §2.2: follows OpenIddict's PrepareAccessTokenPrincipal: a token for one API carries that API's scopes only.
using Identity.OAuth.Token;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Tokens;

/// <summary>Scopes and life of the access token.</summary>
internal sealed class AccessTokenPrincipal(IOptions<OAuthOptions> options) : IOpenIddictServerHandler<ProcessSignInContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessSignInContext>()
        .UseSingletonHandler<AccessTokenPrincipal>()
        .SetOrder(OpenIddictServerHandlers.PrepareAccessTokenPrincipal.Descriptor.Order + 500)
        .Build();

    public ValueTask HandleAsync(ProcessSignInContext context)
    {
        if (TokenIssue.Of(context.Transaction) is { } issue && context.AccessTokenPrincipal is { } principal)
        {
            principal.SetScopes(issue.Target.Scopes);
            principal.SetExpirationDate(principal.GetCreationDate() + AccessTokenClaims.Lifetime(issue, options.Value));
        }

        return default;
    }
}
