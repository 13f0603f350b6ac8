// RFC 7591 §2, RFC 9700 §2.1, RFC 8252 §7: what may be registered, and how it is told that something may not.
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;
using Identity.Tests.Kit;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Clients;

public sealed class ClientMetadataTests
{
    [Fact]
    public void Parse_OfAllMembers_ReadsThem()
    {
        var client = Parse("""
            {"client_id":"app","client_secret":"0123456789abcdef","client_name":"App","redirect_uris":["https://app.example/cb?a=b"],
             "post_logout_redirect_uris":["https://app.example/bye"],"grant_types":["authorization_code","refresh_token"],"scope":"openid  a a b",
             "id_token_signed_response_alg":"ES256","default_max_age":60,"require_auth_time":true,"require_consent":true,"require_pkce":false,
             "introspects":["https://api.example"],"allowed_origins":["https://app.example"],"token_endpoint_auth_method":"client_secret_post"}
            """);
        Assert.Equal(["openid", "a", "b"], client.Scopes);
        Assert.Equal(["9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f"], client.SecretHashes);
        Assert.Equal("ES256", client.IdTokenSignedResponseAlg);
        Assert.Equal(60, client.DefaultMaxAge);
        Assert.True(client.RequireConsent);
        Assert.False(client.RequirePkce);
    }

    [Fact]
    public void Parse_OfTheLeast_TakesTheDefaultsOfTheSpecs()
    {
        var client = Parse("""{"client_id":"app","client_secret":"0123456789abcdef","redirect_uris":["https://app.example/cb"]}""");
        Assert.Equal("client_secret_basic", client.TokenEndpointAuthMethod);
        Assert.Equal(["authorization_code"], client.GrantTypes);
        Assert.Equal(["code"], client.ResponseTypes);
        Assert.Equal("RS256", client.IdTokenSignedResponseAlg);
        Assert.True(client.RequirePkce);
        Assert.False(client.RequireConsent);
    }

    // What an operator exports and imports again must not have lost whom to tell of a sign-out.
    [Fact]
    public void Document_OfAClientThatIsToldOfSignOuts_IsReadBackTheSame()
    {
        var client = Parse("""
            {"client_id":"app","token_endpoint_auth_method":"none","redirect_uris":["https://app.example/cb"],
             "backchannel_logout_uri":"https://app.example/told","backchannel_logout_session_required":true,
             "frontchannel_logout_uri":"https://app.example/bye?a=b","frontchannel_logout_session_required":true}
            """);
        var read = Parse(ClientDocument.Write(client, withSecretHashes: false).ToJsonString());
        Assert.Equal(("https://app.example/told", true), (read.BackChannelLogoutUri, read.BackChannelLogoutSessionRequired));
        Assert.Equal(("https://app.example/bye?a=b", true), (read.FrontChannelLogoutUri, read.FrontChannelLogoutSessionRequired));
    }

    // Every member: one that is forgotten is lost with an export and import.
    [Fact]
    public void Document_OfAClientThatDiffersEverywhere_IsReadBackTheSame()
    {
        var plain = Parse("""{"client_id":"app","client_secret":"0123456789abcdef","redirect_uris":["https://app.example/cb"]}""");
        foreach (var flag in typeof(Client).GetProperties().Where(property => property.PropertyType == typeof(bool) && property.CanWrite && property.Name != nameof(Client.FromFile)))
        {
            var changed = plain with { };
            flag.SetValue(changed, !(bool)flag.GetValue(plain)!);
            var read = JsonNode.Parse(ClientDocument.Write(changed, withSecretHashes: false).ToJsonString())!.AsObject();
            var before = JsonNode.Parse(ClientDocument.Write(plain, withSecretHashes: false).ToJsonString())!.AsObject();
            Assert.False(JsonNode.DeepEquals(before, read), flag.Name);
        }
    }

    [Theory]
    [InlineData("false")]
    [InlineData("\"False\"")]
    [InlineData("\"\"")]
    public void Parse_OfAProtectionThatIsNotWanted_TakesIt(string value) =>
        Assert.Empty(Problems($$"""{"client_id":"app","client_secret":"0123456789abcdef","redirect_uris":["https://app.example/cb"],"id_token_encrypted_response_alg":{{value}} }"""));

    [Theory]
    [InlineData("https://app.example/cb")]
    [InlineData("https://app.example:8443/cb?x=1&y=2")]
    [InlineData("http://127.0.0.1/cb")]
    [InlineData("http://127.0.0.1:7001/cb")]
    [InlineData("http://[::1]/cb")]
    [InlineData("http://localhost:3000/cb")]
    [InlineData("com.example.app:/cb")]
    [InlineData("com.example.app://cb")]
    public void RedirectUri_WhenSound_IsTaken(string uri) => Assert.Null(RedirectUri.FindProblem(uri));

