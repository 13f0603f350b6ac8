// RFC 8707 (resource indicators), RFC 9728 (protected resources), RFC 9449 §5 (bound tokens), RFC 9068 §3 (audience): which token is for whom.
using System.Collections.Immutable;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;

namespace Identity.OAuth.Resources;

/// <summary>What one access token is for.</summary>
/// <param name="Audience">Values of <c>aud</c>, never empty.</param>
/// <param name="Scopes">The scopes it carries.</param>
/// <param name="Format">How it is made: format, typ, algorithm, lifetime and claims of the APIs it is for.</param>
public sealed record TokenTarget(IReadOnlyList<string> Audience, IReadOnlyList<string> Scopes, Resource Format);

/// <summary>The declared APIs and our own, and what a token for some of them looks like.</summary>
public sealed class ResourceCatalog(ResourceStore store, IOptions<OAuthOptions> options)
{
    /// <summary>OpenID Connect Core §5.4 and §11: scopes of the userinfo endpoint, whose resource identifier is the issuer.</summary>
    public static IReadOnlyList<string> UserInfoScopes { get; } = ["openid", "profile", "email", "address", "phone", "roles", "groups", "offline_access"];

    /// <summary>Scopes that libraries send by default: left out of the grant where the client may not have them (OpenID Connect Core §3.1.2.1), not an error.</summary>
    public static bool IsOptional(string scope) => scope != "openid" && UserInfoScopes.Contains(scope, StringComparer.Ordinal);

    /// <summary>The <c>resource</c> values of a request.</summary>
    public static IReadOnlyList<string> Requested(OpenIddictRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return (ImmutableArray<string?>?)request.GetParameter("resource") is { } values ? [.. values.OfType<string>()] : [];
    }

    /// <summary>Scopes of /api/identity.</summary>
    public static IReadOnlyList<string> ApiScopes { get; } = ["identity.users.read", "identity.users.write", "identity.users.export"];

    /// <summary>Path of /api/identity under the issuer.</summary>
    public const string ApiPath = "/api/identity";

    private volatile Known? _known;

    /// <summary>Userinfo as a resource: it reads every format, so it has none of its own.</summary>
    public Resource UserInfo { get; } = new() { Identifier = options.Value.Issuer, ResourceName = "User information", ScopesSupported = UserInfoScopes };

    /// <summary>/api/identity as a resource.</summary>
    public Resource Api { get; } = new() { Identifier = options.Value.Issuer + ApiPath, ResourceName = "Accounts", ScopesSupported = ApiScopes };

    /// <summary>RFC 9728 §3.1: where the metadata of one of our own resources is, the well-known path coming before the resource's own.</summary>
    public static string MetadataAddress(string identifier)
    {
        var resource = new Uri(identifier);
        return resource.GetLeftPart(UriPartial.Authority) + "/.well-known/oauth-protected-resource" + resource.AbsolutePath.TrimEnd('/');
    }

    /// <summary>Our own resources, then the declared ones.</summary>
    public async ValueTask<IReadOnlyList<Resource>> ListAsync(CancellationToken cancellationToken)
    {
        var declared = await store.ListAsync(cancellationToken);
        var known = _known;
        if (known is null || !ReferenceEquals(known.Declared, declared))
        {
            _known = known = new(declared, [UserInfo, Api, .. declared]);
        }

        return known.All;
    }

    /// <summary>
    /// RFC 8707 §2: the asked-for <c>resource</c> values, each absolute, without fragment, known, and reachable by the scopes in hand.
    /// </summary>
    /// <param name="requested">What the request names; empty: nothing to check.</param>
    /// <param name="granted">What was granted before: a redemption or refresh may narrow, never widen. Empty: by scope alone.</param>
    /// <param name="scopes">The scopes granted, or asked for at authorize.</param>
    public async ValueTask<OAuthError?> CheckAsync(IReadOnlyList<string> requested, IReadOnlyList<string> granted, IReadOnlyList<string> scopes, CancellationToken cancellationToken)
    {
        if (requested.Count == 0)
        {
            return null;
        }

        var known = await ListAsync(cancellationToken);
        foreach (var identifier in requested)
        {
            if (!Uri.TryCreate(identifier, UriKind.Absolute, out var uri) || uri.Fragment.Length > 0 || identifier.Contains('#', StringComparison.Ordinal))
            {
                return Target("A resource is not an absolute URI without a fragment.");
            }

            var resource = known.FirstOrDefault(candidate => string.Equals(candidate.Identifier, identifier, StringComparison.Ordinal));
            if (resource is null)
            {
                return Target("A resource is not known here: protected_resources of the discovery document names those that are.");
            }

            // An API without scopes says that any client may come: it decides by the subject, the client or the roles.
            if (granted.Count > 0
                ? !granted.Contains(identifier, StringComparer.Ordinal)
                : resource.ScopesSupported.Count > 0 && !resource.ScopesSupported.Any(scope => scopes.Contains(scope, StringComparer.Ordinal)))
            {
                return Target("A resource goes beyond what was granted.");
            }
        }

        return null;
    }

