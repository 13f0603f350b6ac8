// RFC 6749 §5.1: what a grant came to, and from which every token of the answer is made.
using System.Security.Claims;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Resources;
using Identity.OAuth.Sessions;
using Identity.OAuth.Tokens;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Identity.OAuth.Token;

/// <summary>What a grant proved.</summary>
/// <param name="Client">Whom the tokens are for.</param>
/// <param name="Target">Audience, scopes and format of the access token.</param>
/// <param name="GrantId">UUIDv7, prefix of the <c>jti</c>: one deny entry on it kills all access tokens of the grant.</param>
public sealed record TokenIssue(Client Client, TokenTarget Target, Guid GrantId)
{
    /// <summary>What a person granted; null where the client acts for itself.</summary>
    public AuthorizationGrant? Grant { get; init; }

    public Subject? Person { get; init; }

    /// <summary>Generation of the refresh token to hand out; null: none.</summary>
    public int? RefreshGeneration { get; init; }

    /// <summary>End of the refresh family.</summary>
    public DateTimeOffset? RefreshExpiresAt { get; init; }

    /// <summary>The grant is older than this request.</summary>
    public bool IsRefresh { get; init; }

    /// <summary>RFC 8693: the access token that this one is exchanged for, of whose subject and session it stays; null: none.</summary>
    public AccessToken? ExchangedFrom { get; init; }

    /// <summary>RFC 8693 §4.1 <c>act</c>: who acts for the subject; null: nobody.</summary>
    public JsonObject? Actor { get; init; }

    /// <summary>Longest life of the access token, where what it was made from ends sooner.</summary>
    public TimeSpan? AtMost { get; init; }

    public string SubjectId => ExchangedFrom?.Subject ?? Grant?.Subject ?? Client.ClientId;

    /// <summary>The issue of this request, put there by the grant.</summary>
    public static TokenIssue? Of(OpenIddictServerTransaction transaction) => transaction.GetProperty<TokenIssue>(typeof(TokenIssue).FullName!);

    /// <summary>Hands the issue to the handlers that make the tokens; the principal is what OpenIddict signs in.</summary>
    public ClaimsPrincipal SignIn(OpenIddictServerTransaction transaction)
    {
        transaction.SetProperty(typeof(TokenIssue).FullName!, this);
        var identity = new ClaimsIdentity(TokenValidationParameters.DefaultAuthenticationType, Claims.Name, Claims.Role);
        identity.SetClaim(Claims.Subject, SubjectId);
        identity.SetScopes(Grant?.Scopes ?? Target.Scopes);
        if (Grant?.Nonce is { } nonce && !IsRefresh)
        {
            identity.SetClaim(Claims.Private.Nonce, nonce);
        }

        return new ClaimsPrincipal(identity);
    }
}

/// <summary>The grant as a claim inside codes, where OpenIddict keeps it encrypted.</summary>
public static class GrantClaim
{
    public const string Name = "grant";

    public static ClaimsPrincipal Principal(AuthorizationGrant grant)
    {
        ArgumentNullException.ThrowIfNull(grant);
        var identity = new ClaimsIdentity(TokenValidationParameters.DefaultAuthenticationType, Claims.Name, Claims.Role);
        identity.SetClaim(Claims.Subject, grant.Subject);
        identity.SetScopes(grant.Scopes);
        identity.SetClaim(Name, JsonSerializer.Serialize(grant));
        return new ClaimsPrincipal(identity);
    }

    /// <summary>Null: not a code of ours.</summary>
    public static AuthorizationGrant? Read(ClaimsPrincipal? principal) =>
        principal?.GetClaim(Name) is { } json ? JsonSerializer.Deserialize<AuthorizationGrant>(json) : null;
}
