// RFC 9068 §2 and §4, RFC 8725: what an access token holds, and which ones are believed when they come back.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;
using Identity.OAuth.Consents;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Introspection;
using Identity.OAuth.Keys;
using Identity.OAuth.Sessions;
using Identity.OAuth.Storage;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Tests.Tokens;

public sealed class AccessTokenValidatorTests : IAsyncDisposable
{
    private static readonly byte[] CompatibilitySecret = Encoding.UTF8.GetBytes("0123456789abcdef0123456789abcdef");

    private readonly OAuthHost _host = new(options => options.CompatibilitySecret = CompatibilitySecret);

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Token_OfAPerson_HoldsTheClaimsOfRfc9068()
    {
        var value = await IssueAsync();
        var header = OAuthHost.Header(value);
        Assert.Equal(["alg", "kid", "typ"], header.Select(member => member.Key).Order());
        Assert.Equal("at+jwt", (string)header["typ"]!);
        Assert.Equal("ES256", (string)header["alg"]!);
        Assert.Equal((await _host.Get<KeyRing>().GetSigningKeyAsync("ES256", OAuthHost.Cancel)).Kid, (string)header["kid"]!);

        // Readable without unescaping, for resource servers that compare text.
        Assert.Contains("\"typ\":\"at+jwt\"", Base64UrlEncoder.Decode(value.Split('.')[0]), StringComparison.Ordinal);

        var claims = OAuthHost.Payload(value);
        foreach (var name in new[] { "iss", "exp", "aud", "sub", "client_id", "iat", "jti", "auth_time", "acr", "amr", "scope", "sid" })
        {
            Assert.NotNull(claims[name]);
        }

        Assert.Equal(3600, (long)claims["exp"]! - (long)claims["iat"]!);
        Assert.Matches("^[0-9a-f]{32}\\.[A-Za-z0-9_-]{22}$", (string)claims["jti"]!);
        Assert.Null(claims["email"]);
        Assert.Null(claims["roles"]);
    }

    [Fact]
    public async Task Token_AtTheSecondItExpires_IsDead()
    {
        var value = await IssueAsync();
        _host.Time.Advance(TimeSpan.FromSeconds(3599));
        Assert.NotNull(await _host.ValidateAsync(value));
        _host.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(await _host.ValidateAsync(value));
    }

    [Fact]
    public async Task Token_WhenItsIdOrItsGrantIsDenied_IsDead()
    {
        var (one, two, three) = (await IssueAsync(), await IssueAsync(), await IssueAsync());
        await _host.Get<IDenyList>().DenyAsync((string)OAuthHost.Payload(one)["jti"]!, _host.Now.AddHours(1), OAuthHost.Cancel);
        await _host.Get<IDenyList>().DenyAsync(((string)OAuthHost.Payload(two)["jti"]!)[..32], _host.Now.AddHours(1), OAuthHost.Cancel);
        Assert.Null(await _host.ValidateAsync(one));
        Assert.Null(await _host.ValidateAsync(two));
        Assert.NotNull(await _host.ValidateAsync(three));
    }

    [Fact]
    public async Task Token_WhenItsSessionEnded_IsDead()
    {
        var value = await IssueAsync();
        await _host.Get<ISessions>().EndAsync((string)OAuthHost.Payload(value)["sid"]!, "logout", OAuthHost.Cancel);
        Assert.Null(await _host.ValidateAsync(value));
    }

    [Fact]
    public async Task Token_WhenItsPersonTookBackConsent_IsDeadAndOneGrantedAfterwardsLives()
    {
        var client = await _host.AddPublicClientAsync();
        var other = await _host.AddPublicClientAsync("other");
        async Task<string> GrantAsync(Client to) => (string)(await _host.SucceedAsync(_host.RedeemAsync(to, await _host.IssueCodeAsync(to, "openid"))))["access_token"]!;
        var (before, others, unredeemed) = (await GrantAsync(client), await GrantAsync(other), await _host.IssueCodeAsync(client, "openid"));
        _host.Time.Advance(TimeSpan.FromSeconds(5));
        await _host.Get<ConsentService>().RevokeAsync(OAuthHost.Ada, client.ClientId, OAuthHost.Cancel);
        Assert.Null(await _host.ValidateAsync(before));
        Assert.NotNull(await _host.ValidateAsync(others));
        await OAuthHost.FailAsync(_host.RedeemAsync(client, unredeemed), "invalid_grant");
        _host.Time.Advance(TimeSpan.FromSeconds(5));
        Assert.NotNull(await _host.ValidateAsync(await GrantAsync(client)));
        Assert.Null(await _host.ValidateAsync(before));
    }