    [Theory]
    [InlineData("https://app.example/cb#frag")]
    [InlineData("https://app.example/cb#")]
    [InlineData("http://app.example/cb")]
    [InlineData("http://127.0.0.1.evil.example/cb")]
    [InlineData("http://localhost.evil.example/cb")]
    [InlineData("http://2130706433/cb")]
    [InlineData("http://0x7f.1/cb")]
    [InlineData("http://127.0.0.1@evil.example/cb")]
    [InlineData("https://user@app.example/cb")]
    [InlineData("https://*.example/cb")]
    [InlineData("https:app.example/cb")]
    [InlineData("https:///cb")]
    [InlineData("/cb")]
    [InlineData("app.example/cb")]
    [InlineData("javascript:alert(1)")]
    [InlineData("data:text/html,x")]
    [InlineData("myapp://cb")]
    [InlineData("file:///etc/passwd")]
    [InlineData("https://app.example\\@evil.example/cb")]
    [InlineData("https://app.example/c b")]
    [InlineData("https://app.example/\u00fc")]
    [InlineData("https://app.example/\tcb")]
    public void RedirectUri_WhenUnsafe_IsRefused(string uri) => Assert.NotNull(RedirectUri.FindProblem(uri));

    [Fact]
    public void Parse_OfABadRedirectUri_NamesIt() => Assert.Equal(
        ["redirect_uris[1]: http is allowed only for loopback addresses (RFC 8252 section 7.3)"],
        Problems("""{"client_id":"app","token_endpoint_auth_method":"none","redirect_uris":["https://app.example/cb","http://app.example/cb"]}"""));

