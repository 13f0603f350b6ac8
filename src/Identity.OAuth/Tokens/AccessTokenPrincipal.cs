// RFC 8707 §2.2 and RFC 6749 §5.1: follows OpenIddict's PrepareAccessTokenPrincipal and AttachSignInParameters: a token for one API carries that API's scopes only,
// and the answer always says which.
using Identity.OAuth.DPoP;
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

/// <summary>RFC 6749 §5.1: the scope of the token and its whole life, in every answer, and how it is to be sent.</summary>
internal sealed class TellScope(IOptions<OAuthOptions> options) : IOpenIddictServerHandler<ProcessSignInContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessSignInContext>()
        .UseSingletonHandler<TellScope>()
        .SetOrder(OpenIddictServerHandlers.AttachSignInParameters.Descriptor.Order + 500)
        .Build();

    public ValueTask HandleAsync(ProcessSignInContext context)
    {
        if (TokenIssue.Of(context.Transaction) is not { } issue || string.IsNullOrEmpty(context.Response.AccessToken))
        {
            return default;
        }

        if (issue.Target.Scopes.Count > 0)
        {
            context.Response.Scope = string.Join(' ', issue.Target.Scopes);
        }

        if (DPoPProof.Of(context.Transaction) is not null)
        {
            // RFC 9449 §5: so a client that sent a proof sees that it was understood.
            context.Response.TokenType = DPoPProof.Name;
        }

        // OpenIddict counts from a moment that it has cut to the second.
        context.Response.ExpiresIn = (long)AccessTokenClaims.Lifetime(issue, options.Value).TotalSeconds;

        return default;
    }
}
