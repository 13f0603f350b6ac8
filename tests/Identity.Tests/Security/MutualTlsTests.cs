// RFC 8705: clients that prove themselves by certificates, and tokens bound to them. RFC 9440: certificates that a proxy hands on.
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Identity.Tests.StockClients;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Security;

/// <summary>Over TLS with a server that asks for certificates, and over one that believes a proxy.</summary>
public sealed class MutualTlsTests(MutualTlsTests.World world) : IClassFixture<MutualTlsTests.World>
{
    public static TheoryData<string> Subjects => ["dn", "dns", "uri", "ip", "email"];

    [Theory]
    [MemberData(nameof(Subjects))]
    public async Task AuthorityCertificate_WhenItsNameIsTheClients_ProvesTheClient(string client)
    {
        var (status, body) = await world.TokenAsync(world.Of(client), client);
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        Assert.Equal(client, (string?)Node.Payload((string)body["access_token"]!)["client_id"]);
    }

    public static TheoryData<string, string> Impostors => new()
    {
        { "dn", "other authority" }, { "dn", "expired" }, { "dn", "not yet" }, { "dn", "other subject" }, { "dn", "longer subject" }, { "dn", "other order" }, { "dn", "self-signed" },
        { "dn", "for servers" }, { "dn", "dns" }, { "dn", "none" }, { "dn", "secret" },
        { "dns", "dn" }, { "dns", "subdomain" }, { "dns", "wildcard" }, { "dns", "name in the subject" }, { "uri", "dns" }, { "ip", "uri" }, { "email", "dns" },
        { "self", "none" }, { "self", "self-signed other" }, { "self", "same key" }, { "self", "dn" }, { "self-expired", "self-expired" },
    };

