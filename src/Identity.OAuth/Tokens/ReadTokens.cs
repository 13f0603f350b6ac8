// RFC 9068 §4, RFC 7523 §3, OpenID Connect Core §3.1.2.1, RFC 6749 §6: follows OpenIddict's Protection.RemoveDisallowedCharacters. Tokens of ours and
// assertions of clients are read here, strictly, before OpenIddict's ValidateIdentityModelToken (which throws for some damaged ones) would look at them.
using System.Globalization;
using System.Security.Claims;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Refresh;
using Identity.OAuth.Requests;
using Identity.OAuth.Token;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Tokens;

/// <summary>
/// What OpenIddict keeps as rows (codes, device and user codes, pushed requests) it reads itself. Access tokens, refresh handles, ID token
/// hints and client assertions become principals here, or are refused.
/// </summary>
internal sealed class ReadTokens(
    AccessTokenValidator accessTokens,
    RefreshTokenHandle handles,
    RefreshFamilies families,
    IdTokenHintReader hints,
    ClientStore clients,
    PrivateKeyJwt assertions,
    TimeProvider timeProvider) : IOpenIddictServerHandler<ValidateTokenContext>
{
    /// <summary>A reference of OpenIddict's is 43 characters, a user code less.</summary>
    private const int LongestReference = 64;

    private const string Unusable = "The token is expired, revoked, malformed, or not for this.";

    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateTokenContext>()
        .UseSingletonHandler<ReadTokens>()
        .SetOrder(Protection.RemoveDisallowedCharacters.Descriptor.Order + 500)
        .Build();

    public ValueTask HandleAsync(ValidateTokenContext context) => context.ValidTokenTypes switch
    {
        { Count: not 1 } => ReadAnyAsync(context),
        { } types when types.Contains(TokenTypeIdentifiers.AccessToken) => ReadAccessTokenAsync(context),
        { } types when types.Contains(OpenAmExchange.TokenType) => ReadOpenAmSession(context),
        { } types when types.Contains(TokenTypeIdentifiers.RefreshToken) => ReadRefreshTokenAsync(context),
        { } types when types.Contains(TokenTypeIdentifiers.IdentityToken) => ReadHintAsync(context),
        { } types when types.Contains(TokenTypeIdentifiers.Private.ClientAssertion) => ReadAssertionAsync(context),
        _ => ReadReference(context),
    };

    // Introspection and revocation: our tokens tell themselves apart (RFC 7009 §2.1), and nothing else is told of.
    private async ValueTask ReadAnyAsync(ValidateTokenContext context)
    {
        if (handles.TryRead(context.Token, out _, out _))
        {
            await ReadRefreshTokenAsync(context);
            return;
        }

        await ReadAccessTokenAsync(context);
        if (context.IsRejected && context.EndpointType == OpenIddictServerEndpointType.Revocation && await hints.ReadAsync(context.Token, context.CancellationToken) is not null)
        {
            context.Reject(OAuthErrors.UnsupportedTokenType, "An ID token cannot be revoked.");
        }
    }

    private async ValueTask ReadAccessTokenAsync(ValidateTokenContext context)
    {
        // JWT_SECRET's tokens are for our own API and for who introspects or revokes them.
        var acceptFirstParty = context.EndpointType is OpenIddictServerEndpointType.Introspection or OpenIddictServerEndpointType.Revocation;
        if (await accessTokens.ValidateAsync(context.Token, acceptFirstParty, context.CancellationToken) is not { } token)
        {
            // RFC 8693 §2.2.2: of a subject or actor token, OpenIddict would make it invalid_grant.
            context.Reject(context.EndpointType == OpenIddictServerEndpointType.Token ? OAuthErrors.InvalidRequest : OAuthErrors.InvalidToken, Unusable);
            return;
        }

        token.KeepIn(context.Transaction);
        var principal = New(token.Subject, TokenTypeIdentifiers.AccessToken, token.ClientId, token.ExpiresAt);
        ((ClaimsIdentity)principal.Identity!).BootstrapContext = token;
        principal.SetClaim(Claims.ClientId, token.ClientId);
        if (context.EndpointType != OpenIddictServerEndpointType.Token)
        {
            // Whose token may be exchanged the client's metadata says: without an audience OpenIddict's Exchange.ValidateAuthorizedParty, which knows client ids only, has nothing to compare.
            principal.SetAudiences([.. token.Audience]);
        }

        principal.SetScopes(token.Scopes);
        principal.SetClaim(Claims.JwtId, token.TokenId);
        if (token.SessionId is { } sid)
        {
            principal.SetClaim("sid", sid);
        }

        if (token.Claims["cnf"] is { } confirmation)
        {
            principal.SetClaim(Claims.Confirmation, confirmation);
        }

        context.Principal = principal;
    }

    private async ValueTask ReadRefreshTokenAsync(ValidateTokenContext context)
    {
        if (!handles.TryRead(context.Token, out var id, out var generation, out var boundTo)
            || await families.FindPresentedAsync(id, timeProvider.GetUtcNow(), context.CancellationToken) is not { Family: { } family } presented)
        {
            context.Reject(OAuthErrors.InvalidToken, Unusable);
            return;
        }

        presented.KeepIn(context.Transaction);

        // Whether it is the valid one is the grant's to decide: one that comes again has to be told from one that is only old.
        var principal = New(family.Subject, TokenTypeIdentifiers.RefreshToken, family.ClientId, expiresAt: null);
        principal.SetScopes(family.Scopes);
        principal.SetClaim("family", id.ToString("D"));
        principal.SetClaim("generation", generation.ToString(CultureInfo.InvariantCulture));
        if (boundTo is not null)
        {
            // ProvePossession then asks for the certificate or the key.
            principal.SetClaim(Claims.Confirmation, boundTo.Write());
        }

        context.Principal = principal;
    }

    private async ValueTask ReadHintAsync(ValidateTokenContext context)
    {
        if (await hints.ReadAsync(context.Token, context.CancellationToken) is not { } hint)
        {
            context.Reject(OAuthErrors.InvalidToken, Unusable);
            return;
        }

        // §3.1.2.1: an expired hint is accepted.
        var principal = New(hint.Subject, TokenTypeIdentifiers.IdentityToken, hint.ClientId, expiresAt: null);
        principal.SetAudiences(hint.ClientId);
        context.Principal = principal;
    }

    private async ValueTask ReadAssertionAsync(ValidateTokenContext context)
    {
        if (PrivateKeyJwt.UnverifiedSubject(context.Token) is not { } subject
            || await clients.FindAsync(subject, context.CancellationToken) is not { Disabled: false, TokenEndpointAuthMethod: "private_key_jwt" } client
            || !await assertions.ProvesAsync(client, context.Token, context.CancellationToken))
        {
            RefusalDetail.Set(context.Transaction, "client: the assertion proves nothing");
            context.Reject(OAuthErrors.InvalidClient, "Client authentication failed.");
            return;
        }

        var principal = New(client.ClientId, TokenTypeIdentifiers.Private.ClientAssertion, client.ClientId, expiresAt: null);
        principal.SetClaim(Claims.Issuer, client.ClientId);
        principal.SetAudiences([.. context.ValidAudiences]);
        context.Principal = principal;
    }

    // Whose it is OpenAM is asked by the grant, when all else of the request is right.
    private static ValueTask ReadOpenAmSession(ValidateTokenContext context)
    {
        var principal = New("openam", OpenAmExchange.TokenType, context.Request?.ClientId ?? "", expiresAt: null);
        ((ClaimsIdentity)principal.Identity!).BootstrapContext = context.Token;
        context.Principal = principal;
        return default;
    }

    private static ValueTask ReadReference(ValidateTokenContext context)
    {
        if (context.Token is not { Length: > 0 and <= LongestReference } || context.Token.Contains('.', StringComparison.Ordinal))
        {
            context.Reject(OAuthErrors.InvalidToken, Unusable);
        }

        return default;
    }

    private static ClaimsPrincipal New(string subject, string type, string presenter, DateTimeOffset? expiresAt)
    {
        var identity = new ClaimsIdentity(TokenValidationParameters.DefaultAuthenticationType, Claims.Name, Claims.Role);
        identity.SetClaim(Claims.Subject, subject);
        identity.SetTokenType(type);
        identity.SetPresenters(presenter);
        identity.SetExpirationDate(expiresAt);
        return new ClaimsPrincipal(identity);
    }
}
