// RFC 9068 §2.2, OpenID Connect Core §2, RFC 7662, RFC 8705 §3.1, RFC 9449 §6: replaces OpenIddict's Protection.AttachTokenSubject and AttachTokenMetadata, whose access and ID tokens carry
// internal claims (oi_…), an issuer with a slash, and a jti that does not tell its grant.
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

/// <summary>The claims of access and ID tokens are ours; those of what nobody else reads (codes, device codes, request tokens) OpenIddict collects.</summary>
internal sealed class TokenClaims(IOptions<OAuthOptions> options, TimeProvider timeProvider) : IOpenIddictServerHandler<GenerateTokenContext>
{
    private readonly Protection.AttachTokenSubject _subject = new();
    private readonly Protection.AttachTokenMetadata _metadata = new();

    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<GenerateTokenContext>()
        .Import(Protection.AttachTokenMetadata.Descriptor)
        .UseSingletonHandler<TokenClaims>()
        .Build();

    public async ValueTask HandleAsync(GenerateTokenContext context)
    {
        if (TokenIssue.Of(context.Transaction) is not { } issue || context.TokenType is not (TokenTypeIdentifiers.AccessToken or TokenTypeIdentifiers.IdentityToken))
        {
            await _subject.HandleAsync(context);
            await _metadata.HandleAsync(context);
            return;
        }

        var now = timeProvider.GetUtcNow();
        if (context.TokenType == TokenTypeIdentifiers.IdentityToken)
        {
            Write(context, IdTokenClaims.Of(issue, options.Value.Issuer, now, options.Value.IdTokenLifetime, context.Principal.GetClaim(Claims.Nonce), context.Principal.GetClaim(Claims.AccessTokenHash)), "JWT");
        }
        else if (!RequireReferenceFormat.IsReference(issue))
        {
            Write(context, OfAccessToken(context, issue, options.Value, now), issue.Client.ClientId == FirstPartyClient.ClientId && options.Value.CompatibilitySecret is not null ? "JWT" : issue.Target.Format.AccessTokenTyp);
        }
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
