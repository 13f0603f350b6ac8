// RFC 6749 §1.5 and OpenID Connect Core §11: follows OpenIddict's EvaluateGeneratedTokens, which knows refresh tokens only with offline_access.
using Identity.OAuth.Clients;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Token;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Refresh;

/// <summary>When a grant comes with a refresh token.</summary>
internal sealed class RefreshDue : IOpenIddictServerHandler<ProcessSignInContext>
{
    /// <summary>The generation of the first refresh token.</summary>
    public const int FirstGeneration = 1;

    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessSignInContext>()
        .UseSingletonHandler<RefreshDue>()
        .SetOrder(OpenIddictServerHandlers.EvaluateGeneratedTokens.Descriptor.Order + 500)
        .Build();

    /// <summary>With openid it takes offline_access (OpenID Connect Core §11); plain OAuth has no such scope.</summary>
    public static bool IsDue(Client client, IReadOnlyList<string> scopes) =>
        client.GrantTypes.Contains("refresh_token", StringComparer.Ordinal)
        && (scopes.Contains("offline_access", StringComparer.Ordinal) || !scopes.Contains("openid", StringComparer.Ordinal));

    public ValueTask HandleAsync(ProcessSignInContext context)
    {
        if (context.EndpointType == OpenIddictServerEndpointType.Token && TokenIssue.Of(context.Transaction) is { } issue)
        {
            context.GenerateRefreshToken = context.IncludeRefreshToken = issue.RefreshGeneration is not null;

            // The routes of /api/identity answer with the user instead.
            if (issue.Client.ClientId == FirstPartyClient.ClientId)
            {
                context.GenerateIdentityToken = context.IncludeIdentityToken = false;
            }
        }

        return default;
    }
}