    public static TheoryData<string, string> Refused => new()
    {
        { "client_id", "{}" },
        { "client_id", """{"client_id":"a b"}""" },
        { "client_id", """{"client_id":"\u00fc"}""" },
        { "client_id", """{"client_id":"identity-api"}""" },
        { "client_id", """{"client_id":7}""" },
        { "client_secret", """{"client_secret":"short"}""" },
        { "client_secret", """{"client_secret":null}""" },
        { "client_secret", """{"token_endpoint_auth_method":"none"}""" },
        { "token_endpoint_auth_method", """{"token_endpoint_auth_method":"client_secret_jwt"}""" },
        { "grant_types", """{"grant_types":["password"]}""" },
        { "grant_types", """{"grant_types":["implicit"]}""" },
        { "grant_types", """{"grant_types":"authorization_code"}""" },
        { "grant_types", """{"token_endpoint_auth_method":"none","client_secret":null,"grant_types":["client_credentials"]}""" },
        { "response_types", """{"response_types":["code","token"]}""" },
        { "redirect_uris", """{"redirect_uris":[]}""" },
        { "redirect_uris[0]", """{"redirect_uris":[7]}""" },
        { "post_logout_redirect_uris[0]", """{"post_logout_redirect_uris":["http://app.example/"]}""" },
        { "frontchannel_logout_uri", """{"frontchannel_logout_uri":"https://app.example.com/bye"}""" },
        { "frontchannel_logout_uri", """{"frontchannel_logout_uri":"https://app.example:8443/bye"}""" },
        { "frontchannel_logout_uri", """{"frontchannel_logout_uri":"http://app.example/bye"}""" },
        { "frontchannel_logout_uri", """{"frontchannel_logout_uri":"https://app.example/bye#x"}""" },
        { "frontchannel_logout_uri", """{"redirect_uris":["http://127.0.0.1:4711/cb"],"frontchannel_logout_uri":"http://127.0.0.1:4712/bye"}""" },
        { "frontchannel_logout_uri", """{"redirect_uris":["http://[::1]/cb"],"frontchannel_logout_uri":"http://[::1]/bye"}""" },
        { "frontchannel_logout_uri", """{"redirect_uris":["com.example.app:/cb"],"frontchannel_logout_uri":"com.example.app:/bye"}""" },
        { "frontchannel_logout_session_required", """{"frontchannel_logout_session_required":"perhaps"}""" },
        { "require_pkce", """{"token_endpoint_auth_method":"none","client_secret":null,"require_pkce":false}""" },
        { "introspects", """{"token_endpoint_auth_method":"none","client_secret":null,"introspects":["*"]}""" },
        { "require_consent", """{"require_consent":"perhaps"}""" },
        { "default_max_age", """{"default_max_age":-1}""" },
        { "scope", """{"scope":"a \"b"}""" },
        { "scope", """{"scope":["a"]}""" },
        { "allowed_origins[0]", """{"allowed_origins":["https://app.example/"]}""" },
        { "allowed_origins[0]", """{"allowed_origins":["*"]}""" },
        { "id_token_signed_response_alg", """{"id_token_signed_response_alg":"none"}""" },
        { "id_token_signed_response_alg", """{"id_token_signed_response_alg":"HS256"}""" },
        { "token_endpoint_auth_signing_alg", """{"token_endpoint_auth_signing_alg":"HS256"}""" },
        { "introspection_signed_response_alg", """{"introspection_signed_response_alg":"none"}""" },
        { "jwks", """{"token_endpoint_auth_method":"private_key_jwt","client_secret":null}""" },
        { "jwks_uri", """{"token_endpoint_auth_method":"private_key_jwt","client_secret":null,"jwks_uri":"http://keys.example/"}""" },
        { "jwks", """{"require_signed_request_object":true}""" },
        { "request_object_signing_alg", """{"request_object_signing_alg":"none"}""" },
        { "request_object_signing_alg", """{"request_object_signing_alg":"HS256"}""" },
        { "authorization_signed_response_alg", """{"authorization_signed_response_alg":"none"}""" },
        { "request_uris[0]", """{"request_uris":["http://app.example/request"]}""" },
        { "request_uris[0]", """{"request_uris":["/request"]}""" },
        { "request_object_encryption_alg", """{"request_object_encryption_alg":"RSA-OAEP"}""" },
        { "authorization_encrypted_response_alg", """{"authorization_encrypted_response_alg":"RSA-OAEP"}""" },
        { "logo_uri", """{"logo_uri":"javascript:alert(1)"}""" },
        { "dpop_bound_access_tokens", """{"dpop_bound_access_tokens":"perhaps"}""" },
        { "id_token_encrypted_response_alg", """{"id_token_encrypted_response_alg":"RSA-OAEP"}""" },
        { "subject_type", """{"subject_type":"pairwise"}""" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Parse_OfAMemberThatCannotBe_NamesThatMemberAlone(string member, string change)
    {
        var document = JsonNode.Parse("""{"client_id":"app","client_secret":"0123456789abcdef","redirect_uris":["https://app.example/cb"]}""")!.AsObject();
        if (change == "{}")
        {
            document.Remove("client_id");
        }

        foreach (var (name, value) in JsonNode.Parse(change)!.AsObject())
        {
            document.Remove(name);
            if (value is not null)
            {
                document[name] = value.DeepClone();
            }
        }

        var result = ClientMetadata.Parse(document, requireConsent: false);
        Assert.Null(result.Client);
        Assert.StartsWith(member + ": ", Assert.Single(result.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void Jwks_WithPublicKeys_IsTaken()
    {
        using var rsa = RSA.Create(2048);
        using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        Assert.Empty(Problems(WithKeys(PublicJwk(rsa), PublicJwk(ec))));
    }

    [Fact]
    public void Jwks_WithWeakPrivateSharedOrBrokenKeys_IsRefused()
    {
        using var weak = RSA.Create(1024);
        using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var point = ec.ExportParameters(includePrivateParameters: true);
        var good = PublicJwk(ec);
        var withPrivate = good.Replace("}", $",\"d\":\"{Base64UrlEncoder.Encode(point.D)}\"}}", StringComparison.Ordinal);
        var offCurve = $$"""{"kty":"EC","crv":"P-256","x":"{{Base64UrlEncoder.Encode(point.Q.X)}}","y":"{{Base64UrlEncoder.Encode(point.Q.X)}}"}""";
        foreach (var key in new[] { PublicJwk(weak), withPrivate, offCurve, """{"kty":"EC","crv":"P-256"}""", """{"kty":"oct","k":"c2VjcmV0"}""", """{"kty":"RSA","n":"!","e":"AQAB"}""", "{}", "7" })
        {
            Assert.StartsWith("jwks.keys[0]: ", Problems(WithKeys(key))[0], StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("""{"token_endpoint_auth_method":"tls_client_auth"}""", "token_endpoint_auth_method: tls_client_auth needs exactly one of")]
    [InlineData("""{"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"CN=a","tls_client_auth_san_dns":"a.example"}""", "token_endpoint_auth_method: tls_client_auth needs exactly one of")]
    [InlineData("""{"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"CN=a","tls_client_auth_subject_dn#de":"CN=b","client_secret":"0123456789abcdef"}""", "client_secret: a client with tls_client_auth has none")]
    [InlineData("""{"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"a"}""", "tls_client_auth_subject_dn: expected a distinguished name")]
    [InlineData("""{"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"NOSUCH=a"}""", "tls_client_auth_subject_dn: expected a distinguished name")]
    [InlineData("""{"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_dns":"a b"}""", "tls_client_auth_san_dns: expected a host name")]
    [InlineData("""{"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_dns":"ä.example"}""", "tls_client_auth_san_dns: expected ASCII")]
    [InlineData("""{"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_uri":"a"}""", "tls_client_auth_san_uri: expected an absolute URI")]
    [InlineData("""{"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_ip":"10.0.0"}""", "tls_client_auth_san_ip: expected an IP address")]
    [InlineData("""{"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_email":"a"}""", "tls_client_auth_san_email: expected an e-mail address")]
    [InlineData("""{"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_email":7}""", "tls_client_auth_san_email: expected a string")]
    [InlineData("""{"client_secret":"0123456789abcdef","tls_client_auth_san_dns":"a.example"}""", "tls_client_auth_san_dns: only for token_endpoint_auth_method tls_client_auth")]
    [InlineData("""{"token_endpoint_auth_method":"self_signed_tls_client_auth"}""", "jwks: self_signed_tls_client_auth needs jwks or jwks_uri")]
    [InlineData("""{"client_secret":"0123456789abcdef","tls_client_certificate_bound_access_tokens":"perhaps"}""", "tls_client_certificate_bound_access_tokens: expected true or false")]
    [InlineData("""{"client_secret":"0123456789abcdef","tls_client_certificate_bound_access_tokens":true,"dpop_bound_access_tokens":true}""", "dpop_bound_access_tokens: its tokens are bound to its certificate already")]
    [InlineData("""{"token_endpoint_auth_method":"tls_client"}""", "token_endpoint_auth_method: expected one of")]
    public void Certificate_WhenItsMembersAreWrong_IsRefusedByName(string members, string problem)
    {
        var document = JsonNode.Parse(members)!.AsObject();
        document["client_id"] = "app";
        document["grant_types"] = new JsonArray("client_credentials");
        var result = ClientMetadata.Parse(document, requireConsent: false, CertificateSupport.Authorities);
        Assert.Null(result.Client);
        Assert.StartsWith(problem, result.Problems[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tls_client_auth", CertificateSupport.None, "token_endpoint_auth_method: tls_client_auth needs MTLS_PORT or MTLS_CLIENT_HEADER")]
    [InlineData("self_signed_tls_client_auth", CertificateSupport.None, "token_endpoint_auth_method: self_signed_tls_client_auth needs MTLS_PORT or MTLS_CLIENT_HEADER")]
    [InlineData("tls_client_auth", CertificateSupport.SelfSigned, "token_endpoint_auth_method: tls_client_auth needs MTLS_CLIENT_CAS")]
    public void Certificate_WhenTheServerSeesNone_IsRefusedWithTheSettingThatIsMissing(string method, CertificateSupport support, string problem)
    {
        var document = new JsonObject { ["client_id"] = "app", ["grant_types"] = new JsonArray("client_credentials"), ["token_endpoint_auth_method"] = method };
        Assert.Contains(problem, ClientMetadata.Parse(document, requireConsent: false, support).Problems);
    }

    [Fact]
    public void OwnCertificate_WhenItIsNotOfItsKey_IsRefused()
    {
        using var one = Certificates.Client("CN=one", issuer: null);
        using var other = Certificates.Client("CN=other", issuer: null);
        var mixed = Certificates.Jwk(one);
        mixed["x5c"] = Certificates.Jwk(other)["x5c"]!.DeepClone();
        var bare = Certificates.Jwk(one);
        bare.Remove("x5c");
        var broken = Certificates.Jwk(one);
        broken["x5c"] = new JsonArray("AAAA");
        Assert.Empty(Of(Certificates.Jwk(one)));
        Assert.StartsWith("jwks.keys[0].x5c: ", Assert.Single(Of(mixed)), StringComparison.Ordinal);
        Assert.StartsWith("jwks: self_signed_tls_client_auth needs a key with its certificate", Assert.Single(Of(bare)), StringComparison.Ordinal);
        Assert.StartsWith("jwks.keys[0]: ", Assert.Single(Of(broken)), StringComparison.Ordinal);

        static IReadOnlyList<string> Of(JsonObject key) => ClientMetadata.Parse(
            new JsonObject { ["client_id"] = "app", ["grant_types"] = new JsonArray("client_credentials"), ["token_endpoint_auth_method"] = "self_signed_tls_client_auth", ["jwks"] = new JsonObject { ["keys"] = new JsonArray(key) } },
            requireConsent: false,
            CertificateSupport.SelfSigned).Problems;
    }

    [Theory]
    [InlineData("CN=Steve Kille,O=Isode Limited,C=GB", "CN=Steve Kille, O=Isode Limited, C=GB", true)]
    [InlineData("cn=Steve Kille, o=Isode Limited , c=GB", "CN=Steve Kille, O=Isode Limited, C=GB", true)]
    [InlineData("2.5.4.3=Steve Kille,O=Isode Limited,C=GB", "CN=Steve Kille, O=Isode Limited, C=GB", true)]
    [InlineData("C=GB,O=Isode Limited,CN=Steve Kille", "CN=Steve Kille, O=Isode Limited, C=GB", false)]
    [InlineData("CN=steve kille,O=Isode Limited,C=GB", "CN=Steve Kille, O=Isode Limited, C=GB", false)]
    [InlineData("CN=Steve Kille,O=Isode Limited", "CN=Steve Kille, O=Isode Limited, C=GB", false)]
    [InlineData("CN=James \"Jim\" Smith\\, III,DC=example,DC=net", "CN=\"James \"\"Jim\"\" Smith, III\", DC=example, DC=net", false)]
    [InlineData("CN=James \\\"Jim\\\" Smith\\, III,DC=example,DC=net", "CN=\"James \"\"Jim\"\" Smith, III\", DC=example, DC=net", true)]
    [InlineData("CN=Lu\\C4\\8Di\\C4\\87", "CN=Lučić", true)]
    [InlineData("CN=Lučić", "CN=Lučić", true)]
    [InlineData("CN=#0C0141", "CN=A", true)]
    [InlineData("CN=#0C0142", "CN=A", false)]
    [InlineData("CN=\\#0C0141", "CN=A", false)]
    [InlineData("CN=A\\ ", "CN=A", false)]
    [InlineData("CN=A,CN=B", "CN=A", false)]
    [InlineData("CN=A+OU=B", "CN=A, OU=B", false)]
    public void DistinguishedName_ByRfc4514_IsComparedWithTheCertificates(string registered, string subject, bool fits)
    {
        using var certificate = Certificates.Client(subject, issuer: null);
        var name = new CertificateSubject("tls_client_auth_subject_dn", registered);
        Assert.Equal(fits, name.IsOf(certificate));
    }

    [Theory]
    [InlineData("")]
    [InlineData("CN")]
    [InlineData("CN=A,")]
    [InlineData("CN=A,,O=B")]
    [InlineData("CN=A;O=B")]
    [InlineData("CN=A\\")]
    [InlineData("CN=A\\G1")]
    [InlineData("CN=#0C")]
    [InlineData("CN=#0C0141FF")]
    [InlineData("CN=#zz")]
    [InlineData("=A")]
    [InlineData(".=A")]
    public void DistinguishedName_WhenItIsNone_IsRefused(string text) => Assert.NotNull(new CertificateSubject("tls_client_auth_subject_dn", text).FindProblem());

    private static string WithKeys(params string[] keys) =>
        """{"client_id":"app","token_endpoint_auth_method":"private_key_jwt","redirect_uris":["https://app.example/cb"],"jwks":{"keys":[""" + string.Join(',', keys) + "]}}";

    private static string PublicJwk(RSA rsa)
    {
        var parameters = rsa.ExportParameters(includePrivateParameters: false);
        return $$"""{"kty":"RSA","n":"{{Base64UrlEncoder.Encode(parameters.Modulus)}}","e":"{{Base64UrlEncoder.Encode(parameters.Exponent)}}"}""";
    }

    private static string PublicJwk(ECDsa ec)
    {
        var parameters = ec.ExportParameters(includePrivateParameters: false);
        return $$"""{"kty":"EC","crv":"P-{{ec.KeySize}}","x":"{{Base64UrlEncoder.Encode(parameters.Q.X)}}","y":"{{Base64UrlEncoder.Encode(parameters.Q.Y)}}"}""";
    }

    private static Client Parse(string json)
    {
        var result = ClientMetadata.Parse(JsonNode.Parse(json)!.AsObject(), requireConsent: false);
        Assert.Empty(result.Problems);
        return result.Client!;
    }

    private static IReadOnlyList<string> Problems(string json) => ClientMetadata.Parse(JsonNode.Parse(json)!.AsObject(), requireConsent: false).Problems;
}
