// RFC 9068 §2.2, OpenID Connect Core §2, RFC 7662, RFC 8705 §3.1, RFC 9449 §6: follows OpenIddict's Protection.AttachTokenMetadata, whose tokens carry internal claims (oi_…), an issuer
// with a slash, and a jti that does not tell its grant.
using System.Security.Claims;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.OAuth.DPoP;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Token;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Tokens;

/// <summary>Puts the claims of access and ID tokens in the place of those that OpenIddict collected.</summary>
internal sealed class TokenClaims(IOptions<OAuthOptions> options, TimeProvider timeProvider) : IOpenIddictServerHandler<GenerateTokenContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<GenerateTokenContext>()
        .UseSingletonHandler<TokenClaims>()
        .SetOrder(Protection.AttachTokenMetadata.Descriptor.Order + 500)
        .Build();

    public ValueTask HandleAsync(GenerateTokenContext context)
    {
        if (TokenIssue.Of(context.Transaction) is not { } issue)
        {
            return default;
        }

        var now = timeProvider.GetUtcNow();
        if (context.TokenType == TokenTypeIdentifiers.IdentityToken)
        {
            Write(context, IdTokenClaims.Of(issue, options.Value.Issuer, now, options.Value.IdTokenLifetime, context.Principal.GetClaim(Claims.Nonce), context.Principal.GetClaim(Claims.AccessTokenHash)), "JWT");
        }
        else if (context.TokenType == TokenTypeIdentifiers.AccessToken && !RequireReferenceFormat.IsReference(issue))
        {
            Write(context, OfAccessToken(context, issue, options.Value, now), issue.Client.ClientId == FirstPartyClient.ClientId && options.Value.CompatibilitySecret is not null ? "JWT" : issue.Target.Format.AccessTokenTyp);
        }

        return default;
    }

    public static JsonObject OfAccessToken(GenerateTokenContext context, TokenIssue issue, OAuthOptions options, DateTimeOffset now)
    {
        var claims = AccessTokenClaims.Of(issue, options.Issuer, now, AccessTokenClaims.Lifetime(issue, options));

        // What an exchanged token was bound to it stays bound to.
        var before = Confirmation.Read(claims["cnf"]);
        var boundTo = new Confirmation(CertificateOf(context, issue)?.Certificate ?? before?.Certificate, DPoPProof.Of(context.Transaction)?.Thumbprint ?? before?.Key);
        if (boundTo.Certificate is not null || boundTo.Key is not null)
        {
            claims["cnf"] = boundTo.Write();
        }

        return claims;
    }

    /// <summary>RFC 8705 §3.1. OpenIddict attaches the certificate of whoever has one; whose tokens are bound, the client's metadata says.</summary>
    public static Confirmation? CertificateOf(GenerateTokenContext context, TokenIssue issue) =>
        issue.Client.CertificateBoundAccessTokens && context.Principal.GetClaim(Claims.Confirmation) is { } text ? Confirmation.Read(JsonNode.Parse(text)) : null;

    private static void Write(GenerateTokenContext context, JsonObject claims, string typ)
    {
        var descriptor = context.SecurityTokenDescriptor;
        descriptor.Subject = new ClaimsIdentity();
        descriptor.Issuer = null;
        descriptor.Audience = null;
        descriptor.Expires = descriptor.IssuedAt = descriptor.NotBefore = null;
        descriptor.TokenType = typ;
        descriptor.Claims = claims.ToDictionary(claim => claim.Key, claim => Value(claim.Value!), StringComparer.Ordinal);
    }

    private static object Value(JsonNode node) => node.GetValueKind() switch
    {
        JsonValueKind.String => node.GetValue<string>(),
        JsonValueKind.Number when node.AsValue().TryGetValue<long>(out var number) => number,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => JsonSerializer.SerializeToElement(node),
    };
}
