// RFC 6749 §2.3, §3.2, §4.4 and §5.2: the phases every token request runs through.
using Identity.OAuth.Tokens;
using Identity.Tests.Kit.InMemory;

namespace Identity.OAuth.Tests.Token;

public sealed class TokenEndpointTests : IAsyncDisposable
{
    private readonly OAuthHost _host = new();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task ClientCredentials_WhenDone_GiveAnAccessTokenAlone()
    {
        var client = await _host.AddConfidentialClientAsync();
        var body = await _host.SucceedAsync(_host.TokenAsync(client, ("grant_type", "client_credentials")));
        Assert.Equal(["access_token", "expires_in", "scope", "token_type"], body.Select(member => member.Key).Order());
        Assert.Equal("notes.read notes.write", (string)body["scope"]!);
        var claims = OAuthHost.Payload((string)body["access_token"]!);
        Assert.Equal(client.ClientId, (string)claims["sub"]!);
        Assert.Equal(client.ClientId, (string)claims["client_id"]!);
        Assert.Equal(OAuthHost.Issuer, (string)claims["aud"]!);
        Assert.Null(claims["sid"]);
        Assert.Equal(0, _host.Get<InMemoryRefreshFamilies>().Count);
    }

    [Theory]
    [InlineData("openid")]
    [InlineData("offline_access")]
    [InlineData("notes.read email")]
    [InlineData("notes.delete")]
    public async Task ClientCredentials_WhenAScopeIsAPersonsOrUnknown_IsInvalidScope(string scope)
    {
        var client = await _host.AddConfidentialClientAsync();
        await OAuthHost.FailAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("scope", scope)), "invalid_scope");
    }

    [Fact]
    public async Task Grant_WhenItDoesNotExist_IsUnsupported()
    {
        var client = await _host.AddConfidentialClientAsync();
        foreach (var grant in new[] { "password", "implicit", "urn:ietf:params:oauth:grant-type:token-exchange", "AUTHORIZATION_CODE" })
        {
            await OAuthHost.FailAsync(_host.TokenAsync(client, ("grant_type", grant), ("username", "ada"), ("password", "x")), "unsupported_grant_type");
        }
    }

    [Fact]
    public async Task Grant_WhenTheClientMayNotUseIt_IsUnauthorized()
    {
        var client = await _host.AddPublicClientAsync();
        await OAuthHost.FailAsync(_host.TokenAsync(client, ("grant_type", "client_credentials")), "unauthorized_client");
    }

    [Fact]
    public async Task Grant_WhenMissing_IsAnInvalidRequest() =>
        await OAuthHost.FailAsync(_host.TokenAsync(await _host.AddConfidentialClientAsync(), ("scope", "a")), "invalid_request");

    [Fact]
    public async Task Parameter_SentTwice_IsAnInvalidRequest()
    {
        var client = await _host.AddConfidentialClientAsync();
        await OAuthHost.FailAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("grant_type", "client_credentials")), "invalid_request");
        await OAuthHost.FailAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("scope", "notes.read"), ("scope", "")), "invalid_request");
    }

    [Fact]
    public async Task Client_ThatIsBuiltIn_IsLetInByNoEndpoint()
    {
        await OAuthHost.FailAsync(_host.TokenAsync((string?)null, ("client_id", "identity-api"), ("grant_type", "refresh_token"), ("refresh_token", "x")), "invalid_client");
        await OAuthHost.FailAsync(_host.TokenAsync(OAuthHost.Basic("identity-api", "x"), ("grant_type", "client_credentials")), "invalid_client", 401);
    }

    [Theory]
    [InlineData("Basic")]
    [InlineData("Basic ")]
    [InlineData("Bearer")]
    [InlineData("Bearer x")]
    [InlineData("Basic !!!")]
    [InlineData("Basic Og==")]
    [InlineData("Basic c2VydmljZQ==")]
    [InlineData("Basic /////w==")]
    public async Task Authorization_ThatHoldsNoCredentials_IsInvalidClientWithAChallenge(string authorization)
    {
        var error = await OAuthHost.FailAsync(_host.TokenAsync(authorization, ("grant_type", "client_credentials")), "invalid_client", 401);
        Assert.StartsWith("Basic ", error.Challenge, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Authorization_WithAWrongSecretOrUnknownClient_IsAnsweredAlike()
    {
        await _host.AddConfidentialClientAsync();
        var wrong = await OAuthHost.FailAsync(_host.TokenAsync(OAuthHost.Basic("service", "wrong"), ("grant_type", "client_credentials")), "invalid_client", 401);
        var unknown = await OAuthHost.FailAsync(_host.TokenAsync(OAuthHost.Basic("nobody", "wrong"), ("grant_type", "client_credentials")), "invalid_client", 401);
        Assert.Equal(wrong with { Detail = null }, unknown with { Detail = null });
    }

    [Fact]
    public async Task Authorization_AndABodySecretTogether_AreAnInvalidRequest()
    {
        var client = await _host.AddConfidentialClientAsync();
        await OAuthHost.FailAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("client_secret", OAuthHost.Secret)), "invalid_request");
        await OAuthHost.FailAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("client_assertion", "x")), "invalid_request");
        await OAuthHost.FailAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("client_id", "other")), "invalid_request");
        await _host.SucceedAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("client_id", client.ClientId)));
    }

    [Fact]
    public async Task Method_OtherThanTheRegisteredOne_IsRefused()
    {
        var basic = await _host.AddConfidentialClientAsync();
        await OAuthHost.FailAsync(_host.TokenAsync((string?)null, ("client_id", basic.ClientId), ("client_secret", OAuthHost.Secret), ("grant_type", "client_credentials")), "invalid_client");
        await OAuthHost.FailAsync(_host.TokenAsync((string?)null, ("client_id", basic.ClientId), ("grant_type", "client_credentials")), "invalid_client");

        var post = await _host.AddConfidentialClientAsync("post", ""","token_endpoint_auth_method":"client_secret_post" """);
        await _host.SucceedAsync(_host.TokenAsync(post, ("grant_type", "client_credentials")));
        await OAuthHost.FailAsync(_host.TokenAsync(OAuthHost.Basic("post", OAuthHost.Secret), ("grant_type", "client_credentials")), "invalid_client", 401);

        var open = await _host.AddPublicClientAsync();
        await OAuthHost.FailAsync(_host.TokenAsync(OAuthHost.Basic(open.ClientId, "x"), ("grant_type", "refresh_token")), "invalid_client", 401);
        await OAuthHost.FailAsync(_host.TokenAsync((string?)null, ("client_id", open.ClientId), ("client_secret", "x"), ("grant_type", "refresh_token")), "invalid_client");
    }

    [Fact]
    public async Task Secret_ThatIsBeingReplaced_WorksInBothForms()
    {
        var client = await _host.AddConfidentialClientAsync();
        var both = client with { SecretHashes = [.. client.SecretHashes, Identity.OAuth.Clients.ClientAuthentication.ClientSecret.Hash("the other secret of it")] };
        await _host.Get<Identity.OAuth.Clients.IClientStore>().UpsertAsync(both, OAuthHost.Cancel);
        await _host.SucceedAsync(_host.TokenAsync(OAuthHost.Basic("service", OAuthHost.Secret), ("grant_type", "client_credentials")));
        await _host.SucceedAsync(_host.TokenAsync(OAuthHost.Basic("service", "the other secret of it"), ("grant_type", "client_credentials")));
    }

    [Fact]
    public async Task Request_OfTenThousandScopes_IsRefusedQuickly()
    {
        var client = await _host.AddConfidentialClientAsync();
        var started = System.Diagnostics.Stopwatch.GetTimestamp();
        var scopes = string.Join(' ', Enumerable.Range(0, 5000).Select(i => "s" + i));
        await OAuthHost.FailAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("scope", scopes)), "invalid_scope");
        await OAuthHost.FailAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"), ("scope", new string('a', 1024 * 1024))), "invalid_request");
        await OAuthHost.FailAsync(_host.TokenAsync(client, [.. Enumerable.Range(0, 10_000).Select(i => ("p" + i, (string?)"1"))]), "invalid_request");
        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(3));
    }
}
