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

    // ASP.NET Core's handler would answer there in our place, or never be asked.
    [Theory]
    [InlineData("/connect/token")]
    [InlineData("/api/identity/login")]
    [InlineData("/SignIn")]
    [InlineData("/docs/back")]
    [InlineData("/external/corp")]
    [InlineData("/external/corp/signed-out")]
    public async Task CallbackPath_WhenItIsOneOfOurOwn_IsRefused(string path)
    {
        using var shell = new Shell([.. Provider(("CallbackPath", path), ("ClientSecret", "x"))]);
        Assert.Equal($"Federation:Providers:corp:CallbackPath: expected another path: {path} is one of this service's own.", (await shell.RunAsync("federation", "check", "nobody")).Refused());
    }

    [Fact]
    public async Task CallbackPath_WhenAnotherProviderHasItByDefault_IsRefused()
    {
        using var shell = new Shell([.. Provider(("CallbackPath", "/external/other/callback"), ("ClientSecret", "x")), ("Federation:Providers:other:Authority", "https://other.example"), ("Federation:Providers:other:ClientId", "rp"), ("Federation:Providers:other:ClientSecret", "y")]);
        Assert.Contains("expected a path of its own for each CallbackPath", (await shell.RunAsync("federation", "check", "nobody")).Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_OfAProviderWithAKeyAndAnAlgorithmOfNoUse_SaysSo()
    {
        using var key = new TestKey();
        await using var provider = await StubProvider.StartAsync();
        using var shell = Serve(provider, """{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"k","n":"!","e":"AQAB"}]}""");
        var discovery = provider.Routes["GET /openam/oauth2/.well-known/openid-configuration"];
        provider.Routes["GET /openam/oauth2/.well-known/openid-configuration"] = async request => await discovery(request) is var answer
            ? answer with { Body = answer.Body.Replace("\"id_token_signing_alg_values_supported\": [", "\"id_token_signing_alg_values_supported\": [\"\",", StringComparison.Ordinal) }
            : answer;
        var spoken = await shell.RunAsync("federation", "check", "openam");
        Assert.Equal(1, spoken.Code);
        Assert.Contains("no key that can be used", spoken.Output, StringComparison.Ordinal);
    }

    // It was opened at the first sign-in.
    [Theory]
    [InlineData("no key at all")]
    [InlineData("public")]
    [InlineData("private")]
    public async Task ClientKeyFile_WhenItHoldsNoPrivateKey_IsRefusedAtStart(string content)
    {
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        using var files = new Shell();
        var file = files.File("key.pem", content switch { "public" => key.ExportSubjectPublicKeyInfoPem(), "private" => key.ExportPkcs8PrivateKeyPem(), _ => content });
        using var shell = new Shell([.. Provider(("ClientAuthentication", "private_key_jwt"), ("ClientKeyFile", file), ("CallbackPath", "/external/corp/back"))]);
        var line = (await shell.RunAsync("federation", "check", "nobody")).Output + (await shell.RunAsync("federation", "check", "nobody")).Error;
        Assert.Equal(content != "private", line.Contains("Federation:Providers:corp:ClientKeyFile: expected ", StringComparison.Ordinal));
    }

    private static IEnumerable<(string Name, string Value)> Provider(params (string Name, string Value)[] more) =>
        more.Prepend(("ClientId", "rp")).Prepend(("Authority", "https://corp.example")).Select(setting => ($"Federation:Providers:corp:{setting.Item1}", setting.Item2));

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
