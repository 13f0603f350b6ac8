// RFC 7591 §2, RFC 8705 §2.1.2 and §3.4, RFC 9449 §5.2, OpenID Connect Registration 1.0 §2: reading and checking client metadata, from wherever it comes.
using System.Text.Json.Nodes;
using Identity.OAuth.Keys;

namespace Identity.OAuth.Clients;

/// <summary>A client, or what is wrong with its metadata: one line per problem, beginning with the member.</summary>
public sealed record ClientMetadataResult(Client? Client, IReadOnlyList<string> Problems);

/// <summary>Turns metadata into a <see cref="Client"/>.</summary>
public static class ClientMetadata
{
    // OpenID Connect Registration 1.0 §2, RFC 9701 §6, JARM §3.
    private const string DefaultAlgorithm = "RS256";

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
        "application_type", "contacts", "initiate_login_uri", "software_id", "software_version", "software_statement", "subject_type",
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
        var id = ReadId(reader);
        var method = ReadMethod(reader, certificates);
        var isPublic = method == "none";
        var grants = ReadGrants(reader, isPublic);
        var redirects = ReadAddresses(reader, "redirect_uris", RedirectUri.FindProblem);
        if (document["redirect_uris"] is null or JsonArray { Count: 0 } && grants.Contains("authorization_code", StringComparer.Ordinal))
        {
            reader.Problem("redirect_uris", "authorization_code needs at least one");
        }

        var postLogout = ReadAddresses(reader, "post_logout_redirect_uris", RedirectUri.FindProblem);
        var backChannel = ReadBackChannel(reader);
        var frontChannel = reader.Text("frontchannel_logout_uri");
        if (frontChannel is not null && RedirectUri.FindFrontChannelProblem(frontChannel, redirects) is { } wrong)
        {
            reader.Problem("frontchannel_logout_uri", wrong);
        }

        var responses = reader.List("response_types") ?? (grants.Contains("authorization_code", StringComparer.Ordinal) ? ["code"] : []);
        if (responses.Any(response => response != "code"))
        {
            reader.Problem("response_types", "expected only code");
        }

        var origins = ReadAddresses(reader, "allowed_origins", value => IsOrigin(value) ? null : "expected an origin like https://app.example.com");
        foreach (var member in new[] { "logo_uri", "client_uri", "policy_uri", "tos_uri" })
        {
            if (reader.Text(member) is { } value && !IsHttp(value))
            {
                reader.Problem(member, "expected an http or https address");
            }
        }

        var requirePkce = reader.Flag("require_pkce", otherwise: true);
        if (!requirePkce && isPublic)
        {
            reader.Problem("require_pkce", "false is only for clients that authenticate");
        }

        var signing = ReadAlgorithm(reader, "token_endpoint_auth_signing_alg", PrivateKeyJwt.Algorithms);
        var idTokenAlg = ReadAlgorithm(reader, "id_token_signed_response_alg", SigningKey.SupportedAlgorithms);
        var authorizationAlg = ReadAlgorithm(reader, "authorization_signed_response_alg", SigningKey.SupportedAlgorithms);
        var (requireSigned, requestSigning, requestUris) = ReadRequestObjects(reader, document);
        var introspects = reader.List("introspects") ?? [];
        if (introspects.Count > 0 && isPublic)
        {
            reader.Problem("introspects", "only for clients that authenticate");
        }

        var (exchangeFor, exchangeFrom, exchangeOpenAm) = ReadExchange(reader, grants);
        var introspectionAlg = ReadAlgorithm(reader, "introspection_signed_response_alg", SigningKey.SupportedAlgorithms);
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

        RefuseNotHonoured(reader, certificates);
        var scopes = reader.Scope("scope") ?? [];
        var (keys, keysAddress) = ClientKeys.Read(reader, method);
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
            BackChannelLogoutUri = backChannel,
            BackChannelLogoutSessionRequired = reader.Flag("backchannel_logout_session_required", otherwise: false),
            FrontChannelLogoutUri = frontChannel,
            FrontChannelLogoutSessionRequired = reader.Flag("frontchannel_logout_session_required", otherwise: false),
            GrantTypes = grants,
            ResponseTypes = responses,
            TokenEndpointAuthMethod = method,
            TokenEndpointAuthSigningAlg = signing,
            Jwks = keys,
            JwksUri = keysAddress,
            Scopes = scopes,
            IdTokenSignedResponseAlg = idTokenAlg ?? DefaultAlgorithm,
            DefaultMaxAge = reader.Number("default_max_age"),
            RequireAuthTime = reader.Flag("require_auth_time", otherwise: false),
            DefaultAcrValues = reader.List("default_acr_values") ?? [],
            RequireConsent = reader.Flag("require_consent", requireConsent),
            RequirePkce = requirePkce,
            RotateRefreshTokens = reader.Flag("rotate_refresh_tokens", otherwise: true) || isPublic,
            Introspects = introspects,
            IntrospectionSignedResponseAlg = introspectionAlg ?? DefaultAlgorithm,
            AllowedOrigins = origins,
            RequirePushedAuthorizationRequests = reader.Flag("require_pushed_authorization_requests", otherwise: false),
            RequireSignedRequestObject = requireSigned,
            RequestObjectSigningAlg = requestSigning,
            RequestUris = requestUris,
            AuthorizationSignedResponseAlg = authorizationAlg ?? DefaultAlgorithm,
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

