// RFC 7517, RFC 7638 and OpenID Connect Core §10.1.1: keys made, published early, rotated and kept until their last token died.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.OAuth.Keys;
using Identity.Tests.Kit.InMemory;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Tests.Keys;

public sealed class KeyRingTests : IAsyncDisposable
{
    private readonly InMemorySigningKeys _store = new();
    private readonly OAuthHost _host;

    public KeyRingTests() => _host = new OAuthHost(keys: _store);

    private KeyRing Ring => _host.Get<KeyRing>();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Jwks_AtFirstUse_HoldsOnePublicKeyPerAlgorithm()
    {
        var keys = await KeysAsync();
        Assert.Equal(["ES256", "PS256", "RS256"], keys.Select(key => (string)key["alg"]!).Order());
        Assert.Equal(3, keys.Select(key => (string)key["kid"]!).Distinct().Count());
        Assert.All(keys, key =>
        {
            var allowed = (string)key["kty"]! == "EC" ? new[] { "alg", "crv", "kid", "kty", "use", "x", "y" } : ["alg", "e", "kid", "kty", "n", "use"];
            Assert.Equal(allowed, key.Select(member => member.Key).Order());
            Assert.Equal("sig", (string)key["use"]!);
        });
        Assert.All(keys.Where(key => (string)key["kty"]! == "RSA"), key => Assert.True(Base64UrlEncoder.DecodeBytes((string)key["n"]!).Length >= 256));
    }

    [Fact]
    public async Task Kid_OfEachKey_IsItsThumbprint()
    {
        foreach (var key in await KeysAsync())
        {
            var canonical = (string)key["kty"]! == "EC"
                ? $$"""{"crv":"P-256","kty":"EC","x":"{{key["x"]}}","y":"{{key["y"]}}"}"""
                : $$"""{"e":"{{key["e"]}}","kty":"RSA","n":"{{key["n"]}}"}""";
            Assert.Equal(Base64UrlEncoder.Encode(SHA256.HashData(Encoding.UTF8.GetBytes(canonical))), (string)key["kid"]!);
        }
    }

    [Fact]
    public void Thumbprint_OfRfc7638Section31_IsTheVector()
    {
        var key = new JsonWebKey("""
            {"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}
            """);
        Assert.Equal("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", Base64UrlEncoder.Encode(key.ComputeJwkThumbprint()));
    }

    [Fact]
    public async Task Store_OfTheKeys_HoldsNoneInClear()
    {
        await KeysAsync();
        foreach (var stored in await _store.ListAsync(OAuthHost.Cancel))
        {
            Assert.ThrowsAny<CryptographicException>(() => SigningKey.Import(stored.Algorithm, stored.ProtectedKey));
        }
    }

    [Fact]
    public async Task Rotation_ByTheClock_PublishesAheadSignsThenAndKeepsTheOldOne()
    {
        var first = await SigningKidAsync(Ring);
        _host.Time.Advance(TimeSpan.FromDays(88) - TimeSpan.FromMinutes(1));
        Assert.Equal([first], await PublishedAsync(Ring));

        // Two days ahead: published, and does not sign yet.
        _host.Time.Advance(TimeSpan.FromMinutes(1));
        var published = await PublishedAsync(Ring);
        Assert.Equal(2, published.Count);
        Assert.Equal(first, await SigningKidAsync(Ring));
        var second = published.Single(kid => kid != first);

        _host.Time.Advance(TimeSpan.FromDays(2) - TimeSpan.FromSeconds(1));
        Assert.Equal(first, await SigningKidAsync(Ring));
        _host.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(second, await SigningKidAsync(Ring));

        // The old one goes on being published until whatever it signed is dead: a day of access tokens, seven of hints.
        _host.Time.Advance(TimeSpan.FromDays(8) - TimeSpan.FromMinutes(1));
        Assert.Contains(first, await PublishedAsync(Ring));
        _host.Time.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal([second], await PublishedAsync(Ring));
        Assert.DoesNotContain(await _store.ListAsync(OAuthHost.Cancel), key => key.Kid == first);
    }

