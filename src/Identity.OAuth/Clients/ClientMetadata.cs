// RFC 7591 §2, RFC 8705 §2.1.2 and §3.4, RFC 9449 §5.2, OpenID Connect Registration 1.0 §2: reading and checking client metadata, from wherever it comes.
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Identity.OAuth.Keys;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Clients;

/// <summary>A client, or what is wrong with its metadata: one line per problem, beginning with the member.</summary>
public sealed record ClientMetadataResult(Client? Client, IReadOnlyList<string> Problems);

/// <summary>Turns metadata into a <see cref="Client"/>.</summary>
public static class ClientMetadata
{
    private const string TokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange";

    private static readonly string[] GrantTypes = ["authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code", TokenExchange];
    private static readonly string[] AuthenticationMethods = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];

    // A client that was promised one of these and did not get it would be less safe than it believes.
    private static readonly string[] NotHonoured =
    [
        "request_object_encryption_alg", "id_token_encrypted_response_alg",
        "userinfo_signed_response_alg", "userinfo_encrypted_response_alg", "introspection_encrypted_response_alg",
        "authorization_encrypted_response_alg", "sector_identifier_uri",
    ];

    private const string CertificateBoundTokens = "tls_client_certificate_bound_access_tokens";

    // Registered (IANA, OAuth Dynamic Client Registration Metadata) and kept, though nothing is done by them. Any other name is a slip of the pen.
    private static readonly string[] Kept =
    [
        "application_type", "contacts", "initiate_login_uri", "software_id", "software_version", "software_statement", "subject_type", "introspection_signed_response_alg",
        "introspection_encrypted_response_enc", "id_token_encrypted_response_enc", "userinfo_encrypted_response_enc",
        "authorization_encrypted_response_enc", "request_object_encryption_enc", "authorization_details_types", "client_id_issued_at", "client_secret_expires_at",
    ];

    /// <param name="document">RFC 7591 metadata plus client_id, client_secret and our extensions.</param>
    /// <param name="requireConsent">Default of <c>require_consent</c>: false for clients that the operator wrote down.</param>
    /// <param name="certificates">Whether clients can be known by certificates here.</param>
    /// <param name="secretHashes">Hashes of secrets that are known already (<see cref="ClientSecret.Hash"/>), where the document brings no <c>client_secret</c>.</param>
    public static ClientMetadataResult Parse(JsonObject document, bool requireConsent, CertificateSupport certificates = CertificateSupport.None, IReadOnlyList<string>? secretHashes = null)
    {
        var reader = new MetadataReader(document);
        var id = reader.Text("client_id");
        if ((id is null && reader.Problems.Count == 0) || id?.Length > 200 || id?.Any(character => character is < '\x21' or > '\x7e') == true)
        {
            reader.Problem("client_id", "expected 1 to 200 visible ASCII characters");
        }
        else if (id == FirstParty.FirstPartyClient.ClientId)
        {
            reader.Problem("client_id", "this one is built in");
        }

        var method = reader.Text("token_endpoint_auth_method") ?? "client_secret_basic";
        if (AuthenticationProblem(method, certificates) is { } unusable)
        {
            reader.Problem("token_endpoint_auth_method", unusable);
        }

        var isPublic = method == "none";
        var grants = reader.List("grant_types") ?? ["authorization_code"];
        foreach (var grant in grants.Where(grant => !GrantTypes.Contains(grant, StringComparer.Ordinal)))
        {
            reader.Problem("grant_types", "expected only " + string.Join(", ", GrantTypes));
        }

        foreach (var grant in grants.Where(grant => isPublic && grant is ("client_credentials" or TokenExchange)))
        {
            reader.Problem("grant_types", grant + " needs a client that authenticates");
        }

        var redirects = reader.List("redirect_uris") ?? [];
        for (var i = 0; i < redirects.Count; i++)
        {
            if (RedirectProblem(redirects[i]) is { } problem)
            {
                reader.Problem($"redirect_uris[{i}]", problem);
            }
        }

        if (document["redirect_uris"] is null or JsonArray { Count: 0 } && grants.Contains("authorization_code", StringComparer.Ordinal))
        {
            reader.Problem("redirect_uris", "authorization_code needs at least one");
        }

        var postLogout = reader.List("post_logout_redirect_uris") ?? [];
        for (var i = 0; i < postLogout.Count; i++)
        {
            if (RedirectProblem(postLogout[i]) is { } problem)
            {
                reader.Problem($"post_logout_redirect_uris[{i}]", problem);
            }
        }

        var logoutUri = reader.Text("backchannel_logout_uri");
        if (logoutUri is not null && (RedirectProblem(logoutUri) is not null || !logoutUri.StartsWith("http", StringComparison.Ordinal)))
        {
            reader.Problem("backchannel_logout_uri", "expected an https address without a fragment (http on loopback)");
        }

        var frontChannel = reader.Text("frontchannel_logout_uri");
        if (frontChannel is not null && FrontChannelProblem(frontChannel, redirects) is { } wrong)
        {
            reader.Problem("frontchannel_logout_uri", wrong);
        }

        var responses = reader.List("response_types") ?? (grants.Contains("authorization_code", StringComparer.Ordinal) ? ["code"] : []);
        if (responses.Any(response => response != "code"))
        {
            reader.Problem("response_types", "expected only code");
        }

        var origins = reader.List("allowed_origins") ?? [];
        for (var i = 0; i < origins.Count; i++)
        {
            if (!Uri.TryCreate(origins[i], UriKind.Absolute, out var origin) || origin.GetLeftPart(UriPartial.Authority) != origins[i] || origin.Scheme is not ("https" or "http"))
            {
                reader.Problem($"allowed_origins[{i}]", "expected an origin like https://app.example.com");
            }
        }

        foreach (var member in new[] { "logo_uri", "client_uri", "policy_uri", "tos_uri" })
        {
            if (reader.Text(member) is { } value && (!Uri.TryCreate(value, UriKind.Absolute, out var uri) || uri.Scheme is not ("https" or "http")))
            {
                reader.Problem(member, "expected an http or https address");
            }
        }

        var requirePkce = reader.Flag("require_pkce", otherwise: true);
        if (!requirePkce && isPublic)
        {
            reader.Problem("require_pkce", "false is only for clients that authenticate");
        }

        var signing = reader.Text("token_endpoint_auth_signing_alg");
        if (signing is not null && !PrivateKeyJwt.Algorithms.Contains(signing, StringComparer.Ordinal))
        {
            reader.Problem("token_endpoint_auth_signing_alg", "expected one of " + string.Join(", ", PrivateKeyJwt.Algorithms));
        }

        var idTokenAlg = reader.Text("id_token_signed_response_alg") ?? "RS256";
        if (!SigningKey.SupportedAlgorithms.Contains(idTokenAlg, StringComparer.Ordinal))
        {
            reader.Problem("id_token_signed_response_alg", "expected one of " + string.Join(", ", SigningKey.SupportedAlgorithms));
        }

        var answerSigning = reader.Text("authorization_signed_response_alg") ?? "RS256";
        if (!SigningKey.SupportedAlgorithms.Contains(answerSigning, StringComparer.Ordinal))
        {
            reader.Problem("authorization_signed_response_alg", "expected one of " + string.Join(", ", SigningKey.SupportedAlgorithms));
        }

        var (requireSigned, requestSigning, requestUris) = ReadRequestObjects(reader, document);
        var introspects = reader.List("introspects") ?? [];
        if (introspects.Count > 0 && isPublic)
        {
            reader.Problem("introspects", "only for clients that authenticate");
        }

        var (exchangeFor, exchangeFrom) = ReadExchange(reader, grants);
        var exchangeOpenAm = reader.Flag("token_exchange_openam", otherwise: false);
        if (exchangeOpenAm && !grants.Contains(TokenExchange, StringComparer.Ordinal))
        {
            reader.Problem("grant_types", "token_exchange_openam needs " + TokenExchange);
        }


        if (reader.Peek("introspection_signed_response_alg") is { } answerAlg && !SigningKey.SupportedAlgorithms.Contains(answerAlg, StringComparer.Ordinal))
        {
            reader.Problem("introspection_signed_response_alg", "expected one of " + string.Join(", ", SigningKey.SupportedAlgorithms));
        }

        if (reader.Peek("subject_type") is { } subjectType && subjectType != "public")
        {
            reader.Problem("subject_type", "expected public");
        }

        var (subject, isBound) = ReadCertificate(reader, method, certificates);
        var isBoundToKey = reader.Flag("dpop_bound_access_tokens", otherwise: false);
        if (isBound && isBoundToKey)
        {
            reader.Problem("dpop_bound_access_tokens", "its tokens are bound to its certificate already: choose one of the two");
        }

        foreach (var member in certificates == CertificateSupport.None ? [.. NotHonoured, CertificateBoundTokens, .. CertificateSubject.Members] : NotHonoured)
        {
            if (reader.Peek(member) is { Length: > 0 } asked && !asked.Equals("false", StringComparison.OrdinalIgnoreCase))
            {
                reader.Problem(member, "this server cannot honour it");
            }
        }

        var scopes = reader.Scope("scope") ?? [];
        var client = new Client
        {
            ClientId = id ?? "",
            SecretHashes = ReadSecret(reader, method, secretHashes ?? []),
            ClientName = reader.Text("client_name"),
            LogoUri = reader.Text("logo_uri"),
            ClientUri = reader.Text("client_uri"),
            PolicyUri = reader.Text("policy_uri"),
            TosUri = reader.Text("tos_uri"),
            RedirectUris = redirects,
            PostLogoutRedirectUris = postLogout,
            BackChannelLogoutUri = logoutUri,
            BackChannelLogoutSessionRequired = reader.Flag("backchannel_logout_session_required", otherwise: false),
            FrontChannelLogoutUri = frontChannel,
            FrontChannelLogoutSessionRequired = reader.Flag("frontchannel_logout_session_required", otherwise: false),
            GrantTypes = grants,
            ResponseTypes = responses,
            TokenEndpointAuthMethod = method,
            TokenEndpointAuthSigningAlg = signing,
            Jwks = ReadKeys(reader, method, out var jwksUri),
            JwksUri = jwksUri,
            Scopes = scopes,
            IdTokenSignedResponseAlg = idTokenAlg,
            DefaultMaxAge = reader.Number("default_max_age"),
            RequireAuthTime = reader.Flag("require_auth_time", otherwise: false),
            DefaultAcrValues = reader.List("default_acr_values") ?? [],
            RequireConsent = reader.Flag("require_consent", requireConsent),
            RequirePkce = requirePkce,
            RotateRefreshTokens = reader.Flag("rotate_refresh_tokens", otherwise: true) || isPublic,
            Introspects = introspects,
            AllowedOrigins = origins,
            RequirePushedAuthorizationRequests = reader.Flag("require_pushed_authorization_requests", otherwise: false),
            RequireSignedRequestObject = requireSigned,
            RequestObjectSigningAlg = requestSigning,
            RequestUris = requestUris,
            AuthorizationSignedResponseAlg = answerSigning,
            IdTokenClaims = reader.Flag("id_token_claims", otherwise: true),
            TlsClientAuth = subject,
            CertificateBoundAccessTokens = isBound,
            DPoPBoundAccessTokens = isBoundToKey,
            TokenExchangeAudiences = exchangeFor,
            TokenExchangeSubjectAudiences = exchangeFrom,
            TokenExchangeOpenAm = exchangeOpenAm,
            Disabled = reader.Flag("disabled", otherwise: false),
            Additional = Additional(reader),
        };
        return new(reader.Problems.Count == 0 ? client : null, reader.Problems);
    }

    private static (bool IsRequired, string? Algorithm, IReadOnlyList<string> Addresses) ReadRequestObjects(MetadataReader reader, JsonObject document)
    {
        var isRequired = reader.Flag("require_signed_request_object", otherwise: false);
        var algorithm = reader.Text("request_object_signing_alg");
        if (algorithm is not null && !Authorize.RequestObjects.Algorithms.Contains(algorithm, StringComparer.Ordinal))
        {
            reader.Problem("request_object_signing_alg", "expected one of " + string.Join(", ", Authorize.RequestObjects.Algorithms));
        }

        if (isRequired && document["jwks"] is null && document["jwks_uri"] is null)
        {
            reader.Problem("jwks", "require_signed_request_object needs jwks or jwks_uri");
        }

        var addresses = reader.List("request_uris") ?? [];
        for (var i = 0; i < addresses.Count; i++)
        {
            if (!Uri.TryCreate(addresses[i], UriKind.Absolute, out var uri) || (uri.Scheme != "https" && !(uri.Scheme == "http" && uri.IsLoopback)) || addresses[i].Length > 512)
            {
                reader.Problem($"request_uris[{i}]", "expected an https address of at most 512 characters");
            }
        }

        return (isRequired, algorithm, addresses);
    }

    private static string? AuthenticationProblem(string method, CertificateSupport certificates) => method switch
    {
        "self_signed_tls_client_auth" or "tls_client_auth" when certificates == CertificateSupport.None => method + " needs MTLS_PORT or MTLS_CLIENT_HEADER",
        "tls_client_auth" when certificates < CertificateSupport.Authorities => "tls_client_auth needs MTLS_CLIENT_CAS",
        "self_signed_tls_client_auth" or "tls_client_auth" => null,
        _ => AuthenticationMethods.Contains(method, StringComparer.Ordinal) ? null : "expected one of " + string.Join(", ", AuthenticationMethods) + ", tls_client_auth, self_signed_tls_client_auth",
    };

    private static (CertificateSubject? Subject, bool IsBound) ReadCertificate(MetadataReader reader, string method, CertificateSupport certificates)
    {
        if (certificates == CertificateSupport.None)
        {
            return (null, false);
        }

        CertificateSubject[] subjects = [.. CertificateSubject.Members.Select(member => (member, Value: reader.Text(member))).Where(pair => pair.Value is not null).Select(pair => new CertificateSubject(pair.member, pair.Value!))];
        foreach (var subject in subjects)
        {
            if (method != "tls_client_auth")
            {
                reader.Problem(subject.Member, "only for token_endpoint_auth_method tls_client_auth");
            }
            else if (subject.FindProblem() is { } problem)
            {
                reader.Problem(subject.Member, problem);
            }
        }

        if (method == "tls_client_auth" && subjects.Length != 1)
        {
            // RFC 8705 §2.1.2: with two it would be open which of them has to fit.
            reader.Problem("token_endpoint_auth_method", "tls_client_auth needs exactly one of " + string.Join(", ", CertificateSubject.Members));
        }

        return (subjects.Length == 1 ? subjects[0] : null, reader.Flag(CertificateBoundTokens, otherwise: false));
    }

    private static (IReadOnlyList<string> For, IReadOnlyList<string> From) ReadExchange(MetadataReader reader, IReadOnlyList<string> grants)
    {
        var exchangeFor = reader.List("token_exchange_audiences") ?? [];
        var exchangeFrom = reader.List("token_exchange_subject_audiences") ?? [];
        var mayExchange = grants.Contains(TokenExchange, StringComparer.Ordinal);
        if (mayExchange && exchangeFor.Count == 0)
        {
            reader.Problem("token_exchange_audiences", "token exchange needs at least one resource that it may be for");
        }
        else if (!mayExchange && exchangeFor.Count + exchangeFrom.Count > 0)
        {
            reader.Problem("grant_types", "token_exchange_audiences and token_exchange_subject_audiences need " + TokenExchange);
        }

        return (exchangeFor, exchangeFrom);
    }

    /// <summary>RFC 9700 §2.1 and RFC 8252 §7: what may be redirected to; null: this may.</summary>
    public static string? RedirectProblem(string value)
    {
        if (value.Any(character => character is <= '\x20' or > '\x7e' or '\\'))
        {
            return "expected visible ASCII without space and backslash; write other characters percent-encoded";
        }

        if (!Uri.TryCreate(value, UriKind.Absolute, out var uri) || !value.Contains(':', StringComparison.Ordinal))
        {
            return "expected an absolute URI";
        }

        if (value.Contains('#', StringComparison.Ordinal))
        {
            return "a fragment is not allowed (RFC 6749 section 3.1.2)";
        }

        if (uri.UserInfo.Length > 0 || value.Contains('*', StringComparison.Ordinal))
        {
            return "user names and wildcards are not allowed";
        }

        return uri.Scheme switch
        {
            // Written out, and not as a parser completes or normalises it: what is registered is compared character by character.
            "https" => value.StartsWith("https://", StringComparison.Ordinal) && uri.Host.Length > 0 ? null : "expected an address that begins with https:// and a host",
            "http" => LoopbackPrefixes.Any(prefix => IsAt(value, prefix)) ? null : "http is allowed only for loopback addresses (RFC 8252 section 7.3)",
            // RFC 8252 §7.1: a domain name under the app's control, reversed. That keeps javascript:, data: and the like out.
            _ => uri.Scheme.Contains('.', StringComparison.Ordinal) && !uri.Scheme.StartsWith('.') && !uri.Scheme.EndsWith('.')
                ? null
                : "expected https, or a private-use scheme like com.example.app",
        };
    }

    // Front-Channel Logout 1.0 §2. A policy (CSP) cannot name the address [::1], so no page could open it.
    private static string? FrontChannelProblem(string value, IReadOnlyList<string> redirects) =>
        RedirectProblem(value) is not null || !value.StartsWith("http", StringComparison.Ordinal) || value.StartsWith("http://[", StringComparison.Ordinal) ? "expected an https address without a fragment (http on 127.0.0.1 or localhost)"
        : redirects.Any(redirect => RedirectProblem(redirect) is null && Origin(redirect) == Origin(value)) ? null
        : "expected the scheme, host and port of one of redirect_uris";

    private static string Origin(string address) => new Uri(address).GetLeftPart(UriPartial.Authority);

    private static readonly string[] LoopbackPrefixes = ["http://127.0.0.1", "http://[::1]", "http://localhost"];

    private static bool IsAt(string value, string prefix) =>
        value.StartsWith(prefix, StringComparison.Ordinal) && (value.Length == prefix.Length || value[prefix.Length] is ':' or '/' or '?');

    private static IReadOnlyList<string> ReadSecret(MetadataReader reader, string method, IReadOnlyList<string> known)
    {
        var secrets = reader.TextOrList("client_secret");
        if (method is not ("client_secret_basic" or "client_secret_post"))
        {
            if (secrets.Count > 0 && AuthenticationProblem(method, CertificateSupport.Authorities) is null)
            {
                reader.Problem("client_secret", $"a client with {method} has none");
            }

            return [];
        }

        if (secrets.Count == 0 && known.Count is 1 or 2)
        {
            return known;
        }

        // It is kept as one SHA-256, which is enough for a random value and for nothing that a person thought up.
        if (secrets.Count == 0 || secrets.Any(secret => secret.Length < 16))
        {
            reader.Problem("client_secret", "expected 16 characters or more; make one with: openssl rand -hex 32");
            return [];
        }

        if (secrets.Count > 2)
        {
            reader.Problem("client_secret", "expected one, or an array of two while one is being replaced");
        }

        return [.. secrets.Select(ClientSecret.Hash)];
    }

    private static string? ReadKeys(MetadataReader reader, string method, out string? jwksUri)
    {
        jwksUri = reader.Text("jwks_uri");
        var jwks = reader.Document("jwks");
        if (jwks is not null && jwksUri is not null)
        {
            reader.Problem("jwks_uri", "jwks and jwks_uri exclude each other (RFC 7591 section 2)");
        }

        if (jwksUri is not null && (!Uri.TryCreate(jwksUri, UriKind.Absolute, out var uri) || (uri.Scheme != "https" && !(uri.Scheme == "http" && uri.IsLoopback))))
        {
            reader.Problem("jwks_uri", "expected an https address");
        }

        if (jwks is not null)
        {
            CheckKeys(reader, jwks);
            if (method == "self_signed_tls_client_auth" && jwks["keys"] is JsonArray keys && !keys.Any(key => key is JsonObject with && with.ContainsKey("x5c")))
            {
                reader.Problem("jwks", "self_signed_tls_client_auth needs a key with its certificate in x5c (RFC 8705 section 2.2.2)");
            }
        }
        else if (method is "private_key_jwt" or "self_signed_tls_client_auth" && jwksUri is null)
        {
            reader.Problem("jwks", method + " needs jwks or jwks_uri");
        }

        return jwks?.ToJsonString();
    }

    private static void CheckKeys(MetadataReader reader, JsonObject jwks)
    {
        if (jwks["keys"] is not JsonArray { Count: > 0 and <= 20 } keys)
        {
            reader.Problem("jwks", "expected an object with 1 to 20 keys");
            return;
        }

        for (var i = 0; i < keys.Count; i++)
        {
            if (keys[i] is not JsonObject key)
            {
                reader.Problem($"jwks.keys[{i}]", "expected an object");
                continue;
            }

            if (key.ContainsKey("d") || key.ContainsKey("k"))
            {
                reader.Problem($"jwks.keys[{i}]", "a private or shared key was given; give the public one");
            }

            try
            {
                var jwk = new JsonWebKey(key.ToJsonString());
                if (!IsStrong(jwk))
                {
                    reader.Problem($"jwks.keys[{i}]", "expected an RSA key of 2048 bits or more, or an EC key on P-256, P-384 or P-521");
                }
                else if (jwk.X5c is [var certificate, ..] && !IsOf(jwk, certificate))
                {
                    reader.Problem($"jwks.keys[{i}].x5c", "expected the certificate of this key first (RFC 7517 section 4.7)");
                }
            }
            catch (Exception exception) when (exception is ArgumentException or FormatException or System.Text.Json.JsonException or CryptographicException)
            {
                reader.Problem($"jwks.keys[{i}]", "not a JWK of a public key");
            }
        }
    }

    // Imported, not only looked at: a point off its curve or a modulus that is none is found here, and not at the first sign-in.
    private static bool IsStrong(JsonWebKey jwk)
    {
        if (jwk.Kty == "RSA")
        {
            using var rsa = RSA.Create(new RSAParameters { Modulus = Base64UrlEncoder.DecodeBytes(jwk.N), Exponent = Base64UrlEncoder.DecodeBytes(jwk.E) });
            return rsa.KeySize is >= 2048 and <= 16384;
        }

        ECCurve? curve = jwk.Kty != "EC" ? null : jwk.Crv switch
        {
            "P-256" => ECCurve.NamedCurves.nistP256,
            "P-384" => ECCurve.NamedCurves.nistP384,
            "P-521" => ECCurve.NamedCurves.nistP521,
            _ => null,
        };
        if (curve is not { } named)
        {
            return false;
        }

        using var ec = ECDsa.Create(new ECParameters { Curve = named, Q = new ECPoint { X = Base64UrlEncoder.DecodeBytes(jwk.X), Y = Base64UrlEncoder.DecodeBytes(jwk.Y) } });
        return true;
    }

    private static bool IsOf(JsonWebKey jwk, string encoded)
    {
        using var certificate = X509CertificateLoader.LoadCertificate(Convert.FromBase64String(encoded));
        using var ec = certificate.GetECDsaPublicKey();
        if (ec?.ExportParameters(includePrivateParameters: false).Q is { } point)
        {
            return jwk.Kty == "EC" && point.X.AsSpan().SequenceEqual(Base64UrlEncoder.DecodeBytes(jwk.X)) && point.Y.AsSpan().SequenceEqual(Base64UrlEncoder.DecodeBytes(jwk.Y));
        }

        using var rsa = certificate.GetRSAPublicKey();
        return rsa?.ExportParameters(includePrivateParameters: false) is { } key && jwk.Kty == "RSA"
            && key.Modulus.AsSpan().SequenceEqual(Base64UrlEncoder.DecodeBytes(jwk.N)) && key.Exponent.AsSpan().SequenceEqual(Base64UrlEncoder.DecodeBytes(jwk.E));
    }

    private static string Meant(MetadataReader reader, string name)
    {
        var nearest = reader.Asked.Concat(Kept).MinBy(known => Distance(known, name));
        return nearest is not null && Distance(nearest, name) <= Math.Max(2, name.Length / 5) ? $"; {nearest} is meant?" : "";
    }

    // Levenshtein's, by rows.
    private static int Distance(string one, string other)
    {
        var row = Enumerable.Range(0, other.Length + 1).ToArray();
        for (var i = 1; i <= one.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= other.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (one[i - 1] == other[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[^1];
    }

    private static JsonObject? Additional(MetadataReader reader)
    {
        var rest = new JsonObject();
        foreach (var (name, value) in reader.Unread)
        {
            // RFC 7591 §2.2: a name in another language, as client_name#de.
            var plain = name.Split('#')[0];
            if (!Kept.Contains(plain, StringComparer.Ordinal) && !(plain != name && reader.Asked.Contains(plain, StringComparer.Ordinal)) && !NotHonoured.Contains(name, StringComparer.Ordinal) && name != CertificateBoundTokens && !CertificateSubject.Members.Contains(name, StringComparer.Ordinal))
            {
                reader.Problem(name, "no such member" + Meant(reader, name));
                continue;
            }

            rest[name] = value?.DeepClone();
        }

        return rest.Count == 0 ? null : rest;
    }
}
