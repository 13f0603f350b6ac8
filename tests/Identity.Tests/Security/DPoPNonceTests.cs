// RFC 9449 §8 and §9: nonces of the server, where its operator wants them; and the address that proofs name, where it is PUBLIC_URL's.
using System.Net;
using Identity.Tests.StockClients;

namespace Identity.Tests.Security;

/// <summary>Two servers that share a master key and nothing else.</summary>
public sealed class DPoPNonceTests(DPoPNonceTests.World world, DPoPNonceTests.OtherWorld other) : IClassFixture<DPoPNonceTests.World>, IClassFixture<DPoPNonceTests.OtherWorld>
{
    private const string Token = "/connect/token";

    private static string With(DPoPWorld at, string? nonce, string method = "POST", string path = Token, string? token = null) =>
        at.Proof(method, path, token, claims: claims => claims["nonce"] = nonce);

    private static async Task<string> NonceAsync(DPoPWorld at)
    {
        var refused = await at.ServiceAsync(at.Proof("POST", Token));
        Assert.Equal((HttpStatusCode.BadRequest, "use_dpop_nonce"), (refused.Status, refused.Error));
        return refused.Nonce!;
    }

    [Fact]
    public async Task TokenEndpoint_WhenANonceIsWanted_TellsItAndTakesIt()
    {
        var nonce = await NonceAsync(world);
        var tokens = await world.ServiceAsync(With(world, nonce));
        Assert.True(tokens.Status == HttpStatusCode.OK, tokens.Body.ToJsonString());
        Assert.Null(tokens.Nonce);
        foreach (var wrong in (string[])["", "x", nonce[..^1], nonce + "A"])
        {
            var refused = await world.ServiceAsync(With(world, wrong));
            Assert.Equal((HttpStatusCode.BadRequest, "use_dpop_nonce", nonce), (refused.Status, refused.Error, refused.Nonce));
        }

        // A proof is none the better for a nonce; and who sends no proof is not asked for one.
        Assert.Equal("invalid_dpop_proof", (await world.ServiceAsync(world.Proof("POST", "/connect/par", claims: claims => claims["nonce"] = nonce))).Error);
        Assert.Equal("Bearer", (await world.ServiceAsync(null)).Text("token_type"));
    }

    [Fact]
    public async Task Push_WhenANonceIsWanted_TellsItAndTakesIt()
    {
        var refused = await world.PushAsync([world.Proof("POST", "/connect/par")]);
        Assert.Equal((HttpStatusCode.BadRequest, "use_dpop_nonce"), (refused.Status, refused.Error));
        Assert.Equal(HttpStatusCode.Created, (await world.PushAsync([With(world, refused.Nonce, path: "/connect/par")])).Status);
    }

    [Fact]
    public async Task Resource_WhenANonceIsWanted_TellsItInItsChallenge()
    {
        using var browser = await world.Node.SignedInAsync();
        var person = await world.RedeemAsync(With(world, await NonceAsync(world)), await world.Node.CodeAsync(browser, "app"));
        var service = await world.ServiceAsync(With(world, await NonceAsync(world)), "identity.users.read");
        foreach (var (path, token) in new[] { ("/connect/userinfo", person.Text("access_token")), ("/api/identity/users", service.Text("access_token")) })
        {
            var refused = await world.GetAsync(path, "DPoP", token, world.Proof("GET", path, token));
            Assert.Equal(HttpStatusCode.Unauthorized, refused.Status);
            Assert.StartsWith("DPoP ", refused.Challenge, StringComparison.Ordinal);
            Assert.Contains("error=\"use_dpop_nonce\"", refused.Challenge, StringComparison.Ordinal);
            Assert.Equal(HttpStatusCode.OK, (await world.GetAsync(path, "DPoP", token, With(world, refused.Nonce, "GET", path, token))).Status);
        }
    }