    /// <summary>
    /// Audience, scopes and format of a token: for the resources asked for, else those the scopes belong to, else the issuer.
    /// APIs whose tokens look different (format, typ or algorithm) cannot share one, whether named or reached by scopes: <c>invalid_target</c>.
    /// What was granted stays, and the client gets a token for each by naming one <c>resource</c> at a time, at redemption or refresh.
    /// Where they only differ in lifetime the shortest holds; the claims are those that any of them asks for.
    /// </summary>
    /// <param name="resources">Asked for, or granted; empty: by scope.</param>
    /// <param name="scopes">Granted.</param>
    /// <param name="isBound">Whether the token will be bound to a key (RFC 9449): an API may take no other (RFC 9728 §2).</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public async ValueTask<Outcome<TokenTarget>> ResolveAsync(IReadOnlyList<string> resources, IReadOnlyList<string> scopes, bool isBound, CancellationToken cancellationToken)
    {
        var known = await ListAsync(cancellationToken);
        Resource[] targets;
        if (resources.Count > 0)
        {
            targets = [.. known.Where(resource => resources.Contains(resource.Identifier, StringComparer.Ordinal))];
            if (targets.Length == 0)
            {
                // Granted once and no longer declared: falling back on the issuer would widen it.
                return Target("A resource is not known here.");
            }

            var foreign = known.Except(targets).SelectMany(resource => resource.ScopesSupported).ToHashSet(StringComparer.Ordinal);
            scopes = [.. scopes.Where(scope => !foreign.Contains(scope))];
        }
        else
        {
            targets = [.. known.Where(resource => resource.ScopesSupported.Any(scope => scope != "offline_access" && scopes.Contains(scope, StringComparer.Ordinal)))];
        }

        if (targets.Length == 0)
        {
            targets = [UserInfo];
        }

        // Userinfo reads every format, so it goes along with any.
        var formats = targets.Where(target => target != UserInfo).ToArray();
        var format = formats.FirstOrDefault() ?? UserInfo;
        if (!formats.All(other => LooksAlike(other, format)))
        {
            return Target("These resources take tokens of different kinds: ask for one resource at a time.");
        }

        if (!isBound && targets.Any(target => target.DPoPBoundAccessTokensRequired))
        {
            return new OAuthError(OAuthErrors.InvalidDPoPProof, "A resource takes only tokens that are bound to a key: send the request with a DPoP proof.");
        }

        return new TokenTarget(
            [.. targets.Select(target => target.Identifier)],
            scopes,
            format with
            {
                AccessTokenLifetime = targets.Min(target => target.AccessTokenLifetime ?? options.Value.AccessTokenLifetime),
                AccessTokenClaims = [.. targets.SelectMany(target => target.AccessTokenClaims).Distinct(StringComparer.Ordinal)],
            });
    }

    // A reference token has no typ and no signature to differ in.
    private static bool LooksAlike(Resource one, Resource other) =>
        one.AccessTokenFormat == other.AccessTokenFormat
        && (one.AccessTokenFormat == "reference" || (one.AccessTokenTyp == other.AccessTokenTyp && one.AccessTokenSignedResponseAlg == other.AccessTokenSignedResponseAlg));

    private sealed record Known(IReadOnlyList<Resource> Declared, IReadOnlyList<Resource> All);

    private static OAuthError Target(string description) => new(OAuthErrors.InvalidTarget, description);
}