    [Theory]
    [MemberData(nameof(Impostors))]
    public async Task Certificate_WhenItIsNotTheClients_IsRefused(string client, string attack)
    {
        using var http = world.Client(world.Of(attack));
        var (status, body) = attack == "secret" ? await world.AskAsync(http, client, ("client_secret", Node.Secret)) : await world.AskAsync(http, client);
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, (string?)body["error"]));
    }

    // CVE-2023-2422 and its kind: what a stranger writes into a certificate is looked up in the handshake, before anybody is known.
    [Fact]
    public async Task Certificate_WhenItLeadsElsewhere_MakesTheServerAskNobody()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var stranger = Certificates.Authority("Nobody's");
        using var certificate = Certificates.Client("CN=x", stranger, leadsTo: string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/"));

        // Offline: else it is the client that asks, for what it could send besides.
        using var http = world.Showing(SslStreamCertificateContext.Create(certificate, additionalCertificates: null, offline: true));
        var (status, body) = await world.AskAsync(http, "dn");
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, (string?)body["error"]));
        Assert.False(listener.Pending());
    }

    [Fact]
    public async Task OwnCertificate_WhenRegistered_ProvesTheClientEverywhere()
    {
        using var http = world.Client(world.Of("self"));
        var (status, body) = await world.AskAsync(http, "self");
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        var token = (string)body["access_token"]!;
        (status, body) = await world.PostAsync(http, "/connect/introspect", ("client_id", "self"), ("token", token));
        Assert.True(status == HttpStatusCode.OK && (bool)body["active"]!, body.ToJsonString());
        (status, body) = await world.PostAsync(http, "/connect/par", ("client_id", "self"), ("redirect_uri", Node.RedirectUri), ("response_type", "code"), ("scope", "openid"), ("code_challenge", Node.Challenge), ("code_challenge_method", "S256"));
        Assert.True(status == HttpStatusCode.Created, body.ToJsonString());
        (status, _) = await world.PostAsync(http, "/connect/revoke", ("client_id", "self"), ("token", token));
        Assert.Equal(HttpStatusCode.OK, status);
        (_, body) = await world.PostAsync(http, "/connect/introspect", ("client_id", "self"), ("token", token));
        Assert.Equal("{\"active\":false}", body.ToJsonString());

        using var bare = world.Client(null);
        foreach (var path in (string[])["/connect/introspect", "/connect/revoke", "/connect/par"])
        {
            (status, body) = await world.PostAsync(bare, path, ("client_id", "self"), ("token", token), ("response_type", "code"), ("redirect_uri", Node.RedirectUri));
            Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, (string?)body["error"]));
        }
    }

    [Fact]
    public async Task OwnCertificate_WhenIssuedByAnybody_IsComparedAndNotItsIssuer()
    {
        var (status, body) = await world.TokenAsync(world.Of("issued"), "issued");
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
    }

    [Fact]
    public async Task BoundToken_WhenSentToUserInfo_NeedsItsCertificate()
    {
        var tokens = await world.BoundTokensAsync();
        var token = (string)tokens["access_token"]!;
        Assert.Equal(Thumbprint(world.Of("holder")), (string?)Node.Payload(token)["cnf"]!["x5t#S256"]);
        Assert.Single(Node.Payload(token)["cnf"]!.AsObject());
        Assert.Equal(HttpStatusCode.OK, await world.GetAsync(world.Of("holder"), "/connect/userinfo", token));
        Assert.Equal(HttpStatusCode.Unauthorized, await world.GetAsync(world.Of("self"), "/connect/userinfo", token));
        Assert.Equal(HttpStatusCode.Unauthorized, await world.GetAsync(null, "/connect/userinfo", token));
        Assert.Equal(HttpStatusCode.Unauthorized, await world.Node.UserInfoAsync(token));
    }

    [Fact]
    public async Task BoundToken_WhenSentToTheApi_NeedsItsCertificate()
    {
        using var http = world.Client(world.Of("holder"));
        var (status, body) = await world.AskAsync(http, "bound-service", ("client_secret", Node.Secret), ("scope", "identity.users.read"));
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        var token = (string)body["access_token"]!;
        Assert.Equal(HttpStatusCode.OK, await world.GetAsync(world.Of("holder"), "/api/identity/users", token));
        Assert.Equal(HttpStatusCode.Unauthorized, await world.GetAsync(world.Of("self"), "/api/identity/users", token));
        Assert.Equal(HttpStatusCode.Unauthorized, await world.GetAsync(null, "/api/identity/users", token));
    }

    [Theory]
    [InlineData("opaque.read")]
    [InlineData("reports.read")]
    public async Task BoundToken_WhenIntrospected_TellsItsCertificate(string scope)
    {
        using var http = world.Client(world.Of("holder"));
        var (_, body) = await world.AskAsync(http, "bound-service", ("client_secret", Node.Secret), ("scope", scope));
        var (status, answer) = await world.Node.PostAsync("/connect/introspect", "introspector", ("token", (string)body["access_token"]!));
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.True((bool)answer["active"]!);
        Assert.Equal(Thumbprint(world.Of("holder")), (string?)answer["cnf"]!["x5t#S256"]);
        Assert.Equal("Bearer", (string?)answer["token_type"]);
    }

    [Fact]
    public async Task BoundClient_WithoutACertificate_GetsNoToken()
    {
        using var bare = world.Client(null);
        var (status, body) = await world.AskAsync(bare, "bound-service", ("client_secret", Node.Secret), ("scope", "reports.read"));
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request"), (status, (string?)body["error"]));

        // Nor is a code used up by it.
        using var browser = await world.Node.SignedInAsync();
        var code = await world.Node.CodeAsync(browser, "bound-app");
        (status, body) = await world.Node.RedeemAsync(code, "bound-app");
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request"), (status, (string?)body["error"]));
        Assert.NotNull((await world.RedeemAsync(code))["access_token"]);
    }

    [Fact]
    public async Task UnboundClient_WhenItHasACertificate_GetsATokenForAnybody()
    {
        using var http = world.Client(world.Of("holder"));
        var (status, body) = await world.AskAsync(http, "service", ("client_secret", Node.Secret), ("scope", "identity.users.read"));
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        Assert.Null(Node.Payload((string)body["access_token"]!)["cnf"]);
        Assert.Equal(HttpStatusCode.OK, await world.GetAsync(null, "/api/identity/users", (string)body["access_token"]!));
    }

    [Fact]
    public async Task BoundRefreshToken_OfAPublicClient_NeedsItsCertificateAndIsNotLostToOthers()
    {
        var tokens = await world.BoundTokensAsync();
        var refresh = (string)tokens["refresh_token"]!;
        foreach (var thief in (X509Certificate2?[])[world.Of("self"), null])
        {
            using var other = world.Client(thief);
            var (refused, why) = await world.PostAsync(other, "/connect/token", ("grant_type", "refresh_token"), ("client_id", "bound-app"), ("refresh_token", refresh));
            Assert.Equal((HttpStatusCode.BadRequest, thief is null ? "invalid_request" : "invalid_grant"), (refused, (string?)why["error"]));
        }

        using var http = world.Client(world.Of("holder"));
        var (status, body) = await world.PostAsync(http, "/connect/token", ("grant_type", "refresh_token"), ("client_id", "bound-app"), ("refresh_token", refresh));
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        Assert.Equal(Thumbprint(world.Of("holder")), (string?)Node.Payload((string)body["access_token"]!)["cnf"]!["x5t#S256"]);

        // The successor is bound as well, also once the client is no longer.
        var successor = (string)body["refresh_token"]!;
        Assert.NotEqual(refresh, successor);
        using var stranger = world.Client(world.Of("self"));
        (status, body) = await world.PostAsync(stranger, "/connect/token", ("grant_type", "refresh_token"), ("client_id", "bound-app"), ("refresh_token", successor));
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_grant"), (status, (string?)body["error"]));
    }

    [Fact]
    public async Task BoundRefreshToken_WhenReusedByItsHolder_EndsTheFamily()
    {
        var tokens = await world.BoundTokensAsync();
        using var http = world.Client(world.Of("holder"));
        Task<(HttpStatusCode Status, JsonNode Body)> Refresh(string token) => world.PostAsync(http, "/connect/token", ("grant_type", "refresh_token"), ("client_id", "bound-app"), ("refresh_token", token));
        var first = (string)tokens["refresh_token"]!;
        var second = (string)(await Refresh(first)).Body["refresh_token"]!;
        Assert.Equal(HttpStatusCode.BadRequest, (await Refresh(first)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await Refresh(second)).Status);
    }

    [Fact]
    public async Task BoundToken_WhenExchanged_NeedsItsCertificateAndStaysBound()
    {
        using var http = world.Client(world.Of("holder"));
        var (_, body) = await world.AskAsync(http, "bound-service", ("client_secret", Node.Secret), ("scope", "notes.read"));
        (string, string)[] exchange =
        [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("client_id", "exchanger"), ("client_secret", Node.Secret),
            ("subject_token", (string)body["access_token"]!), ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ];
        var (status, exchanged) = await world.PostAsync(http, "/connect/token", exchange);
        Assert.True(status == HttpStatusCode.OK, exchanged.ToJsonString());
        Assert.Equal(Thumbprint(world.Of("holder")), (string?)Node.Payload((string)exchanged["access_token"]!)["cnf"]!["x5t#S256"]);
        using var bare = world.Client(null);
        (status, exchanged) = await world.PostAsync(bare, "/connect/token", exchange);
        Assert.True(status == HttpStatusCode.BadRequest, exchanged.ToJsonString());
    }

    [Fact]
    public async Task Metadata_WhenCertificatesReachTheServer_AnnouncesThem()
    {
        var document = await MetadataAsync(world.Node);
        Assert.True((bool)document["tls_client_certificate_bound_access_tokens"]!);
        var methods = document["token_endpoint_auth_methods_supported"]!.AsArray().Select(method => (string)method!).ToArray();
        Assert.Superset(new HashSet<string>(["tls_client_auth", "self_signed_tls_client_auth"], StringComparer.Ordinal), methods.ToHashSet(StringComparer.Ordinal));
        var aliases = document["mtls_endpoint_aliases"]!.AsObject();
        Assert.Equal(
            ["device_authorization_endpoint", "introspection_endpoint", "pushed_authorization_request_endpoint", "revocation_endpoint", "token_endpoint", "userinfo_endpoint"],
            aliases.Select(alias => alias.Key).Order(StringComparer.Ordinal));
        Assert.All(aliases, alias => Assert.Equal(((string)document[alias.Key]!).Replace(document["issuer"]!.ToString(), world.Address.GetLeftPart(UriPartial.Authority), StringComparison.Ordinal), (string?)alias.Value));

        // The same document over the other address.
        using var http = world.Client(null);
        Assert.Equal(document.ToJsonString(), JsonNode.Parse(await http.GetStringAsync(new Uri(world.Address, "/.well-known/openid-configuration")))!.ToJsonString());
    }

    [Fact]
    public async Task Metadata_WhenNoAuthorityIsTrusted_AnnouncesOnlyOwnCertificates()
    {
        var document = await MetadataAsync(world.Behind);
        var methods = document["token_endpoint_auth_methods_supported"]!.AsArray().Select(method => (string)method!).ToArray();
        Assert.Contains("self_signed_tls_client_auth", methods);
        Assert.DoesNotContain("tls_client_auth", methods);
        Assert.Null(document["mtls_endpoint_aliases"]);
    }

    [Fact]
    public async Task Metadata_WhenNoCertificateReachesTheServer_AnnouncesNothing()
    {
        await using var server = await HostedServer.StartAsync();
        using var node = new AddressedNode(server.Url);
        var document = await MetadataAsync(node);
        Assert.DoesNotContain("tls_client_auth", document["token_endpoint_auth_methods_supported"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.NotEqual(true, (bool?)document["tls_client_certificate_bound_access_tokens"]);
        Assert.Null(document["mtls_endpoint_aliases"]);
    }

    public static TheoryData<string> Forms => ["rfc9440", "nginx", "base64"];

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task ForwardedCertificate_OfATrustedProxy_ProvesTheClientAndBindsItsTokens(string form)
    {
        var header = Written(world.Of("self"), form);
        var (status, body) = await world.ForwardAsync("self", header);
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        var token = (string)body["access_token"]!;
        Assert.Equal(Thumbprint(world.Of("self")), (string?)Node.Payload(token)["cnf"]!["x5t#S256"]);
        Assert.Equal(HttpStatusCode.OK, await world.GetForwardedAsync("/api/identity/users", token, header));
        Assert.Equal(HttpStatusCode.Unauthorized, await world.GetForwardedAsync("/api/identity/users", token, Written(world.Of("holder"), form)));
        Assert.Equal(HttpStatusCode.Unauthorized, await world.GetForwardedAsync("/api/identity/users", token));
    }

    [Fact]
    public async Task ForwardedCertificate_OfSomebodyElse_IsRefused()
    {
        var (status, body) = await world.ForwardAsync("self", Written(world.Of("holder"), "rfc9440"));
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, (string?)body["error"]));
        (status, body) = await world.ForwardAsync("self");
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, (string?)body["error"]));
        (status, body) = await world.ForwardAsync("self", "");
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, (string?)body["error"]));
    }

    public static TheoryData<string> Damages => ["words", "half", "no base64", "colons", "trailing bytes", "key", "two in one", "two headers", "long", "bad escape"];

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task ForwardedCertificate_WhenDamaged_IsRefusedAndNoFault(string damage)
    {
        var whole = Written(world.Of("self"), "rfc9440");
        string[] headers = damage switch
        {
            "words" => ["a certificate"],
            "half" => [whole[..(whole.Length / 2)] + ":"],
            "no base64" => [":!" + whole[2..]],
            "colons" => ["::"],
            "trailing bytes" => [":" + Convert.ToBase64String([.. world.Of("self").RawData, 0, 1, 2]) + ":"],
            "key" => [Uri.EscapeDataString("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")],
            "two in one" => [Written(world.Of("self"), "nginx") + Written(world.Of("holder"), "nginx")],
            "two headers" => [whole, whole],
            "long" => [":" + new string('A', 20_000) + ":"],
            _ => ["-----BEGIN%20CERTIFICATE-----%0A%ZZ%0A-----END%20CERTIFICATE-----"],
        };
        var (status, body) = await world.ForwardAsync("self", headers);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request"), (status, (string?)body["error"]));
    }

    [Fact]
    public async Task ForwardedCertificate_FromAnUntrustedAddress_IsNotRead()
    {
        // Over TLS, so that nothing but the sender's address stands against it.
        using var bare = world.Client(null);
        foreach (var header in (string[])[Written(world.Of("self"), "rfc9440"), "damaged"])
        {
            var (status, body) = await world.AskAsync(bare, "self", header);
            Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, (string?)body["error"]));
        }

        // Nor does it hide the certificate that its sender does hold.
        using var own = world.Client(world.Of("self"));
        Assert.Equal(HttpStatusCode.OK, (await world.AskAsync(own, "self", Written(world.Of("holder"), "rfc9440"))).Status);
    }

    [Fact]
    public async Task BoundToken_WhenSentWithoutTls_IsRefused()
    {
        var (_, body) = await world.ForwardAsync("self", Written(world.Of("self"), "rfc9440"));
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(world.Behind.Address, "/api/identity/users"));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (string)body["access_token"]!);
        request.Headers.Add(World.HeaderName, Written(world.Of("self"), "rfc9440"));
        using var answer = await world.Behind.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
    }

    [Fact]
    public async Task JwksUri_WhenItsCertificateIsRenewed_IsAskedAgainForTheNewOne()
    {
        var (status, body) = await world.TokenAsync(world.Of("renewed before"), "by-uri");
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        Assert.Equal(HttpStatusCode.Unauthorized, (await world.TokenAsync(world.Of("renewed"), "by-uri")).Status);
        world.Publish("renewed");

        // Not at once: anybody could make the server ask.
        Assert.Equal(HttpStatusCode.Unauthorized, (await world.TokenAsync(world.Of("renewed"), "by-uri")).Status);
        world.Time.Advance(TimeSpan.FromSeconds(11));
        (status, body) = await world.TokenAsync(world.Of("renewed"), "by-uri");
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        Assert.Equal(HttpStatusCode.Unauthorized, (await world.TokenAsync(world.Of("renewed before"), "by-uri")).Status);
    }

    [Fact]
    public async Task StockClients_WithACertificate_FinishTheirFlows()
    {
        var (_, email) = await world.Node.RegisterAsync();
        using var key = world.Of("stock").GetECDsaPrivateKey()!;
        await StockScript.RunAsync(
            "mutual-tls.test.mjs",
            ("ISSUER", world.Node.Address.GetLeftPart(UriPartial.Authority)),
            ("PERSON_EMAIL", email),
            ("PERSON_PASSWORD", Node.Password),
            ("CLIENT_CERTIFICATE", world.Of("stock").ExportCertificatePem()),
            ("CLIENT_KEY", key.ExportPkcs8PrivateKeyPem()),
            ("SERVER_CERTIFICATE", world.ServerCertificate));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task DPoPProof_AtTheAlias_NamesEitherAddress(bool alias)
    {
        using var http = world.Client(null);
        using var key = new DPoPKey();
        var server = alias ? world.Address : world.Node.Address;
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/token") { Content = new FormUrlEncodedContent([KeyValuePair.Create("grant_type", "client_credentials"), KeyValuePair.Create("scope", "reports.read")]) };
        request.Headers.Authorization = Node.Basic("service", Node.Secret);
        request.Headers.Add("DPoP", key.Proof("POST", server.GetLeftPart(UriPartial.Authority) + "/connect/token", world.Time.GetUtcNow()));
        using var answer = await http.SendAsync(request);
        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.True(answer.StatusCode == HttpStatusCode.OK, body.ToJsonString());
        Assert.Equal("DPoP", (string?)body["token_type"]);
    }

    [Fact]
    public async Task DPoPProof_OfAClientWhoseTokensAreBoundToItsCertificate_IsRefused()
    {
        using var http = world.Client(world.Of("holder"));
        using var key = new DPoPKey();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/token") { Content = new FormUrlEncodedContent([KeyValuePair.Create("grant_type", "client_credentials"), KeyValuePair.Create("client_id", "bound-service"), KeyValuePair.Create("client_secret", Node.Secret)]) };
        request.Headers.Add("DPoP", key.Proof("POST", world.Address.GetLeftPart(UriPartial.Authority) + "/connect/token", world.Time.GetUtcNow()));
        using var answer = await http.SendAsync(request);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request"), (answer.StatusCode, (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["error"]));
    }

    [Fact]
    public async Task BoundToken_WhenExchangedWithADPoPProof_IsBoundToBoth()
    {
        using var http = world.Client(world.Of("holder"));
        using var key = new DPoPKey();
        var (_, body) = await world.AskAsync(http, "bound-service", ("client_secret", Node.Secret), ("scope", "notes.read"));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/token")
        {
            Content = new FormUrlEncodedContent(
            [
                KeyValuePair.Create("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), KeyValuePair.Create("client_id", "exchanger"), KeyValuePair.Create("client_secret", Node.Secret),
                KeyValuePair.Create("subject_token", (string)body["access_token"]!), KeyValuePair.Create("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ]),
        };
        request.Headers.Add("DPoP", key.Proof("POST", world.Address.GetLeftPart(UriPartial.Authority) + "/connect/token", world.Time.GetUtcNow()));
        using var answer = await http.SendAsync(request);
        var exchanged = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.True(answer.StatusCode == HttpStatusCode.OK, exchanged.ToJsonString());
        var confirmation = Node.Payload((string)exchanged["access_token"]!)["cnf"]!;
        Assert.Equal((Thumbprint(world.Of("holder")), key.Thumbprint), ((string?)confirmation["x5t#S256"], (string?)confirmation["jkt"]));
    }

    private static async Task<JsonObject> MetadataAsync(Node node) => JsonNode.Parse(await node.Http.GetStringAsync(new Uri(node.Address, "/.well-known/openid-configuration")))!.AsObject();

    private static string Thumbprint(X509Certificate2 certificate) => Base64UrlEncoder.Encode(SHA256.HashData(certificate.RawData));

    private static string Written(X509Certificate2 certificate, string form) => form switch
    {
        "rfc9440" => ":" + Convert.ToBase64String(certificate.RawData) + ":",
        "nginx" => Uri.EscapeDataString(certificate.ExportCertificatePem() + "\n"),
        _ => Convert.ToBase64String(certificate.RawData),
    };

    public sealed class World : IAsyncLifetime
    {
        public const string HeaderName = "Client-Cert";

        private const string Subject = "CN=\"Billing, nightly\", OU=Batch, O=Example, C=DE";

        private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("identity-mtls-test-");
        private readonly Dictionary<string, X509Certificate2> _certificates = new(StringComparer.Ordinal);
        private readonly CancellationTokenSource _stop = new();
        private readonly TcpListener _keys = new(IPAddress.Loopback, 0);
        private string _published = "renewed before";
        private HostedServer? _direct;
        private HostedServer? _behind;

        /// <summary>Without TLS, where nobody has a certificate.</summary>
        public Node Node { get; private set; } = null!;

        /// <summary>The server that believes this machine's word on certificates.</summary>
        public Node Behind { get; private set; } = null!;

        /// <summary>With TLS.</summary>
        public Uri Address { get; private set; } = null!;

        public FakeTimeProvider Time { get; } = new(TimeProvider.System.GetUtcNow());

        /// <summary>What the server is known by.</summary>
        public string ServerCertificate { get; private set; } = "";

        /// <summary>Puts this certificate, and no other, at the <c>jwks_uri</c> of the client that has one.</summary>
        public void Publish(string certificate) => Volatile.Write(ref _published, certificate);

        public X509Certificate2 Of(string name) => name is "none" or "secret" ? null! : _certificates[name];

        public async ValueTask InitializeAsync()
        {
            MakeCertificates();
            var port = Ports.Free();
            Address = new Uri(string.Create(CultureInfo.InvariantCulture, $"https://localhost:{port}"));
            var server = Write("server.pem", ServerCertificate = Certificates.ServerPem());
            _keys.Start();
            _ = ServeKeysAsync();
            var authorities = Write("authorities.pem", Of("root").ExportCertificatePem() + "\n" + Of("middle").ExportCertificatePem() + "\n");
            const string resources = """[{"resource":"https://api.example.com/notes","scopes_supported":["notes.read"]},{"resource":"opaque","scopes_supported":["opaque.read"],"access_token_format":"reference"},{"resource":"https://api.example.com/orders","scopes_supported":["orders.read"]},{"resource":"reports","scopes_supported":["reports.read"]}]""";
            _direct = await HostedServer.StartAsync(Clients(withAuthorities: true).ToJsonString(), resources, Time, new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["MTLS_PORT"] = port.ToString(CultureInfo.InvariantCulture),
                ["MTLS_SERVER_CERTIFICATE"] = server,
                ["MTLS_CLIENT_CAS"] = authorities,
                ["MTLS_CLIENT_HEADER"] = HeaderName,
                ["MTLS_URL"] = Address.GetLeftPart(UriPartial.Authority),
                ["TRUSTED_PROXIES"] = "192.0.2.1",
                ["RateLimits:TokenFailuresPerAddress"] = "100000",
                ["OAuth:RefreshGrace"] = "00:00:00",
            });
            _behind = await HostedServer.StartAsync(Clients(withAuthorities: false).ToJsonString(), resources, settings: new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["MTLS_CLIENT_HEADER"] = HeaderName,
                ["TRUSTED_PROXIES"] = "127.0.0.1,::1",
                ["RateLimits:TokenFailuresPerAddress"] = "100000",
            });
            Node = new AddressedNode(_direct.Url);
            Behind = new AddressedNode(_behind.Url);
        }

        public async ValueTask DisposeAsync()
        {
            Node?.Dispose();
            Behind?.Dispose();
            foreach (var server in (HostedServer?[])[_direct, _behind])
            {
                if (server is not null)
                {
                    await server.DisposeAsync();
                }
            }

            await _stop.CancelAsync();
            _keys.Dispose();
            _stop.Dispose();
            foreach (var certificate in _certificates.Values)
            {
                certificate.Dispose();
            }

            _directory.Delete(recursive: true);
        }

        /// <summary>Shows this certificate to the server, or none.</summary>
        public HttpClient Client(X509Certificate2? certificate) => Client(tls =>
        {
            tls.LocalCertificateSelectionCallback = certificate is null ? null : (_, _, _, _, _) => certificate;
            tls.ClientCertificates = certificate is null ? null : [certificate];
        });

        public HttpClient Showing(SslStreamCertificateContext shown) => Client(tls => tls.ClientCertificateContext = shown);

        private HttpClient Client(Action<SslClientAuthenticationOptions> show)
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.ImportFromPem(ServerCertificate);
            var handler = new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                UseCookies = false,
                SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy },
            };
            show(handler.SslOptions);
            return new HttpClient(handler) { BaseAddress = Address };
        }

        public async Task<(HttpStatusCode Status, JsonNode Body)> TokenAsync(X509Certificate2 certificate, string client)
        {
            using var http = Client(certificate);
            return await AskAsync(http, client);
        }

        public Task<(HttpStatusCode Status, JsonNode Body)> AskAsync(HttpClient http, string client, params (string Name, string Value)[] more) =>
            PostAsync(http, "/connect/token", [("grant_type", "client_credentials"), ("client_id", client), .. more]);

        public async Task<(HttpStatusCode Status, JsonNode Body)> AskAsync(HttpClient http, string client, string header)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/token") { Content = Form(("grant_type", "client_credentials"), ("client_id", client)) };
            request.Headers.Add(HeaderName, header);
            return await ReadAsync(http, request);
        }

        public async Task<(HttpStatusCode Status, JsonNode Body)> PostAsync(HttpClient http, string path, params (string Name, string Value)[] fields)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = Form(fields) };
            return await ReadAsync(http, request);
        }

        public async Task<HttpStatusCode> GetAsync(X509Certificate2? certificate, string path, string token)
        {
            using var http = Client(certificate);
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var answer = await http.SendAsync(request);
            return answer.StatusCode;
        }

        /// <summary>As a proxy would pass it on to the server that believes it.</summary>
        public async Task<(HttpStatusCode Status, JsonNode Body)> ForwardAsync(string client, params string[] headers)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Behind.Address, "/connect/token")) { Content = Form(("grant_type", "client_credentials"), ("client_id", client)) };
            AddForwarded(request, headers);
            return await ReadAsync(Behind.Http, request);
        }

        public async Task<HttpStatusCode> GetForwardedAsync(string path, string token, params string[] headers)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Behind.Address, path));
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            AddForwarded(request, headers);
            using var answer = await Behind.Http.SendAsync(request);
            return answer.StatusCode;
        }

        /// <summary>The tokens of a person's code flow, redeemed by a public client with the certificate "holder".</summary>
        public async Task<JsonNode> BoundTokensAsync()
        {
            using var browser = await Node.SignedInAsync();
            return await RedeemAsync(await Node.CodeAsync(browser, "bound-app"));
        }

        public async Task<JsonNode> RedeemAsync(string code)
        {
            using var http = Client(Of("holder"));
            var (status, body) = await PostAsync(http, "/connect/token", ("grant_type", "authorization_code"), ("client_id", "bound-app"), ("code", code), ("redirect_uri", Node.RedirectUri), ("code_verifier", Node.Verifier));
            Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
            return body;
        }

        private static void AddForwarded(HttpRequestMessage request, string[] headers)
        {
            request.Headers.Add("X-Forwarded-Proto", "https");
            request.Headers.Add("X-Forwarded-For", "198.51.100.7");
            foreach (var header in headers)
            {
                request.Headers.Add(HeaderName, header);
            }
        }

        private static FormUrlEncodedContent Form(params (string Name, string Value)[] fields) => new(fields.Select(field => KeyValuePair.Create(field.Name, field.Value)));

        private static async Task<(HttpStatusCode Status, JsonNode Body)> ReadAsync(HttpClient http, HttpRequestMessage request)
        {
            using var answer = await http.SendAsync(request);
            var text = await answer.Content.ReadAsStringAsync();
            return (answer.StatusCode, text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!);
        }

        // The client's own server: one answer a connection.
        private async Task ServeKeysAsync()
        {
            try
            {
                while (true)
                {
                    using var connection = await _keys.AcceptTcpClientAsync(_stop.Token);
                    await using var stream = connection.GetStream();
                    if (await stream.ReadAsync(new byte[4096], _stop.Token) == 0)
                    {
                        continue;
                    }

                    var body = Keys(Volatile.Read(ref _published)).ToJsonString();
                    await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}"), _stop.Token);
                }
            }
            catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                // The tests are over.
            }
        }

        private JsonObject Keys(string certificate) => new() { ["keys"] = new JsonArray(Certificates.Jwk(Of(certificate))) };

        private void MakeCertificates()
        {
            var root = _certificates["root"] = Certificates.Authority("Test root");
            var middle = _certificates["middle"] = Certificates.Authority("Test authority", root);
            using var stranger = Certificates.Authority("Test root");
            X509Certificate2 Named(Action<SubjectAlternativeNameBuilder> names) => Certificates.Client("CN=x", middle, names);
            _certificates["dn"] = Certificates.Client(Subject, middle);
            _certificates["dns"] = Named(names => names.AddDnsName("billing.example.com"));
            _certificates["uri"] = Named(names => names.AddUri(new Uri("spiffe://example.com/billing")));
            _certificates["ip"] = Named(names => names.AddIpAddress(IPAddress.Parse("2001:db8::7")));
            _certificates["email"] = Named(names => names.AddEmailAddress("Billing@EXAMPLE.com"));
            _certificates["other authority"] = Certificates.Client(Subject, stranger);
            _certificates["expired"] = Certificates.Client(Subject, middle, days: -1);
            _certificates["not yet"] = Certificates.Client(Subject, middle, days: 2, from: 1);
            _certificates["other subject"] = Certificates.Client(Subject.Replace("Batch", "batch", StringComparison.Ordinal), middle);
            _certificates["longer subject"] = Certificates.Client("L=Bonn, " + Subject, middle);
            _certificates["other order"] = Certificates.Client("OU=Batch, CN=\"Billing, nightly\", O=Example, C=DE", middle);
            _certificates["self-signed"] = Certificates.Client(Subject, issuer: null);
            _certificates["for servers"] = Certificates.Client(Subject, middle, purpose: "1.3.6.1.5.5.7.3.1");
            _certificates["subdomain"] = Named(names => names.AddDnsName("a.billing.example.com"));
            _certificates["wildcard"] = Named(names => names.AddDnsName("*.example.com"));
            _certificates["name in the subject"] = Certificates.Client("CN=billing.example.com", middle);
            _certificates["self"] = Certificates.Client("CN=self", issuer: null);
            _certificates["self-signed other"] = Certificates.Client("CN=self", issuer: null);
            _certificates["same key"] = Certificates.Again(_certificates["self"]);
            _certificates["self-expired"] = Certificates.Client("CN=self", issuer: null, days: -1);
            _certificates["issued"] = Certificates.Client("CN=issued", stranger);
            _certificates["renewed before"] = Certificates.Client("CN=renewed", issuer: null);
            _certificates["renewed"] = Certificates.Client("CN=renewed", issuer: null);
            _certificates["stock"] = Certificates.Client("CN=stock", middle);
            _certificates["holder"] = Certificates.Client("CN=holder", issuer: null);
        }

        private JsonArray Clients(bool withAuthorities)
        {
            JsonObject Service(string id, string method, params (string Name, JsonNode Value)[] more)
            {
                var client = new JsonObject { ["client_id"] = id, ["token_endpoint_auth_method"] = method, ["grant_types"] = new JsonArray("client_credentials"), ["scope"] = "reports.read identity.users.read" };
                foreach (var (name, value) in more)
                {
                    client[name] = value;
                }

                return client;
            }

            if (!withAuthorities)
            {
                return [Service("self", "self_signed_tls_client_auth", ("jwks", Keys("self")), ("tls_client_certificate_bound_access_tokens", true))];
            }

            return
            [
                Service("dn", "tls_client_auth", ("tls_client_auth_subject_dn", "CN=Billing\\, nightly,OU=Batch,O=Example,C=DE")),
                Service("dns", "tls_client_auth", ("tls_client_auth_san_dns", "Billing.example.com")),
                Service("uri", "tls_client_auth", ("tls_client_auth_san_uri", "spiffe://example.com/billing")),
                Service("ip", "tls_client_auth", ("tls_client_auth_san_ip", "2001:DB8:0::7")),
                Service("email", "tls_client_auth", ("tls_client_auth_san_email", "Billing@example.com")),
                Service("self", "self_signed_tls_client_auth", ("jwks", Keys("self")), ("grant_types", new JsonArray("client_credentials", "authorization_code")), ("redirect_uris", new JsonArray("http://127.0.0.1/callback")), ("scope", "openid reports.read")),
                Service("self-expired", "self_signed_tls_client_auth", ("jwks", Keys("self-expired"))),
                Service("by-uri", "self_signed_tls_client_auth", ("jwks_uri", string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{((IPEndPoint)_keys.LocalEndpoint).Port}/keys"))),
                Service("stock", "tls_client_auth", ("tls_client_auth_subject_dn", "CN=stock"), ("tls_client_certificate_bound_access_tokens", true)),
                Service("issued", "self_signed_tls_client_auth", ("jwks", Keys("issued"))),
                Service("service", "client_secret_basic", ("client_secret", Node.Secret)),
                Service("introspector", "client_secret_basic", ("client_secret", Node.Secret), ("introspects", new JsonArray("*"))),
                Service("bound-service", "client_secret_post", ("client_secret", Node.Secret), ("tls_client_certificate_bound_access_tokens", true), ("scope", "reports.read identity.users.read notes.read opaque.read")),
                Service("exchanger", "client_secret_post", ("client_secret", Node.Secret), ("scope", "notes.read"), ("grant_types", new JsonArray("urn:ietf:params:oauth:grant-type:token-exchange")),
                    ("token_exchange_audiences", new JsonArray("https://api.example.com/notes")), ("token_exchange_subject_audiences", new JsonArray("https://api.example.com/notes"))),
                Service("bound-app", "none", ("tls_client_certificate_bound_access_tokens", true), ("grant_types", new JsonArray("authorization_code", "refresh_token")), ("redirect_uris", new JsonArray("http://127.0.0.1/callback")), ("scope", "openid email offline_access")),
            ];
        }

        private string Write(string name, string content)
        {
            var file = Path.Combine(_directory.FullName, name);
            File.WriteAllText(file, content);
            return file;
        }
    }
}