    [Fact]
    public async Task Rotation_SeenFromAnotherNode_IsKnownLongBeforeItSigns()
    {
        await using var other = new OAuthHost(keys: _store);
        await SigningKidAsync(Ring);
        await SigningKidAsync(other.Get<KeyRing>());
        _host.Time.Advance(TimeSpan.FromDays(88));
        other.Time.Advance(TimeSpan.FromDays(88));
        var here = await PublishedAsync(Ring);
        Assert.Equal(2, here.Count);
        Assert.Equal(here, await PublishedAsync(other.Get<KeyRing>()));
        _host.Time.Advance(TimeSpan.FromDays(2));
        other.Time.Advance(TimeSpan.FromDays(2));
        Assert.Equal(await SigningKidAsync(Ring), await SigningKidAsync(other.Get<KeyRing>()));
    }

    [Fact]
    public async Task Nodes_ThatStartAtOnce_AgreeOnTheKeys()
    {
        var nodes = Enumerable.Range(0, 6).Select(_ => new OAuthHost(keys: _store)).ToArray();
        var published = await Task.WhenAll(nodes.Select(node => Task.Run(async () => (await node.Get<KeyRing>().GetJwksAsync(OAuthHost.Cancel)).ToArray())));
        foreach (var node in nodes)
        {
            await node.DisposeAsync();
        }

        Assert.Single(published.Select(Convert.ToHexString).Distinct());
        Assert.Equal(3, (await _store.ListAsync(OAuthHost.Cancel)).Count);
    }

    [Fact]
    public async Task Rotation_AfterALongTimeSwitchedOff_StillPublishesAheadFirst()
    {
        var first = await SigningKidAsync(Ring);
        _host.Time.Advance(TimeSpan.FromDays(400));
        Assert.Equal(first, await SigningKidAsync(Ring));
        Assert.Equal(2, (await PublishedAsync(Ring)).Count);
        _host.Time.Advance(TimeSpan.FromDays(2));
        Assert.NotEqual(first, await SigningKidAsync(Ring));
    }

    [Fact]
    public async Task Clock_SetBackBehindTheFirstKey_StillSigns()
    {
        var first = await SigningKidAsync(Ring);
        await using var late = new OAuthHost(keys: _store, more: services =>
            services.AddClock(new Identity.Tests.Kit.FakeTimeProvider(_host.Now.AddDays(-1))));
        Assert.Equal(first, await SigningKidAsync(late.Get<KeyRing>()));
    }

    [Fact]
    public async Task UnknownKid_WhenSentOften_CostsTheStoreLittle()
    {
        await KeysAsync();
        var reads = _store.Reads;
        for (var i = 0; i < 100; i++)
        {
            Assert.Null(await Ring.FindAsync("nobody" + i, OAuthHost.Cancel));
        }

        Assert.Equal(reads, _store.Reads);
        _host.Time.Advance(TimeSpan.FromSeconds(5));
        Assert.Null(await Ring.FindAsync("nobody", OAuthHost.Cancel));
        Assert.Null(await Ring.FindAsync("nobody", OAuthHost.Cancel));
        Assert.Equal(reads + 1, _store.Reads);
    }

    [Fact]
    public async Task SigningKey_OfAnAlgorithmWeDoNotHave_IsABug() =>
        await Assert.ThrowsAsync<ArgumentException>(async () => await Ring.GetSigningKeyAsync("HS256", OAuthHost.Cancel));

    private async Task<IReadOnlyList<JsonObject>> KeysAsync() =>
        [.. JsonNode.Parse((await Ring.GetJwksAsync(OAuthHost.Cancel)).Span)!["keys"]!.AsArray().Select(key => key!.AsObject())];

    private static async Task<string> SigningKidAsync(KeyRing ring) => (await ring.GetSigningKeyAsync("ES256", OAuthHost.Cancel)).Kid;

    private static async Task<IReadOnlyList<string>> PublishedAsync(KeyRing ring) =>
    [
        .. JsonNode.Parse((await ring.GetJwksAsync(OAuthHost.Cancel)).Span)!["keys"]!.AsArray().Where(key => (string)key!["alg"]! == "ES256").Select(key => (string)key!["kid"]!),
    ];
}
