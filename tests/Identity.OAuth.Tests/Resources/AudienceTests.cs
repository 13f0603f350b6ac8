// RFC 8707, RFC 9068 §3 and RFC 9728: which token is for whom. The matrix of resources, formats and grants, at the engine.
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;
using Identity.OAuth.Resources;
using Identity.OAuth.Storage;
using Identity.Tests.Kit.InMemory;

namespace Identity.OAuth.Tests.Resources;

public sealed class AudienceTests : IAsyncDisposable
{
    private const string Notes = "https://notes.example/api";
    private const string Old = "https://old.example";
    private const string Opaque = "https://opaque.example";
    private const string Open = "https://open.example";
    private const string Everything = "openid profile offline_access notes.read notes.write old.read opaque.read plain.read loose";

    private readonly OAuthHost _host = new();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    public static TheoryData<string, string, string, string> Matrix()
    {
        var data = new TheoryData<string, string, string, string>();
        foreach (var grant in new[] { "code", "refresh", "client_credentials" })
        {
            data.Add(grant, Notes, "notes.read notes.write", "at+jwt ES256");
            data.Add(grant, Old, "old.read", "JWT RS256");
            data.Add(grant, Opaque, "opaque.read", "reference");
            data.Add(grant, "plain-api", "plain.read", "at+jwt PS256");
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Matrix))]
    public async Task Token_ForAResource_LooksAsItAsksAndIsForNoOther(string grant, string audience, string scopes, string looks)
    {
        var client = await SetUpAsync();

        // A plain name is no URI: only its scopes lead there.
        (string, string?)[] wish = audience == "plain-api" ? [("scope", "plain.read")] : [("resource", audience)];
        var body = grant switch
        {
            "client_credentials" => await _host.SucceedAsync(_host.TokenAsync(client, [("grant_type", "client_credentials"), .. wish])),
            "code" => await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client, audience == "plain-api" ? "plain.read" : Everything), wish)),
            _ => await _host.SucceedAsync(_host.RefreshAsync(client, await BeginAsync(client), wish)),
        };

        var value = (string)body["access_token"]!;
        var token = await _host.ValidateAsync(value);
        Assert.NotNull(token);
        Assert.Equal([audience], token.Audience);
        foreach (var scope in scopes.Split(' '))
        {
            Assert.Contains(scope, token.Scopes);
        }

        // Scopes of other resources stay behind; one that belongs to none comes along.
        Assert.All(token.Scopes, scope => Assert.True(scopes.Split(' ').Contains(scope) || scope == "loose", scope));
        Assert.Equal(string.Join(' ', token.Scopes), (string)body["scope"]!);
        if (looks == "reference")
        {
            Assert.Matches("^[A-Za-z0-9_-]{43}$", value);
            Assert.DoesNotContain(value, Assert.Single(_host.Get<IReferenceTokenStore>() is InMemoryReferenceTokens store ? store.All : []).ToString(), StringComparison.Ordinal);
        }
        else
        {
            var header = OAuthHost.Header(value);
            Assert.Equal(looks, $"{header["typ"]} {header["alg"]}");
            Assert.Equal(audience, (string)OAuthHost.Payload(value)["aud"]!);
        }

        // Each resource server may introspect its own and sees nothing of any other.
        foreach (var identifier in new[] { Notes, Old, Opaque, "plain-api" })
        {
            var server = await _host.AddConfidentialClientAsync("rs-" + Array.IndexOf([Notes, Old, Opaque, "plain-api"], identifier), $$""","introspects":["{{identifier}}"]""");
            Assert.Equal(identifier == audience, await _host.IsActiveAsync(server, value));
        }
    }

    [Fact]
    public async Task Audience_WithoutResource_IsThatOfTheScopes()
    {
        var client = await SetUpAsync();
        Assert.Equal("[\"https://id.example.com\",\"https://notes.example/api\"]", await AudienceAsync("openid notes.read"));
        Assert.Equal("\"https://notes.example/api\"", await AudienceAsync("notes.read"));
        Assert.Equal("\"https://id.example.com\"", await AudienceAsync("openid"));
        Assert.Equal("\"https://id.example.com\"", await AudienceAsync("loose"));
        Assert.Equal("\"https://notes.example/api\"", await AudienceAsync("notes.read loose offline_access"));

        async Task<string> AudienceAsync(string scope)
        {
            var body = await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client, scope)));
            return OAuthHost.Payload((string)body["access_token"]!)["aud"]!.ToJsonString();
        }
    }

    [Theory]
    [InlineData("https://unknown.example")]
    [InlineData("plain-api")]
    [InlineData("/api")]
    [InlineData("https://notes.example/api#x")]
    [InlineData("https://notes.example/api/")]
    [InlineData("HTTPS://notes.example/api")]
    [InlineData("https://id.example.com/api/identity")]
    public async Task Resource_ThatIsUnknownMalformedOrOutOfReach_IsInvalidTarget(string resource)
    {
        var client = await SetUpAsync();
        await OAuthHost.FailAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("resource", resource)), "invalid_target");
        var code = await _host.IssueCodeAsync(client, Everything);
        await OAuthHost.FailAsync(_host.RedeemAsync(client, code, ("resource", resource)), "invalid_target");

        // The refusal cost nothing: the code is still good.
        await _host.SucceedAsync(_host.RedeemAsync(client, code, ("resource", Notes)));
    }

    [Fact]
    public async Task Resource_BeyondWhatWasGranted_IsInvalidTarget()
    {
        var client = await SetUpAsync();
        var code = await _host.IssueCodeAsync(client, Everything, grant => grant with { Resources = [Notes, Old] });
        await OAuthHost.FailAsync(_host.RedeemAsync(client, code, ("resource", Opaque)), "invalid_target");
        var body = await _host.SucceedAsync(_host.RedeemAsync(client, code, ("resource", Notes)));

        // A refresh keeps the grant, not the audience of the last token.
        var refreshed = await _host.SucceedAsync(_host.RefreshAsync(client, (string)body["refresh_token"]!, ("resource", Old)));
        Assert.Equal(Old, (string)OAuthHost.Payload((string)refreshed["access_token"]!)["aud"]!);
        await OAuthHost.FailAsync(_host.RefreshAsync(client, (string)refreshed["refresh_token"]!, ("resource", Opaque)), "invalid_target");
    }

    [Fact]
    public async Task Resources_OfDifferentKinds_CannotShareOneToken()
    {
        var client = await SetUpAsync();
        await OAuthHost.FailAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("resource", Notes), ("resource", Opaque)), "invalid_target");
        await OAuthHost.FailAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("scope", "notes.read old.read")), "invalid_target");
        var code = await _host.IssueCodeAsync(client, Everything);
        await OAuthHost.FailAsync(_host.RedeemAsync(client, code), "invalid_target");
        await _host.SucceedAsync(_host.RedeemAsync(client, code, ("resource", Opaque)));
    }

    [Fact]
    public async Task Resources_OfOneKind_ShareATokenWithTheShortestLifeAndAllTheirClaims()
    {
        await _host.AddResourceAsync("""{"resource":"https://a.example","scopes_supported":["a"],"access_token_lifetime":300,"access_token_claims":["roles"]}""");
        await _host.AddResourceAsync("""{"resource":"https://b.example","scopes_supported":["b"],"access_token_claims":["email"]}""");
        var client = await _host.AddPublicClientAsync(scope: "a b");
        var body = await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client, "a b")));
        Assert.Equal(300, (long)body["expires_in"]!);
        var claims = OAuthHost.Payload((string)body["access_token"]!);
        Assert.Equal("""["https://a.example","https://b.example"]""", claims["aud"]!.ToJsonString());
        Assert.Equal("""["admin","author"]""", claims["roles"]!.ToJsonString());
        Assert.Equal("ada@example.com", (string)claims["email"]!);

        var alone = await _host.SucceedAsync(_host.RefreshAsync(client, (string)body["refresh_token"]!, ("resource", "https://b.example")));
        claims = OAuthHost.Payload((string)alone["access_token"]!);
        Assert.Null(claims["roles"]);
        Assert.Equal(3600, (long)alone["expires_in"]!);
    }

    [Fact]
    public async Task Resource_ThatIsGoneSinceItWasGranted_WidensNothing()
    {
        var client = await SetUpAsync();
        var code = await _host.IssueCodeAsync(client, "notes.read offline_access", grant => grant with { Resources = [Notes] });
        var body = await _host.SucceedAsync(_host.RedeemAsync(client, code));
        ((InMemoryResources)_host.Get<IResourceStore>()).Remove(Notes);
        await OAuthHost.FailAsync(_host.RefreshAsync(client, (string)body["refresh_token"]!), "invalid_target");
    }

    [Fact]
    public async Task Resource_WithoutScopes_IsOpenToEveryClientThatNamesIt()
    {
        var client = await SetUpAsync();
        await _host.AddResourceAsync($$"""{"resource":"{{Open}}"}""");
        var body = await _host.SucceedAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("resource", Open)));
        var claims = OAuthHost.Payload((string)body["access_token"]!);
        Assert.Equal(Open, (string)claims["aud"]!);
        Assert.Equal("loose", (string)claims["scope"]!);
    }

    [Fact]
    public async Task ReferenceToken_WhenRevoked_IsDeadAtOnce()
    {
        var client = await SetUpAsync();
        var body = await _host.SucceedAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("resource", Opaque)));
        var value = (string)body["access_token"]!;
        Assert.True(await _host.IsActiveAsync(client, value));
        Assert.Null(await _host.RevokeAsync(client, value));
        Assert.False(await _host.IsActiveAsync(client, value));
    }

    public static TheoryData<string, string> Refused => new()
    {
        { "resource", "{}" },
        { "resource", """{"resource":"https://a.example/#f"}""" },
        { "resource", """{"resource":"a b"}""" },
        { "scopes_supported", """{"resource":"a","scopes_supported":["openid"]}""" },
        { "scopes_supported", """{"resource":"a","scopes_supported":["identity.users.read"]}""" },
        { "scopes_supported", """{"resource":"a","scopes_supported":["a\\b"]}""" },
        { "access_token_signed_response_alg", """{"resource":"a","access_token_signed_response_alg":"HS256"}""" },
        { "access_token_signed_response_alg", """{"resource":"a","access_token_signed_response_alg":"none"}""" },
        { "access_token_typ", """{"resource":"a","access_token_typ":"id+jwt"}""" },
        { "access_token_format", """{"resource":"a","access_token_format":"opaque"}""" },
        { "access_token_lifetime", """{"resource":"a","access_token_lifetime":"soon"}""" },
        { "access_token_lifetime", """{"resource":"a","access_token_lifetime":90000}""" },
        { "resource", """{"resource":"https://"}""" },
        { "resource", """{"resource":["https://a.example"]}""" },
        { "resource_name", """{"resource":"a","resource_name":7}""" },
        { "scopes_supported", """{"resource":"a","scopes_supported":"a b"}""" },
        { "scopes_supported[1]", """{"resource":"a","scopes_supported":["a",1]}""" },
        { "access_token_signed_response_alg", """{"resource":"a","access_token_signed_response_alg":"EdDSA"}""" },
        { "access_token_signed_response_alg", """{"resource":"a","access_token_signed_response_alg":["ES256"]}""" },
        { "access_token_lifetime", """{"resource":"a","access_token_lifetime":0}""" },
        { "access_token_claims", """{"resource":"a","access_token_claims":"roles"}""" },
        { "access_token_claims", """{"resource":"a","access_token_claims":["sub"]}""" },
        { "access_token_fromat", """{"resource":"a","access_token_fromat":"reference"}""" },
        { "dpop_bound_access_tokens_required", """{"resource":"a","dpop_bound_access_tokens_required":true}""" },
        { "tls_client_certificate_bound_access_tokens", """{"resource":"a","tls_client_certificate_bound_access_tokens":true}""" },
        { "access_token_claims", """{"resource":"a","access_token_claims":["client_id"]}""" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Parse_OfAMemberThatCannotBe_NamesIt(string member, string json)
    {
        var result = ResourceMetadata.Parse(JsonNode.Parse(json)!.AsObject(), text => int.TryParse(text, out var seconds) ? TimeSpan.FromSeconds(seconds) : null);
        Assert.Null(result.Resource);
        Assert.StartsWith(member + ": ", Assert.Single(result.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_OfMembersThatRfc9728LeavesToOthers_IgnoresThem()
    {
        var json = """{"resource":"https://a.example","resource_documentation":"https://a.example/docs","bearer_methods_supported":["header"],"dpop_bound_access_tokens_required":false,"x":1}""";
        Assert.NotNull(ResourceMetadata.Parse(JsonNode.Parse(json)!.AsObject(), _ => null).Resource);
    }

    [Fact]
    public void Parse_OfEdDsa_SaysThatThePlatformLacksIt()
    {
        var problems = ResourceMetadata.Parse(JsonNode.Parse("""{"resource":"a","access_token_signed_response_alg":"EdDSA"}""")!.AsObject(), _ => null).Problems;
        Assert.Contains("platform", Assert.Single(problems), StringComparison.Ordinal);
        Assert.DoesNotContain("EdDSA", OAuth.Keys.SigningKey.SupportedAlgorithms, StringComparer.Ordinal);
    }

    [Theory]
    [InlineData("https://id.example.com", "https://id.example.com/.well-known/oauth-protected-resource")]
    [InlineData("https://id.example.com/api/identity", "https://id.example.com/.well-known/oauth-protected-resource/api/identity")]
    [InlineData("https://example.com:8443/id", "https://example.com:8443/.well-known/oauth-protected-resource/id")]
    public void MetadataAddress_OfAResource_HasTheWellKnownPathBeforeItsOwn(string resource, string address) =>
        Assert.Equal(address, ResourceCatalog.MetadataAddress(resource));

    [Fact]
    public async Task Claims_OfThePerson_GoOnlyWhereTheResourceAsksForThem()
    {
        _host.Subjects.Add(new Sessions.Subject(OAuthHost.Ada, new JsonObject
        {
            ["roles"] = new JsonArray("admin"),
            ["groups"] = new JsonArray("board", "staff"),
            ["entitlements"] = new JsonArray("reports"),
            ["email"] = "ada@example.com",
        }));
        await _host.AddResourceAsync("""{"resource":"https://asks.example","scopes_supported":["asks"],"access_token_claims":["roles","groups","entitlements","nickname"]}""");
        await _host.AddResourceAsync("""{"resource":"https://quiet.example","scopes_supported":["quiet"]}""");
        await _host.AddResourceAsync("""{"resource":"https://asks-opaque.example","scopes_supported":["asks.opaque"],"access_token_claims":["groups"],"access_token_format":"reference"}""");
        var client = await _host.AddConfidentialClientAsync(scope: "openid email asks quiet asks.opaque offline_access");

        var asks = OAuthHost.Payload((string)(await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client, "asks openid email"), ("resource", "https://asks.example"))))["access_token"]!);
        Assert.Equal("""[["admin"],["board","staff"],["reports"]]""", new JsonArray([asks["roles"]!.DeepClone(), asks["groups"]!.DeepClone(), asks["entitlements"]!.DeepClone()]).ToJsonString());
        Assert.False(asks.ContainsKey("email"));
        Assert.False(asks.ContainsKey("nickname"));

        var quiet = OAuthHost.Payload((string)(await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client, "quiet"))))["access_token"]!);
        Assert.DoesNotContain(quiet, claim => claim.Key is "roles" or "groups" or "entitlements" or "email");

        var opaque = (string)(await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client, "asks.opaque"))))["access_token"]!;
        var seen = await _host.IntrospectAsync(client, opaque);
        Assert.Equal("""["board","staff"]""", seen["groups"]!.ToJsonString());
        Assert.False(seen.ContainsKey("roles"));

        // A client's own token is nobody's in particular.
        var own = OAuthHost.Payload((string)(await _host.SucceedAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("scope", "asks"))))["access_token"]!);
        Assert.DoesNotContain(own, claim => claim.Key is "roles" or "groups" or "entitlements" or "email");
    }

    [Fact]
    public async Task ReferenceTokens_ForApisThatDifferOnlyInWhatTheyDoNotHave_ShareOne()
    {
        await _host.AddResourceAsync("""{"resource":"https://one.example","scopes_supported":["one"],"access_token_format":"reference"}""");
        await _host.AddResourceAsync("""{"resource":"https://two.example","scopes_supported":["two"],"access_token_format":"reference","access_token_signed_response_alg":"RS256","access_token_typ":"JWT"}""");
        var client = await _host.AddConfidentialClientAsync(scope: "one two");
        var token = (string)(await _host.SucceedAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"))))["access_token"]!;
        Assert.Equal("""["https://one.example","https://two.example"]""", (await _host.IntrospectAsync(client, token))["aud"]!.ToJsonString());
    }

    [Fact]
    public async Task Resource_ThatAuthenticatesUnderItsOwnIdentifier_SeesItsTokensAndNoOthers()
    {
        var client = await SetUpAsync();
        var notes = await _host.AddConfidentialClientAsync(Notes, scope: "loose");
        var mine = (string)(await _host.SucceedAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("resource", Notes))))["access_token"]!;
        var others = (string)(await _host.SucceedAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("resource", Opaque))))["access_token"]!;
        Assert.True(await _host.IsActiveAsync(notes, mine));
        Assert.Equal("""{"active":false}""", (await _host.IntrospectAsync(notes, others)).ToJsonString());
    }

    [Fact]
    public void Conflict_BetweenDeclarations_NamesThem()
    {
        Resource a = new() { Identifier = "https://a.example", ScopesSupported = ["read"] };
        Resource b = new() { Identifier = "https://b.example", ScopesSupported = ["read"] };
        Assert.Null(ResourceMetadata.Conflict([a], OAuthHost.Issuer));
        Assert.Equal("https://b.example: scopes_supported: read belongs to https://a.example already", ResourceMetadata.Conflict([a, b], OAuthHost.Issuer));
        Assert.Equal("https://a.example: resource: declared twice", ResourceMetadata.Conflict([a, a], OAuthHost.Issuer));
        Assert.NotNull(ResourceMetadata.Conflict([a with { Identifier = OAuthHost.Issuer }], OAuthHost.Issuer));
        Assert.NotNull(ResourceMetadata.Conflict([a with { Identifier = OAuthHost.Issuer + "/api/identity" }], OAuthHost.Issuer));
    }

    private async Task<string> BeginAsync(Client client)
    {
        var body = await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client, Everything), ("resource", Notes)));
        return (string)body["refresh_token"]!;
    }

    private async Task<Client> SetUpAsync()
    {
        await _host.AddResourceAsync($$"""{"resource":"{{Notes}}","scopes_supported":["notes.read","notes.write"]}""");
        await _host.AddResourceAsync($$"""{"resource":"{{Old}}","scopes_supported":["old.read"],"access_token_typ":"JWT","access_token_signed_response_alg":"RS256"}""");
        await _host.AddResourceAsync($$"""{"resource":"{{Opaque}}","scopes_supported":["opaque.read"],"access_token_format":"reference"}""");
        await _host.AddResourceAsync("""{"resource":"plain-api","scopes_supported":["plain.read"],"access_token_signed_response_alg":"PS256"}""");
        return await _host.AddConfidentialClientAsync(scope: Everything);
    }
}
