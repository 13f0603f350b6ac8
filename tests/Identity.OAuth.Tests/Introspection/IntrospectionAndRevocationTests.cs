// RFC 7662, RFC 9701 and RFC 7009: who is told what of a token, and who may kill it.
using System.Text.Json.Nodes;
using Identity.OAuth.Introspection;
using Identity.OAuth.Keys;
using Identity.OAuth.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Tests.Introspection;

public sealed class IntrospectionAndRevocationTests : IAsyncDisposable
{
    private readonly OAuthHost _host = new();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Introspection_OfALiveToken_TellsItsClaims()
    {
        var client = await _host.AddConfidentialClientAsync();
        var body = await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client)));
        var answer = await _host.IntrospectAsync(client, (string)body["access_token"]!);
        Assert.True((bool)answer["active"]!);
        Assert.Equal("Bearer", (string)answer["token_type"]!);
        var claims = OAuthHost.Payload((string)body["access_token"]!);
        foreach (var name in new[] { "iss", "sub", "aud", "client_id", "scope", "exp", "iat", "jti" })
        {
            Assert.Equal(claims[name]!.ToJsonString(), answer[name]!.ToJsonString());
        }

        Assert.True((bool)(await _host.IntrospectAsync(client, (string)body["refresh_token"]!))["active"]!);
    }

    [Fact]
    public async Task Introspection_OfWhatIsNotTheCallersBusiness_TellsNothingAtAll()
    {
        var client = await _host.AddConfidentialClientAsync();
        var other = await _host.AddConfidentialClientAsync("other");
        var body = await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client)));
        foreach (var value in new[] { (string)body["access_token"]!, (string)body["refresh_token"]!, (string)body["id_token"]!, "nonsense", new string('A', 70) })
        {
            Assert.Equal("""{"active":false}""", (await _host.IntrospectAsync(other, value)).ToJsonString());
        }

        Assert.Equal("""{"active":false}""", (await _host.IntrospectAsync(client, (string)body["id_token"]!)).ToJsonString());
    }

    [Theory]
    [InlineData("*", true)]
    [InlineData("https://id.example.com", true)]
    [InlineData("https://other.example", false)]
    public async Task Introspection_ByARegisteredResourceServer_CoversItsAudiences(string introspects, bool expected)
    {
        var client = await _host.AddConfidentialClientAsync();
        var server = await _host.AddConfidentialClientAsync("server", $$""","introspects":["{{introspects}}"]""");
        var body = await _host.SucceedAsync(_host.TokenAsync(client, ("grant_type", "client_credentials")));
        Assert.Equal(expected, await _host.IsActiveAsync(server, (string)body["access_token"]!));
    }

    [Fact]
    public async Task Introspection_ByAClientThatIsTheAudience_IsItsOwn()
    {
        await _host.AddResourceAsync("""{"resource":"inventory","scopes_supported":["stock"]}""");
        var client = await _host.AddConfidentialClientAsync(scope: "stock");
        var server = await _host.AddConfidentialClientAsync("inventory");
        var body = await _host.SucceedAsync(_host.TokenAsync(client, ("grant_type", "client_credentials")));
        Assert.True(await _host.IsActiveAsync(server, (string)body["access_token"]!));
    }

    [Fact]
    public async Task Introspection_WithoutAuthentication_Is401()
    {
        var open = await _host.AddPublicClientAsync();
        await _host.AddConfidentialClientAsync();
        foreach (var (form, authorization) in new (RequestParameters, string?)[]
        {
            (OAuthHost.Form(("token", "x")).Value, null),
            (OAuthHost.Form(("token", "x"), ("client_id", open.ClientId)).Value, null),
            (OAuthHost.Form(("token", "x"), ("client_id", "service"), ("client_secret", "wrong")).Value, null),
            (OAuthHost.Form(("token", "x")).Value, OAuthHost.Basic("service", "wrong")),
            (OAuthHost.Form(("token", "x")).Value, "Bearer x"),
        })
        {
            var error = (await _host.Get<IntrospectionEndpoint>().HandleAsync(form, authorization, OAuthHost.Cancel)).Error;
            Assert.Equal(("invalid_client", 401), (error!.Code, error.Status));
            Assert.NotNull(error.Challenge);
        }
    }

    [Theory]
    [InlineData("", "RS256")]
    [InlineData(""","introspection_signed_response_alg":"ES256" """, "ES256")]
    public async Task Introspection_AnsweredAsAJwt_IsSignedForTheCaller(string more, string algorithm)
    {
        var client = await _host.AddConfidentialClientAsync(more: more);
        var token = (string)(await _host.SucceedAsync(_host.TokenAsync(client, ("grant_type", "client_credentials"))))["access_token"]!;
        var response = (await _host.Get<IntrospectionEndpoint>().HandleAsync(OAuthHost.Form(("token", token)).Value, OAuthHost.Basic("service", OAuthHost.Secret), OAuthHost.Cancel)).Value;
        var jwt = await _host.Get<IntrospectionEndpoint>().SignAsync(response, OAuthHost.Cancel);
        Assert.Equal("token-introspection+jwt", (string)OAuthHost.Header(jwt)["typ"]!);
        Assert.Equal(algorithm, (string)OAuthHost.Header(jwt)["alg"]!);
        var claims = OAuthHost.Payload(jwt);
        Assert.Equal(["aud", "iat", "iss", "token_introspection"], claims.Select(claim => claim.Key).Order());
        Assert.Equal("service", (string)claims["aud"]!);
        Assert.True((bool)claims["token_introspection"]!["active"]!);

        var jwks = new JsonWebKeySet(System.Text.Encoding.UTF8.GetString((await _host.Get<KeyRing>().GetJwksAsync(OAuthHost.Cancel)).Span));
        var result = await new JsonWebTokenHandler().ValidateTokenAsync(jwt, new TokenValidationParameters
        {
            ValidIssuer = OAuthHost.Issuer,
            ValidAudience = "service",
            IssuerSigningKeys = jwks.GetSigningKeys(),
            ValidTypes = ["token-introspection+jwt"],
            ValidateLifetime = false,
        });
        Assert.True(result.IsValid, result.Exception?.Message);
    }

    [Fact]
    public async Task Revocation_OfARefreshToken_KillsTheFamilyAndItsAccessTokens()
    {
        var client = await _host.AddConfidentialClientAsync();
        var first = await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client)));
        var second = await _host.SucceedAsync(_host.RefreshAsync(client, (string)first["refresh_token"]!));
        Assert.Null(await _host.RevokeAsync(client, (string)second["refresh_token"]!, "access_token"));
        await OAuthHost.FailAsync(_host.RefreshAsync(client, (string)second["refresh_token"]!), "invalid_grant");
        Assert.False(await _host.IsActiveAsync(client, (string)first["access_token"]!));
        Assert.False(await _host.IsActiveAsync(client, (string)second["access_token"]!));
        Assert.Empty(_host.Sessions.Ended);
        Assert.Null(await _host.RevokeAsync(client, (string)second["refresh_token"]!));
    }

    [Fact]
    public async Task Revocation_OfAnAccessToken_KillsThatOneOnly()
    {
        var client = await _host.AddConfidentialClientAsync();
        var body = await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client)));
        Assert.Null(await _host.RevokeAsync(client, (string)body["access_token"]!, "refresh_token"));
        Assert.False(await _host.IsActiveAsync(client, (string)body["access_token"]!));
        await _host.SucceedAsync(_host.RefreshAsync(client, (string)body["refresh_token"]!));
    }

    [Fact]
    public async Task Revocation_OfAnotherClientsOrUnknownTokens_SucceedsAndDoesNothing()
    {
        var client = await _host.AddConfidentialClientAsync();
        var open = await _host.AddPublicClientAsync();
        var body = await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client)));
        foreach (var value in new[] { (string)body["access_token"]!, (string)body["refresh_token"]!, "nonsense", new string('A', 70), new string('~', 70), "a.b.c" })
        {
            Assert.Null(await _host.RevokeAsync(open, value));
        }

        Assert.True(await _host.IsActiveAsync(client, (string)body["access_token"]!));
        await _host.SucceedAsync(_host.RefreshAsync(client, (string)body["refresh_token"]!));
    }

    [Fact]
    public async Task Revocation_WhenTheStoreFails_IsNotAcknowledged()
    {
        await using var host = new OAuthHost(more: services => services.AddSingleton<IDenyList, BrokenDenyList>());
        var client = await host.AddConfidentialClientAsync();
        var token = (string)(await host.SucceedAsync(host.TokenAsync(client, ("grant_type", "client_credentials"))))["access_token"]!;
        await Assert.ThrowsAsync<IOException>(() => host.RevokeAsync(client, token));
    }

    private sealed class BrokenDenyList : IDenyList
    {
        public Task DenyAsync(string id, DateTimeOffset grantedUntil, DateTimeOffset until, CancellationToken cancellationToken) => throw new IOException("The store is away.");

        public ValueTask<bool> IsDeniedAsync(ReadOnlyMemory<string> ids, DateTimeOffset grantedAt, CancellationToken cancellationToken) => new(false);
    }
}
