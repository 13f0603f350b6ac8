// RFC 7517, RFC 7638, OpenID Connect Core §10.1.1: keys are made by themselves, published ahead, rotated, and kept until what they signed is dead.
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.OAuth.Keys;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Keys;

/// <summary>What the key set says, and which key signs, while a test moves the clocks of one node or of two on one store.</summary>
public sealed class KeyRotationTests : IDisposable
{
    private const string Clients = """[{"client_id":"service","client_secret":"0123456789abcdef0123456789abcdef","grant_types":["client_credentials"],"scope":"identity.users.read"}]""";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("identity-keys-");
    private readonly OffsetTimeProvider _time = new(TimeSpan.Zero);

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task KeySet_AtFirstStart_HoldsOnePublicKeyPerAlgorithmNamedByItsThumbprint()
    {
        await using var node = await StartAsync(_time);
        var keys = await KeysAsync(node);
        Assert.Equal(["ES256", "PS256", "RS256"], keys.Select(key => (string)key["alg"]!).Order(StringComparer.Ordinal));
        Assert.All(keys, key =>
        {
            var isEc = (string)key["kty"]! == "EC";
            Assert.Equal(isEc ? ["alg", "crv", "kid", "kty", "use", "x", "y"] : ["alg", "e", "kid", "kty", "n", "use"], key.Select(member => member.Key).Order(StringComparer.Ordinal));
            Assert.Equal("sig", (string)key["use"]!);
            Assert.True(isEc || Base64UrlEncoder.DecodeBytes((string)key["n"]!).Length >= 256);
            var canonical = isEc
                ? $$"""{"crv":"P-256","kty":"EC","x":"{{key["x"]}}","y":"{{key["y"]}}"}"""
                : $$"""{"e":"{{key["e"]}}","kty":"RSA","n":"{{key["n"]}}"}""";
            Assert.Equal(Base64UrlEncoder.Encode(SHA256.HashData(Encoding.UTF8.GetBytes(canonical))), (string)key["kid"]!);
        });

        var stored = await node.Services.GetRequiredService<SigningKeyStore>().ListAsync(TestContext.Current.CancellationToken);
        Assert.Equal(3, stored.Count);
        Assert.All(stored, key => Assert.ThrowsAny<CryptographicException>(() => SigningKey.Import(key.Algorithm, key.ProtectedKey)));
    }

    [Fact]
    public async Task Rotation_ByTheClock_PublishesAheadSignsThenAndKeepsTheOldOne()
    {
        await using var node = await StartAsync(_time);
        var first = await SigningKeyAsync(node);
        _time.Advance(TimeSpan.FromDays(88) - TimeSpan.FromMinutes(2));
        Assert.Equal([first], await PublishedAsync(node));

        // Two days ahead: published, and does not sign yet.
        _time.Advance(TimeSpan.FromMinutes(2));
        var published = await PublishedAsync(node);
        Assert.Equal(2, published.Count);
        Assert.Equal(first, await SigningKeyAsync(node));
        var second = Assert.Single(published, kid => kid != first);

        _time.Advance(TimeSpan.FromDays(2) - TimeSpan.FromMinutes(2));
        Assert.Equal(first, await SigningKeyAsync(node));
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal(second, await SigningKeyAsync(node));

        // The old one goes on being published until whatever it signed is dead: seven days of access tokens, seven of hints.
        _time.Advance(TimeSpan.FromDays(14) - TimeSpan.FromMinutes(2));
        Assert.Contains(first, await PublishedAsync(node));
        _time.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal([second], await PublishedAsync(node));
    }

    [Fact]
    public async Task Rotation_SeenFromAnotherNode_IsKnownLongBeforeItSigns()
    {
        var otherTime = new OffsetTimeProvider(TimeSpan.Zero);
        await using var node = await StartAsync(_time);
        await using var other = await StartAsync(otherTime);
        Assert.Equal(await SigningKeyAsync(node), await SigningKeyAsync(other));
        _time.Advance(TimeSpan.FromDays(88));
        otherTime.Advance(TimeSpan.FromDays(88));
        var here = await PublishedAsync(node);
        Assert.Equal(2, here.Count);
        Assert.Equal(here, await PublishedAsync(other));
        _time.Advance(TimeSpan.FromDays(2));
        otherTime.Advance(TimeSpan.FromDays(2));
        Assert.Equal(await SigningKeyAsync(node), await SigningKeyAsync(other));
    }

