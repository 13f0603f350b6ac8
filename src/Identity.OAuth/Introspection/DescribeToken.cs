// RFC 7662 §2.2, RFC 9449 §6.2: replaces OpenIddict's Introspection.AttachMetadataClaims and AttachApplicationClaims: a token is told as it was issued.
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.OAuth.DPoP;
using Identity.OAuth.Refresh;
using Identity.OAuth.Sessions;
using Identity.OAuth.Tokens;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Introspection;

/// <summary>The members of an active answer.</summary>
internal sealed class DescribeToken(Subjects subjects, SignInSessions sessions, IOptions<OAuthOptions> options, TimeProvider timeProvider) : IOpenIddictServerHandler<HandleIntrospectionRequestContext>
{
    private static readonly string[] s_ofTheToken = ["iss", "sub", "aud", "client_id", "jti", "iat", "nbf", "exp", "scope", "sid"];

    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<HandleIntrospectionRequestContext>()
        .UseSingletonHandler<DescribeToken>()
        .SetOrder(OpenIddictServerHandlers.Introspection.AttachMetadataClaims.Descriptor.Order)
        .Build();

    public async ValueTask HandleAsync(HandleIntrospectionRequestContext context)
    {
        if (AccessToken.Of(context.Transaction) is { } token)
        {
            if (token.IsCompatibility && !await RewriteAsync(token, context.CancellationToken))
            {
                context.Reject(OAuthErrors.InvalidToken, "The access token is not valid.");
                return;
            }

            context.TokenType = token.BoundTo?.Key is null ? "Bearer" : DPoPProof.Name;
            context.TokenUsage = "access_token";
            foreach (var (name, claim) in token.Claims)
            {
                // Notes from us to ourselves.
                if (name is not (AccessTokenClaims.UserInfoClaims or AccessTokenClaims.GrantedTo))
                {
                    context.Claims[name] = claim!.DeepClone();
                }
            }
        }
        else
        {
            DescribeRefreshToken(context);
        }
    }

    // What whoever knows JWT_SECRET could have written there is told as it is: of the person by the account, of the sign-in by the session, and nothing else. Read for this request alone, so it is changed in place.
    private async ValueTask<bool> RewriteAsync(AccessToken token, CancellationToken cancellationToken)
    {
        if (await sessions.FindLiveAsync(token.SessionId!, cancellationToken) is not { } session || await subjects.FindActiveAsync(token.Subject, cancellationToken, token.Person) is not { } person)
        {
            return false;
        }

        foreach (var (name, _) in token.Claims.ToArray())
        {
            if (!s_ofTheToken.Contains(name, StringComparer.Ordinal))
            {
                token.Claims.Remove(name);
            }
        }

        token.Claims["auth_time"] = session.AuthTime.ToUnixTimeSeconds();
        token.Claims["acr"] = session.Acr;
        token.Claims["amr"] = JsonSerializer.SerializeToNode(session.Amr);
        if (await sessions.FindProviderAsync(session, cancellationToken) is { } provider)
        {
            token.Claims["idp"] = provider;
        }

        foreach (var name in AccessTokenClaims.FirstPartyClaims)
        {
            if (person.Claims[name] is { } value)
            {
                token.Claims[name] = value.DeepClone();
            }
        }

        return true;
    }

    private void DescribeRefreshToken(HandleIntrospectionRequestContext context)
    {
        var principal = context.GenericTokenPrincipal!;
        if (PresentedFamily.Of(context.Transaction) is not { IsDenied: false, Session: not null, Family: { RevokedAt: null } family }
            || family.Generation.ToString(System.Globalization.CultureInfo.InvariantCulture) != principal.GetClaim("generation")
            || family.ExpiresAt <= timeProvider.GetUtcNow())
        {
            context.Reject(OAuthErrors.InvalidToken, "The refresh token is not valid.");
            return;
        }

        context.TokenUsage = "refresh_token";
        context.Claims["token_type"] = "refresh_token";
        context.Claims["iss"] = options.Value.Issuer;
        context.Claims["sub"] = family.Subject;
        context.Claims["client_id"] = family.ClientId;
        context.Claims["sid"] = family.SessionId;
        context.Claims["scope"] = string.Join(' ', family.Scopes);
        context.Claims["iat"] = family.CreatedAt.ToUnixTimeSeconds();
        context.Claims["exp"] = family.ExpiresAt.ToUnixTimeSeconds();
        if (principal.GetClaim(Claims.Confirmation) is { } confirmation)
        {
            context.Claims["cnf"] = JsonNode.Parse(confirmation);
        }
    }
}
