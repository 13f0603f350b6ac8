using Identity.Tests.External;

namespace Identity.Tests.CommandLine;

/// <summary>identity federation check NAME: what is wrong with a provider as it answers now, in the words of docs/openam.md.</summary>
public sealed class FederationCommandTests
{
    [Fact]
    public async Task Check_OfAProviderThatIsSetRight_SaysWhatToEnterThere()
    {
        using var key = new TestKey();
        await using var provider = await StubProvider.StartAsync();
        using var shell = Serve(provider, key.Jwks());
        var spoken = (await shell.RunAsync("federation", "check", "openam")).Done();
        Assert.StartsWith("openam: no problem found.", spoken.Output, StringComparison.Ordinal);
        Assert.Contains("note: register at the provider: redirect URI http", spoken.Output, StringComparison.Ordinal);
        Assert.Contains("/external/openam/callback", spoken.Output, StringComparison.Ordinal);
        Assert.Contains("note: the provider also offers HS256", spoken.Output, StringComparison.Ordinal);
        var json = (await shell.RunAsync("federation", "check", "openam", "--json")).Done().Json;
        Assert.True((bool)json["ok"]!);
        Assert.DoesNotContain(json["findings"]!.AsArray(), finding => (bool)finding!["problem"]!);
    }

    [Theory]
    [InlineData("shipped key", "ships with every OpenAM")]
    [InlineData("no key", "holds no key")]
    [InlineData("other issuer", "Federation:Providers:openam:Issuers")]
    [InlineData("down", "cannot be read within")]
    [InlineData("a page", "answers what is no discovery document")]
    public async Task Check_OfAProviderThatIsSetWrong_SaysWhatMendsIt_AndFails(string how, string words)
    {
        await using var provider = await StubProvider.StartAsync();
        using var shell = Serve(provider, how == "shipped key" ? Recording.Text("oidc/jwks-root.json") : "{\"keys\":[]}");
        provider.IsDown = how == "down";
        if (how is "other issuer" or "a page")
        {
            provider.On("GET /openam/oauth2/.well-known/openid-configuration", new StubAnswer(200, how == "a page" ? "<html>" : Recording.Text("oidc/discovery-sub.json")));
        }

        var spoken = await shell.RunAsync("federation", "check", "openam");
        Assert.Equal(1, spoken.Code);
        Assert.Contains(words, spoken.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("rp-secret-78", spoken.Output + spoken.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_OfNobody_SaysSo()
    {
        using var shell = new Shell();
        var spoken = await shell.RunAsync("federation", "check", "nobody");
        Assert.Equal(1, spoken.Code);
        Assert.Contains("Federation:Providers:nobody", spoken.Output, StringComparison.Ordinal);
    }

    private static Shell Serve(StubProvider provider, string keys)
    {
        var root = $"http://127.0.0.1:{provider.Port}/openam/oauth2";
        provider.On("GET /openam/oauth2/.well-known/openid-configuration", new StubAnswer(200, Recording.Text("oidc/discovery-root.json").Replace(ExternalWorld.Issuer, root, StringComparison.Ordinal)));
        provider.On("GET /openam/oauth2/connect/jwk_uri", new StubAnswer(200, keys));
        var settings = ExternalWorld.Root("rp-nocons");
        settings["Federation:Providers:openam:Authority"] = root;
        settings.Remove("Federation:Providers:openam:CallbackPath");
        settings["Federation:Providers:openam:Timeout"] = "00:00:02";
        return new Shell([.. settings.Select(pair => (pair.Key, pair.Value))]);
    }
}
