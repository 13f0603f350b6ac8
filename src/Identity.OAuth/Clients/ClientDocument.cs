// RFC 7591 §2 and OpenID Connect Registration 1.0 §2: a client written down, as ClientMetadata reads it.
using System.Text.Json.Nodes;

namespace Identity.OAuth.Clients;

/// <summary>Turns a <see cref="Client"/> into metadata. Members that say what is so by default are left out; a secret is known by its hash alone and is never among them.</summary>
public static class ClientDocument
{
    /// <summary>Hashes of the client's secrets (lower-case hex SHA-256), in documents that are to be read back by us.</summary>
    public const string SecretHashes = "client_secret_sha256";

    /// <param name="client">Which.</param>
    /// <param name="withSecretHashes">Adds <see cref="SecretHashes"/>. Whoever has them can guess at a secret that a person thought up.</param>
    public static JsonObject Write(Client client, bool withSecretHashes)
    {
        ArgumentNullException.ThrowIfNull(client);
        var document = new JsonObject { ["client_id"] = client.ClientId };
        Text(document, "client_name", client.ClientName);
        Text(document, "logo_uri", client.LogoUri);
        Text(document, "client_uri", client.ClientUri);
        Text(document, "policy_uri", client.PolicyUri);
        Text(document, "tos_uri", client.TosUri);
        document["token_endpoint_auth_method"] = client.TokenEndpointAuthMethod;
        Text(document, "token_endpoint_auth_signing_alg", client.TokenEndpointAuthSigningAlg);
        document["grant_types"] = Array(client.GrantTypes);
        document["response_types"] = Array(client.ResponseTypes);
        List(document, "redirect_uris", client.RedirectUris);
        List(document, "post_logout_redirect_uris", client.PostLogoutRedirectUris);
        Text(document, "backchannel_logout_uri", client.BackChannelLogoutUri);
        Flag(document, "backchannel_logout_session_required", client.BackChannelLogoutSessionRequired, otherwise: false);
        Text(document, "frontchannel_logout_uri", client.FrontChannelLogoutUri);
        Flag(document, "frontchannel_logout_session_required", client.FrontChannelLogoutSessionRequired, otherwise: false);
        Text(document, "scope", client.Scopes.Count == 0 ? null : string.Join(' ', client.Scopes));
        if (client.Jwks is { } jwks)
        {
            document["jwks"] = JsonNode.Parse(jwks);
        }

        Text(document, "jwks_uri", client.JwksUri);
        if (client.TlsClientAuth is { } subject)
        {
            document[subject.Member] = subject.Value;
        }

        Flag(document, "tls_client_certificate_bound_access_tokens", client.CertificateBoundAccessTokens, otherwise: false);
        Flag(document, "dpop_bound_access_tokens", client.DPoPBoundAccessTokens, otherwise: false);
        Text(document, "id_token_signed_response_alg", client.IdTokenSignedResponseAlg);
        if (client.DefaultMaxAge is { } age)
        {
            document["default_max_age"] = age;
        }

        Flag(document, "require_auth_time", client.RequireAuthTime, otherwise: false);
        List(document, "default_acr_values", client.DefaultAcrValues);

        // Its default is another at each door.
        document["require_consent"] = client.RequireConsent;
        Flag(document, "require_pkce", client.RequirePkce, otherwise: true);
        Flag(document, "rotate_refresh_tokens", client.RotateRefreshTokens, otherwise: true);
        List(document, "introspects", client.Introspects);
        List(document, "allowed_origins", client.AllowedOrigins);
        Flag(document, "require_pushed_authorization_requests", client.RequirePushedAuthorizationRequests, otherwise: false);
        Flag(document, "require_signed_request_object", client.RequireSignedRequestObject, otherwise: false);
        Text(document, "request_object_signing_alg", client.RequestObjectSigningAlg);
        List(document, "request_uris", client.RequestUris);
        Text(document, "introspection_signed_response_alg", client.IntrospectionSignedResponseAlg == "RS256" ? null : client.IntrospectionSignedResponseAlg);
        Text(document, "authorization_signed_response_alg", client.AuthorizationSignedResponseAlg == "RS256" ? null : client.AuthorizationSignedResponseAlg);
        Flag(document, "id_token_claims", client.IdTokenClaims, otherwise: true);
        List(document, "token_exchange_audiences", client.TokenExchangeAudiences);
        List(document, "token_exchange_subject_audiences", client.TokenExchangeSubjectAudiences);
        Flag(document, "token_exchange_openam", client.TokenExchangeOpenAm, otherwise: false);
        Flag(document, "disabled", client.Disabled, otherwise: false);
        foreach (var (name, value) in client.Additional ?? [])
        {
            document[name] = value?.DeepClone();
        }

        if (withSecretHashes)
        {
            List(document, SecretHashes, client.SecretHashes);
        }

        return document;
    }

    private static JsonArray Array(IReadOnlyList<string> values) => new([.. values.Select(value => (JsonNode)value)]);

    private static void Text(JsonObject document, string name, string? value)
    {
        if (value is not null)
        {
            document[name] = value;
        }
    }

    private static void List(JsonObject document, string name, IReadOnlyList<string> values)
    {
        if (values.Count > 0)
        {
            document[name] = Array(values);
        }
    }

    private static void Flag(JsonObject document, string name, bool value, bool otherwise)
    {
        if (value != otherwise)
        {
            document[name] = value;
        }
    }
}