    public static TheoryData<string> Forgeries =>
    [
        "alg none", "alg none without signature", "signature changed", "signature zero", "payload changed", "kid of another key", "no kid", "kid traversal",
        "HS256 under our public key PEM", "HS256 under our public JWK", "HS256 under our JWKS", "another issuer's key", "crit", "typ changed",
    ];

    [Theory]
    [MemberData(nameof(Forgeries))]
    public async Task Token_Forged_IsRefused(string forgery)
    {
        var value = await IssueAsync();
        var parts = value.Split('.');
        var (header, claims) = (OAuthHost.Header(value), OAuthHost.Payload(value));
        var key = await _host.Get<KeyRing>().GetSigningKeyAsync("ES256", OAuthHost.Cancel);
        var forged = forgery switch
        {
            "alg none" => Encode(header, ("alg", "none")) + "." + parts[1] + "." + parts[2],
            "alg none without signature" => Encode(header, ("alg", "none")) + "." + parts[1] + ".",
            "signature changed" => parts[0] + "." + parts[1] + "." + (parts[2][0] == 'A' ? "B" : "A") + parts[2][1..],
            "signature zero" => parts[0] + "." + parts[1] + "." + Base64UrlEncoder.Encode(new byte[64]),
            "payload changed" => parts[0] + "." + Encode(claims, ("sub", "somebody-else")) + "." + parts[2],
            "kid of another key" => Encode(header, ("kid", (await _host.Get<KeyRing>().GetSigningKeyAsync("RS256", OAuthHost.Cancel)).Kid)) + "." + parts[1] + "." + parts[2],
            "no kid" => Encode(header, ("kid", null)) + "." + parts[1] + "." + parts[2],
            "kid traversal" => Encode(header, ("kid", "../../etc/passwd")) + "." + parts[1] + "." + parts[2],
            "HS256 under our public key PEM" => Hmac(Encoding.ASCII.GetBytes(((ECDsaSecurityKey)key.Key).ECDsa.ExportSubjectPublicKeyInfoPem())),
            "HS256 under our public JWK" => Hmac(Encoding.UTF8.GetBytes(key.PublicJwk.ToJsonString())),
            "HS256 under our JWKS" => Hmac((await _host.Get<KeyRing>().GetJwksAsync(OAuthHost.Cancel)).ToArray()),
            "another issuer's key" => Foreign(),
            "crit" => Encode(header, ("crit", new JsonArray("x"))) + "." + parts[1] + "." + parts[2],
            _ => Encode(header, ("typ", "JWT")) + "." + parts[1] + "." + parts[2],
        };
        Assert.NotNull(await _host.ValidateAsync(value));
        Assert.Null(await _host.ValidateAsync(forged, acceptCompatibility: true));

        string Hmac(byte[] secret)
        {
            var input = Encode(header, ("alg", "HS256"), ("typ", "JWT")) + "." + Encode(claims, ("client_id", FirstPartyTokenIssuer.ClientId));
            return input + "." + Base64UrlEncoder.Encode(HMACSHA256.HashData(secret, Encoding.ASCII.GetBytes(input)));
        }

        string Foreign()
        {
            using var foreign = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            return parts[0] + "." + parts[1] + "." + Base64UrlEncoder.Encode(foreign.SignData(Encoding.ASCII.GetBytes(parts[0] + "." + parts[1]), HashAlgorithmName.SHA256));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a.b.c")]
    [InlineData("e30.e30.")]
    [InlineData("....")]
    [InlineData("eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAA.AAAA.AAAA")]
    [InlineData("\u00fc\u00fc\u00fc")]
    public async Task Token_OfNonsense_IsRefusedQuietly(string value)
    {
        Assert.Null(await _host.ValidateAsync(value, acceptCompatibility: true));
        Assert.Null(await _host.ValidateAsync(new string('a', 20_000) + value));
    }

    [Fact]
    public async Task Jwt_OfOursThatIsNoAccessToken_IsRefused()
    {
        var client = await _host.AddConfidentialClientAsync(more: ""","id_token_signed_response_alg":"ES256" """);
        var body = await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client)));
        Assert.Null(await _host.ValidateAsync((string)body["id_token"]!, acceptCompatibility: true));
        var signed = await _host.Get<IntrospectionEndpoint>().SignAsync(new IntrospectionResponse(await _host.IntrospectAsync(client, (string)body["access_token"]!), client.ClientId), OAuthHost.Cancel);
        Assert.Null(await _host.ValidateAsync(signed, acceptCompatibility: true));
    }

    [Fact]
    public async Task CompatibilityToken_WhereNotSaidSo_IsRefused()
    {
        var value = (await _host.Get<FirstPartyTokenIssuer>().IssueAsync(_host.Sessions.Start(OAuthHost.Ada), OAuthHost.Cancel)).AccessToken;
        Assert.Equal("HS256", (string)OAuthHost.Header(value)["alg"]!);
        Assert.Null(await _host.ValidateAsync(value, acceptCompatibility: false));
        Assert.NotNull(await _host.ValidateAsync(value, acceptCompatibility: true));
    }

    [Theory]
    [InlineData("sub", "somebody-else")]
    [InlineData("sid", "made-up")]
    [InlineData("sid", null)]
    [InlineData("client_id", "spa")]
    [InlineData("iss", "https://other.example")]
    public async Task CompatibilityToken_MadeUpByWhoKnowsTheSecret_IsRefused(string claim, string? value)
    {
        var issued = (await _host.Get<FirstPartyTokenIssuer>().IssueAsync(_host.Sessions.Start(OAuthHost.Ada), OAuthHost.Cancel)).AccessToken;
        var input = issued.Split('.')[0] + "." + Encode(OAuthHost.Payload(issued), (claim, value));
        var forged = input + "." + Base64UrlEncoder.Encode(HMACSHA256.HashData(CompatibilitySecret, Encoding.ASCII.GetBytes(input)));
        Assert.Null(await _host.ValidateAsync(forged, acceptCompatibility: true));
    }

    // As JSON, so that numbers no .NET type holds get through.
    [Theory]
    [InlineData("jti", "\"ffffffffffffffffffffffffffffffff.x\"")]
    [InlineData("jti", "\"ffffffffffff7fffbfffffffffffffff.x\"")]
    [InlineData("jti", "\"00000000000000000000000000000000.x\"")]
    [InlineData("jti", "7")]
    [InlineData("exp", "1e300")]
    [InlineData("exp", "99999999999999999999")]
    [InlineData("exp", "253402300800")]
    [InlineData("exp", "-9223372036854775808")]
    [InlineData("exp", "4000000000.5")]
    [InlineData("exp", "\"4000000000\"")]
    [InlineData("exp", "null")]
    [InlineData("sid", "7")]
    [InlineData("sid", "null")]
    [InlineData("scope", "[\"openid\"]")]
    [InlineData("aud", "{}")]
    [InlineData("aud", "[7]")]
    [InlineData("aud", "null")]
    [InlineData("sub", "{}")]
    [InlineData("sub", "\"x\",\"sub\":\"y\"")]
    [InlineData("iss", "[]")]
    public async Task CompatibilityToken_OfNonsenseThatIsRightlySigned_IsRefusedQuietly(string claim, string json)
    {
        var issued = (await _host.Get<FirstPartyTokenIssuer>().IssueAsync(_host.Sessions.Start(OAuthHost.Ada), OAuthHost.Cancel)).AccessToken;
        var payload = OAuthHost.Payload(issued).DeepClone().AsObject();
        payload.Remove(claim);
        var text = payload.ToJsonString();
        var input = issued.Split('.')[0] + "." + Base64UrlEncoder.Encode(text[..^1] + ",\"" + claim + "\":" + json + "}");
        var forged = input + "." + Base64UrlEncoder.Encode(HMACSHA256.HashData(CompatibilitySecret, Encoding.ASCII.GetBytes(input)));
        Assert.Null(await _host.ValidateAsync(forged, acceptCompatibility: true));
    }

    private async Task<string> IssueAsync()
    {
        var client = await _host.AddPublicClientAsync();
        return (string)(await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client))))["access_token"]!;
    }

    private static string Encode(JsonObject document, params (string Name, JsonNode? Value)[] changes)
    {
        var changed = document.DeepClone().AsObject();
        foreach (var (name, value) in changes)
        {
            changed.Remove(name);
            if (value is not null)
            {
                changed[name] = value;
            }
        }

        return Base64UrlEncoder.Encode(changed.ToJsonString());
    }
}
