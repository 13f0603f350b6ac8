// RFC 6749 §5.1: follows OpenIddict's AttachSignInParameters.
using Identity.OAuth.DPoP;
using Identity.OAuth.Token;
using Microsoft.Extensions.Options;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Tokens;

/// <summary>The scope of the token and its whole life, in every answer, and how it is to be sent.</summary>
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