    private static string? ReadId(MetadataReader reader)
    {
        var id = reader.Text("client_id");
        if ((id is null && reader.Problems.Count == 0) || id?.Length > 200 || id?.Any(character => character is < '\x21' or > '\x7e') == true)
        {
            reader.Problem("client_id", "expected 1 to 200 visible ASCII characters");
        }
        else if (id == FirstParty.FirstPartyClient.ClientId)
        {
            reader.Problem("client_id", "this one is built in");
        }

        return id;
    }

    private static string ReadMethod(MetadataReader reader, CertificateSupport certificates)
    {
        var method = reader.Text("token_endpoint_auth_method") ?? "client_secret_basic";
        if (AuthenticationProblem(method, certificates) is { } unusable)
        {
            reader.Problem("token_endpoint_auth_method", unusable);
        }

        return method;
    }

    private static IReadOnlyList<string> ReadGrants(MetadataReader reader, bool isPublic)
    {
        var grants = reader.List("grant_types") ?? ["authorization_code"];
        foreach (var grant in grants.Where(grant => !GrantTypes.Contains(grant, StringComparer.Ordinal)))
        {
            reader.Problem("grant_types", "expected only " + string.Join(", ", GrantTypes));
        }

        foreach (var grant in grants.Where(grant => isPublic && grant is ("client_credentials" or TokenExchange)))
        {
            reader.Problem("grant_types", grant + " needs a client that authenticates");
        }

        return grants;
    }

    private static IReadOnlyList<string> ReadAddresses(MetadataReader reader, string member, Func<string, string?> findProblem)
    {
        var addresses = reader.List(member) ?? [];
        for (var i = 0; i < addresses.Count; i++)
        {
            if (findProblem(addresses[i]) is { } problem)
            {
                reader.Problem($"{member}[{i}]", problem);
            }
        }

        return addresses;
    }

    private static string? ReadBackChannel(MetadataReader reader)
    {
        var address = reader.Text("backchannel_logout_uri");
        if (address is not null && (RedirectUri.FindProblem(address) is not null || !address.StartsWith("http", StringComparison.Ordinal)))
        {
            reader.Problem("backchannel_logout_uri", "expected an https address without a fragment (http on loopback)");
        }

        return address;
    }

    private static string? ReadAlgorithm(MetadataReader reader, string member, IReadOnlyList<string> supported)
    {
        var algorithm = reader.Text(member);
        if (algorithm is not null && !supported.Contains(algorithm, StringComparer.Ordinal))
        {
            reader.Problem(member, "expected one of " + string.Join(", ", supported));
        }

        return algorithm;
    }

    private static void RefuseNotHonoured(MetadataReader reader, CertificateSupport certificates)
    {
        foreach (var member in certificates == CertificateSupport.None ? [.. NotHonoured, CertificateBoundTokens, .. CertificateSubject.Members] : NotHonoured)
        {
            if (reader.Peek(member) is { Length: > 0 } asked && !asked.Equals("false", StringComparison.OrdinalIgnoreCase))
            {
                reader.Problem(member, "this server cannot honour it");
            }
        }
    }

    private static bool IsHttp(string value) => Uri.TryCreate(value, UriKind.Absolute, out var uri) && uri.Scheme is "https" or "http";

    private static bool IsOrigin(string value) => IsHttp(value) && new Uri(value).GetLeftPart(UriPartial.Authority) == value;

    private static (bool IsRequired, string? Algorithm, IReadOnlyList<string> Addresses) ReadRequestObjects(MetadataReader reader, JsonObject document)
    {
        var isRequired = reader.Flag("require_signed_request_object", otherwise: false);
        var algorithm = ReadAlgorithm(reader, "request_object_signing_alg", Authorize.RequestObjects.Algorithms);
        if (isRequired && document["jwks"] is null && document["jwks_uri"] is null)
        {
            reader.Problem("jwks", "require_signed_request_object needs jwks or jwks_uri");
        }

        var addresses = ReadAddresses(reader, "request_uris", value =>
            Uri.TryCreate(value, UriKind.Absolute, out var uri) && (uri.Scheme == "https" || (uri.Scheme == "http" && uri.IsLoopback)) && value.Length <= 512 ? null : "expected an https address of at most 512 characters");
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

    private static (IReadOnlyList<string> For, IReadOnlyList<string> From, bool OpenAm) ReadExchange(MetadataReader reader, IReadOnlyList<string> grants)
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

        var openAm = reader.Flag("token_exchange_openam", otherwise: false);
        if (openAm && !mayExchange)
        {
            reader.Problem("grant_types", "token_exchange_openam needs " + TokenExchange);
        }

        return (exchangeFor, exchangeFrom, openAm);
    }

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

    private static JsonObject? Additional(MetadataReader reader)
    {
        var rest = new JsonObject();
        foreach (var (name, value) in reader.Unread)
        {
            // RFC 7591 §2.2: a name in another language, as client_name#de.
            var plain = name.Split('#')[0];
            if (!Kept.Contains(plain, StringComparer.Ordinal) && !(plain != name && reader.Asked.Contains(plain, StringComparer.Ordinal)) && !NotHonoured.Contains(name, StringComparer.Ordinal) && name != CertificateBoundTokens && !CertificateSubject.Members.Contains(name, StringComparer.Ordinal))
            {
                reader.Problem(name, "no such member" + (reader.Nearest(name, Kept) is { } meant ? $"; {meant} is meant?" : ""));
                continue;
            }

            rest[name] = value?.DeepClone();
        }

        return rest.Count == 0 ? null : rest;
    }
}
