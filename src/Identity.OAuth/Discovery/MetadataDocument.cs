// RFC 8414 §2 and OpenID Connect Discovery 1.0 §3: what this server can do, computed from what is registered.
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.OAuth.Clients.ClientAuthentication;
using Identity.OAuth.Keys;
using Identity.OAuth.Resources;
using Identity.OAuth.Token;
using Microsoft.Extensions.Options;

namespace Identity.OAuth.Discovery;

/// <summary>Paths under the issuer at which the host answers; null: it does not.</summary>
public sealed record EndpointPaths
{
    public required string Authorize { get; init; }
    public required string Token { get; init; }
    public required string Jwks { get; init; }
    public string? UserInfo { get; init; }
    public string? Introspection { get; init; }
    public string? Revocation { get; init; }
    public string? EndSession { get; init; }
}

/// <summary>Builds the metadata document. It is the same for both well-known addresses.</summary>
public sealed class MetadataDocument(TokenEndpoint token, ClientAuthenticator authenticator, ResourceCatalog resources, IOptions<OAuthOptions> options)
{
    /// <summary>The document for endpoints at <paramref name="paths"/>. Scopes that only clients name are theirs alone and are not announced.</summary>
    public async Task<JsonObject> BuildAsync(EndpointPaths paths, IReadOnlyList<string> uiLocales, CancellationToken cancellationToken)
    {
        var issuer = options.Value.Issuer;
        var known = await resources.ListAsync(cancellationToken);
        var confidential = authenticator.Methods.Where(method => method != "none").ToArray();
        var document = new JsonObject
        {
            ["issuer"] = issuer,
            ["authorization_endpoint"] = issuer + paths.Authorize,
            ["token_endpoint"] = issuer + paths.Token,
            ["jwks_uri"] = issuer + paths.Jwks,
        };
        Add("userinfo_endpoint", paths.UserInfo);
        Add("introspection_endpoint", paths.Introspection);
        Add("revocation_endpoint", paths.Revocation);
        Add("end_session_endpoint", paths.EndSession);

        document["scopes_supported"] = List(known.SelectMany(resource => resource.ScopesSupported).Distinct(StringComparer.Ordinal));
        document["response_types_supported"] = List(["code"]);
        document["response_modes_supported"] = List(["query", "form_post"]);
        document["grant_types_supported"] = List(token.GrantTypes);
        document["subject_types_supported"] = List(["public"]);
        document["id_token_signing_alg_values_supported"] = List(SigningKey.SupportedAlgorithms);
        Authentication("token", authenticator.Methods);
        if (paths.Revocation is not null)
        {
            Authentication("revocation", authenticator.Methods);
        }

        if (paths.Introspection is not null)
        {
            Authentication("introspection", confidential);
            document["introspection_signing_alg_values_supported"] = List(SigningKey.SupportedAlgorithms);
        }

        document["code_challenge_methods_supported"] = List(["S256"]);
        document["prompt_values_supported"] = List(["none", "login", "consent", "select_account"]);
        document["acr_values_supported"] = List(Authorize.AcrValues.Supported);
        document["display_values_supported"] = List(["page"]);
        document["claim_types_supported"] = List(["normal"]);
        document["claims_supported"] = List(["sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid", .. ClaimsByScope.Claims]);
        document["claims_parameter_supported"] = true;
        document["request_parameter_supported"] = false;
        document["request_uri_parameter_supported"] = false;
        document["authorization_response_iss_parameter_supported"] = true;
        document["ui_locales_supported"] = List(uiLocales);
        document["protected_resources"] = List(known.Select(resource => resource.Identifier).Where(identifier => Uri.TryCreate(identifier, UriKind.Absolute, out _)));
        return document;

        // RFC 8414 §2: the algorithms are told where a method signs something.
        void Authentication(string endpoint, IEnumerable<string> methods)
        {
            document[endpoint + "_endpoint_auth_methods_supported"] = List(methods);
            if (methods.Contains("private_key_jwt", StringComparer.Ordinal))
            {
                document[endpoint + "_endpoint_auth_signing_alg_values_supported"] = List(PrivateKeyJwt.Algorithms);
            }
        }

        void Add(string name, string? path)
        {
            if (path is not null)
            {
                document[name] = issuer + path;
            }
        }
    }

    private static JsonNode List(IEnumerable<string> values) => JsonSerializer.SerializeToNode(values)!;
}