    [Fact]
    public async Task Nonce_AsTimeGoesBy_IsTakenOnceMoreWithItsSuccessorAndThenNoLonger()
    {
        var nonce = await NonceAsync(world);
        world.Time.Advance(TimeSpan.FromMinutes(2));
        var late = await world.ServiceAsync(With(world, nonce));
        Assert.Equal(HttpStatusCode.OK, late.Status);
        Assert.NotEqual(nonce, late.Nonce);
        Assert.Equal(HttpStatusCode.OK, (await world.ServiceAsync(With(world, late.Nonce))).Status);
        world.Time.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal("use_dpop_nonce", (await world.ServiceAsync(With(world, nonce))).Error);
        Assert.Equal(HttpStatusCode.OK, (await world.ServiceAsync(With(world, late.Nonce))).Status);
    }

    [Fact]
    public async Task Nonce_OfOneNode_IsTakenByAnotherWhoseClockIsAMinuteOff()
    {
        // The other's clock was started with this one's and moves alone.
        other.Time.SetUtcNow(world.Time.GetUtcNow() + TimeSpan.FromMinutes(1));
        Assert.Equal(HttpStatusCode.OK, (await other.ServiceAsync(With(other, await NonceAsync(world)))).Status);
        Assert.Equal(HttpStatusCode.OK, (await world.ServiceAsync(With(world, await NonceAsync(other)))).Status);
    }

    [Fact]
    public async Task Nonce_AskedForAgainAndAgain_IsNoGuessing()
    {
        await using var strict = new StrictWorld();
        await strict.InitializeAsync();
        var nonce = "";
        for (var i = 0; i < 5; i++)
        {
            nonce = await NonceAsync(strict);
        }

        Assert.Equal(HttpStatusCode.OK, (await strict.ServiceAsync(With(strict, nonce))).Status);
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal("invalid_dpop_proof", (await strict.ServiceAsync("x")).Error);
        }

        Assert.Equal(HttpStatusCode.TooManyRequests, (await strict.ServiceAsync("x")).Status);
    }

    [Fact]
    public async Task StockClients_WhenANonceIsWanted_FinishTheirFlows()
    {
        // They keep the machine's time, and other tests move this world's.
        await using var fresh = new World();
        await fresh.InitializeAsync();
        var (_, email) = await fresh.Node.RegisterAsync();
        await StockScript.RunAsync("dpop.test.mjs", ("ISSUER", fresh.Issuer), ("PERSON_EMAIL", email), ("PERSON_PASSWORD", Node.Password), ("CLIENT_SECRET", Node.Secret), ("PUBLIC_CLIENT", "app"));
    }

    // PUBLIC_URL of the other server names no port, so that of its scheme is meant.
    [Theory]
    [InlineData("http://localhost/connect/token", true)]
    [InlineData("http://localhost:80/connect/token", true)]
    [InlineData("http://LOCALHOST:80/connect/token?a=b#c", true)]
    [InlineData("http://localhost:443/connect/token", false)]
    [InlineData("https://localhost/connect/token", false)]
    [InlineData("{socket}/connect/token", false)]
    public async Task Address_OfAProof_IsComparedWithPublicUrl(string address, bool taken)
    {
        var nonce = await NonceAsync(other);
        var answer = await other.ServiceAsync(other.Proof("POST", Token, claims: claims =>
        {
            claims["nonce"] = nonce;
            claims["htu"] = address.Replace("{socket}", other.Node.Address.GetLeftPart(UriPartial.Authority), StringComparison.Ordinal);
        }));
        Assert.Equal(taken ? HttpStatusCode.OK : HttpStatusCode.BadRequest, answer.Status);
    }

    private static Dictionary<string, string> Required => new(StringComparer.Ordinal)
    {
        ["OAuth:RequireDPoPNonce"] = "true",
        ["MASTER_KEY"] = Convert.ToBase64String([.. Enumerable.Range(1, 32).Select(number => (byte)number)]),
    };

    public sealed class World : DPoPWorld
    {
        protected override IReadOnlyDictionary<string, string> Settings => Required;
    }

    public sealed class StrictWorld : DPoPWorld
    {
        protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>(Required, StringComparer.Ordinal) { ["RateLimits:TokenFailuresPerAddress"] = "2" };
    }

    public sealed class OtherWorld : DPoPWorld
    {
        public override string Issuer => "http://localhost";

        protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>(Required, StringComparer.Ordinal) { ["PUBLIC_URL"] = "http://localhost" };
    }
}