    // A hundred days in steps of twelve hours; the API asks for the keys once a day, the nodes sign in turn.
    [Fact]
    public async Task Rotation_WhileTwoNodesSignInTurn_FailsNoVerificationOfAnApiThatKeepsTheKeysForADay()
    {
        var otherTime = new OffsetTimeProvider(TimeSpan.Zero);
        await using var node = await StartAsync(_time);
        await using var other = await StartAsync(otherTime);
        var signers = new HashSet<string>(StringComparer.Ordinal);
        JsonWebKeySet known = new();
        for (var step = 0; step < 200; step++)
        {
            if (step % 2 == 0)
            {
                using var http = new HttpClient { BaseAddress = (step % 4 == 0 ? node : other).Url };
                known = new JsonWebKeySet(await http.GetStringAsync(new Uri("/connect/jwks", UriKind.Relative)));
            }

            var token = await TokenAsync(step % 3 == 0 ? node : other);
            var result = await new JsonWebTokenHandler().ValidateTokenAsync(token, new() { IssuerSigningKeys = known.GetSigningKeys(), ValidateIssuer = false, ValidateAudience = false, ValidateLifetime = false });
            Assert.True(result.IsValid, $"step {step}: {result.Exception}");
            signers.Add(((JsonWebToken)result.SecurityToken).Kid);
            _time.Advance(TimeSpan.FromHours(12));
            otherTime.Advance(TimeSpan.FromHours(12));
        }

        Assert.Equal(2, signers.Count);
    }

    [Fact]
    public async Task Nodes_ThatStartAtOnceOnNewKeys_AgreeOnThem()
    {
        var nodes = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(() => StartAsync(_time))));
        var sets = await Task.WhenAll(nodes.Select(node => KeysAsync(node)));
        foreach (var node in nodes)
        {
            await node.DisposeAsync();
        }

        Assert.Single(sets.Select(keys => string.Join(' ', keys.Select(key => (string)key["kid"]!))).Distinct(StringComparer.Ordinal));
        Assert.Equal(3, sets[0].Count);
    }

    [Fact]
    public async Task Rotation_AfterALongTimeSwitchedOff_StillPublishesAheadFirst()
    {
        string first;
        await using (var node = await StartAsync(_time))
        {
            first = await SigningKeyAsync(node);
        }

        _time.Advance(TimeSpan.FromDays(400));
        await using var later = await StartAsync(_time);
        Assert.Equal(first, await SigningKeyAsync(later));
        Assert.Equal(2, (await PublishedAsync(later)).Count);
        _time.Advance(TimeSpan.FromDays(2));
        Assert.NotEqual(first, await SigningKeyAsync(later));
    }

    [Fact]
    public async Task Clock_SetBackBehindTheFirstKey_StillSigns()
    {
        await using var node = await StartAsync(_time);
        await using var late = await StartAsync(new OffsetTimeProvider(TimeSpan.FromDays(-1)));
        Assert.Equal(await SigningKeyAsync(node), await SigningKeyAsync(late));
    }

    private Task<HostedServer> StartAsync(TimeProvider time) =>
        HostedServer.StartAsync(Clients, time: time, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["DATA_DIR"] = _directory.FullName });

    private static async Task<IReadOnlyList<JsonObject>> KeysAsync(HostedServer node)
    {
        using var http = new HttpClient { BaseAddress = node.Url };
        return [.. ((JsonArray)(await http.GetFromJsonAsync<JsonObject>("/connect/jwks"))!["keys"]!).Select(key => (JsonObject)key!)];
    }

    private static async Task<IReadOnlyList<string>> PublishedAsync(HostedServer node) =>
        [.. (await KeysAsync(node)).Where(key => (string)key["alg"]! == "ES256").Select(key => (string)key["kid"]!)];

    private static async Task<string> SigningKeyAsync(HostedServer node)
    {
        var header = JsonNode.Parse(Base64UrlEncoder.Decode((await TokenAsync(node)).Split('.')[0]))!;
        return (string)header["kid"]!;
    }

    private static async Task<string> TokenAsync(HostedServer node)
    {
        using var http = new HttpClient { BaseAddress = node.Url };
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>(StringComparer.Ordinal) { ["grant_type"] = "client_credentials", ["client_id"] = "service", ["client_secret"] = "0123456789abcdef0123456789abcdef" });
        using var answer = await http.PostAsync(new Uri("/connect/token", UriKind.Relative), form);
        return (string)(await answer.Content.ReadFromJsonAsync<JsonObject>())!["access_token"]!;
    }
}
