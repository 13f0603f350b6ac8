using Identity.OAuth.FirstParty;
using Identity.OAuth.Tokens;
using Microsoft.AspNetCore.Http;

namespace Identity.Api.Authentication;

/// <summary>The live access token that a request came with: for this API, and from us.</summary>
internal sealed record CallerToken(AccessToken Token)
{
    /// <summary>A person's own token, issued by /api/identity.</summary>
    public bool IsFirstParty => IsPerson && string.Equals(Token.ClientId, FirstPartyClient.ClientId, StringComparison.Ordinal);

    /// <summary>A person stands behind it; else a client acts for itself.</summary>
    public bool IsPerson => Token.SessionId is not null;

    public Guid? AccountId => IsPerson && Guid.TryParseExact(Token.Subject, "D", out var id) ? id : null;

    /// <summary>It came by the scheme DPoP: one that is bound to a key is let in by no other, and no other token by that.</summary>
    public bool ByDPoP => Token.BoundTo?.Key is not null;

    public bool Has(string scope) => Token.Scopes.Contains(scope, StringComparer.Ordinal);

    /// <summary>Set where the route's authentication succeeded.</summary>
    public static CallerToken Of(HttpContext context) =>
        context.Features.Get<CallerToken>() ?? throw new InvalidOperationException("The route does not authenticate.");
}
