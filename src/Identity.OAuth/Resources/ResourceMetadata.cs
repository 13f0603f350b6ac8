// RFC 9728 §2: reading and checking the declaration of an API.
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;
using Identity.OAuth.Keys;

namespace Identity.OAuth.Resources;

/// <summary>A resource, or what is wrong with its metadata: one line per problem, beginning with the member.</summary>
public sealed record ResourceMetadataResult(Resource? Resource, IReadOnlyList<string> Problems);

/// <summary>Turns metadata into a <see cref="Resource"/>.</summary>
public static class ResourceMetadata
{
    private static readonly HashSet<string> ReservedClaims =
    [
        "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "sid", "auth_time", "acr", "amr", "cnf", "act", "may_act", "authorization_details",
    ];

    private static readonly string[] AccessTokenMembers =
    [
        "access_token_lifetime", "access_token_signed_response_alg", "access_token_typ", "access_token_format", "access_token_claims",
    ];

    // Less than the setting for all may be: whoever names one for an API wants it short.
    private static readonly TimeSpan LongestLifetime = TimeSpan.FromDays(1);

    // RFC 9728 §2: an API that was promised one of these and did not get it would be less safe than it believes.
    private static readonly string[] NotHonoured = ["tls_client_certificate_bound_access_tokens"];

    /// <param name="document">The metadata.</param>
    /// <param name="readDuration">The settings' way of reading <c>15m</c>, <c>1h</c> or seconds; null where it cannot be read.</param>
    public static ResourceMetadataResult Parse(JsonObject document, Func<string, TimeSpan?> readDuration)
    {
        var reader = new MetadataReader(document);
        var identifier = reader.Text("resource");
        if (identifier is null ? reader.Problems.Count == 0 : !IsIdentifier(identifier))
        {
            reader.Problem("resource", "expected an absolute URI without a fragment, or a plain name");
        }

        var scopes = reader.List("scopes_supported") ?? [];
        reader.CheckScopes("scopes_supported", scopes);
        foreach (var scope in scopes.Where(scope => scope.Contains(' ', StringComparison.Ordinal) || ResourceCatalog.UserInfoScopes.Contains(scope, StringComparer.Ordinal) || ResourceCatalog.ApiScopes.Contains(scope, StringComparer.Ordinal)))
        {
            reader.Problem("scopes_supported", $"{scope} belongs to this server");
        }

        TimeSpan? lifetime = null;
        if (document["access_token_lifetime"] is { } value)
        {
            lifetime = readDuration(value.ToString());
            if (lifetime is null || lifetime < TimeSpan.FromSeconds(10) || lifetime > LongestLifetime)
            {
                reader.Problem("access_token_lifetime", "expected 10s to 24h, written like 15m, 1h or as seconds");
            }
        }

        var algorithm = ReadAlgorithm(reader);
        var typ = OneOf(reader, "access_token_typ", "at+jwt", "at+jwt", "JWT");
        var format = OneOf(reader, "access_token_format", "jwt", "jwt", "reference");
        var claims = reader.List("access_token_claims") ?? [];
        foreach (var claim in claims.Where(ReservedClaims.Contains))
        {
            reader.Problem("access_token_claims", $"{claim} is the token's own");
        }

        foreach (var member in NotHonoured.Where(member => reader.Peek(member) is { } asked && !asked.Equals("false", StringComparison.OrdinalIgnoreCase)))
        {
            reader.Problem(member, "this server cannot honour it");
        }

        // RFC 9728 §2 has unknown members ignored. These words are our own, and one misspelt would leave an API with tokens it did not ask for.
        foreach (var (member, _) in document.Where(member => member.Key.StartsWith("access_token_", StringComparison.Ordinal) && !AccessTokenMembers.Contains(member.Key, StringComparer.Ordinal)))
        {
            reader.Problem(member, "no such member; there are " + string.Join(", ", AccessTokenMembers));
        }

        var resource = new Resource
        {
            Identifier = identifier ?? "",
            ResourceName = reader.Text("resource_name"),
            ScopesSupported = [.. scopes.Distinct(StringComparer.Ordinal)],
            AccessTokenLifetime = lifetime,
            AccessTokenSignedResponseAlg = algorithm,
            AccessTokenTyp = typ,
            AccessTokenFormat = format,
            DPoPBoundAccessTokensRequired = reader.Flag("dpop_bound_access_tokens_required", otherwise: false),
            AccessTokenClaims = claims,
        };
        return new(reader.Problems.Count == 0 ? resource : null, reader.Problems);
    }

    /// <summary>What is wrong with all declared resources together, one line beginning with the resource; null: nothing.</summary>
    /// <param name="declared">The resources of the file and the settings.</param>
    /// <param name="issuer">The issuer: it and its own API are resources that nobody else declares.</param>
    public static string? Conflict(IReadOnlyCollection<Resource> declared, string issuer)
    {
        var identifiers = new HashSet<string>(StringComparer.Ordinal);
        foreach (var resource in declared)
        {
            if (resource.Identifier == issuer || resource.Identifier == issuer + ResourceCatalog.ApiPath)
            {
                return $"{resource.Identifier}: resource: this one is built in";
            }

            if (!identifiers.Add(resource.Identifier))
            {
                return $"{resource.Identifier}: resource: declared twice";
            }
        }

        return SharedScope(declared) is { } shared ? $"{shared.Second}: scopes_supported: {shared.Scope} belongs to {shared.First} already" : null;
    }

    /// <summary>A scope belongs to at most one resource: the first that two of them claim, or null.</summary>
    public static (string Scope, string First, string Second)? SharedScope(IEnumerable<Resource> resources)
    {
        var owners = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var resource in resources)
        {
            foreach (var scope in resource.ScopesSupported)
            {
                if (!owners.TryAdd(scope, resource.Identifier))
                {
                    return (scope, owners[scope], resource.Identifier);
                }
            }
        }

        return null;
    }

    private static bool IsIdentifier(string value) =>
        value.All(character => character is > '\x20' and <= '\x7e' and not '#')
        && (!value.Contains(':', StringComparison.Ordinal) || Uri.TryCreate(value, UriKind.Absolute, out _));

    private static string ReadAlgorithm(MetadataReader reader)
    {
        const string Member = "access_token_signed_response_alg";
        if (reader.Peek(Member) is "EdDSA" or "Ed25519" && !SigningKey.SupportedAlgorithms.Contains("EdDSA", StringComparer.Ordinal))
        {
            reader.Problem(Member, "this platform (.NET) has no Ed25519 to sign EdDSA with; expected one of " + string.Join(", ", SigningKey.SupportedAlgorithms));
            return "ES256";
        }

        return OneOf(reader, Member, "ES256", [.. SigningKey.SupportedAlgorithms]);
    }

    private static string OneOf(MetadataReader reader, string member, string otherwise, params string[] values)
    {
        var value = reader.Text(member) ?? otherwise;
        if (!values.Contains(value, StringComparer.Ordinal))
        {
            reader.Problem(member, "expected one of " + string.Join(", ", values));
        }

        return value;
    }
}
