// RFC 9728 §2: protected resource metadata, the words in which an API is declared. RFC 8707: its identifier.
namespace Identity.OAuth.Resources;

/// <summary>An API that accepts our access tokens.</summary>
public sealed record Resource
{
    /// <summary><c>resource</c>: an absolute URI without fragment, or a plain name that only its scopes reach. It becomes <c>aud</c>.</summary>
    public required string Identifier { get; init; }

    /// <summary><c>resource_name</c>, shown to people.</summary>
    public string? ResourceName { get; init; }

    /// <summary><c>scopes_supported</c>. A scope belongs to at most one resource.</summary>
    public IReadOnlyList<string> ScopesSupported { get; init; } = [];

    /// <summary><c>access_token_lifetime</c>; null: the server's.</summary>
    public TimeSpan? AccessTokenLifetime { get; init; }

    /// <summary><c>access_token_signed_response_alg</c>.</summary>
    public string AccessTokenSignedResponseAlg { get; init; } = "ES256";

    /// <summary><c>access_token_typ</c>: <c>at+jwt</c> (RFC 9068), or <c>JWT</c> for resource servers older than it.</summary>
    public string AccessTokenTyp { get; init; } = "at+jwt";

    /// <summary><c>access_token_format</c>: <c>jwt</c> or <c>reference</c>.</summary>
    public string AccessTokenFormat { get; init; } = "jwt";

    /// <summary><c>dpop_bound_access_tokens_required</c>: no token for it without a proof (RFC 9449).</summary>
    public bool DPoPBoundAccessTokensRequired { get; init; }

    /// <summary><c>access_token_claims</c>: claims of the user that this API's tokens carry (roles, groups, entitlements, email, …).</summary>
    public IReadOnlyList<string> AccessTokenClaims { get; init; } = [];
}
