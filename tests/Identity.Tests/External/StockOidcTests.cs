// OpenID Connect Core 1.0 as a relying party of npm oidc-provider: as it is, and with each thing that OpenAM does otherwise (docs/openam.md).
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Tests.Api;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.External;

/// <summary>One provider process, and one server that knows each of its providers: with OpenAM's preset, and some without it under NAME-strict.</summary>
public sealed class StockOidcFixture : IAsyncLifetime
{
    private static readonly string[] s_bySpecs = ["plain", "es256", "ps256", "post", "jwt"];
    private static readonly string[] s_openAm =
    [
        "issuer-by-host", "realm-alias", "bare-discovery", "hidden-revocation", "kid-of-the-rsa-key", "hs256", "key-change", "auth-colon-time", "auth-colon-time-in-milliseconds",
        "login-as-typed", "more-claims", "no-email-verified", "no-challenge-at-userinfo", "no-iss-in-errors", "interaction-required", "login-required-on-max-age",
        "permanent-redirect-to-sign-in", "redirect-uri-mismatch", "method-not-allowed", "server-error-as-400", "other-client-method", "html-fault", "redirecting-fault", "end-session-by-get-with-hint",
    ];

    private static readonly string[] s_strict = ["issuer-by-host", "kid-of-the-rsa-key", "auth-colon-time", "no-iss-in-errors", "interaction-required", "login-required-on-max-age"];
    private readonly string _keyFile = Path.GetTempFileName();
    private string? _missing;

    public StockProvider Provider { get; private set; } = null!;

    public HostedServer Server { get; private set; } = null!;

    public CapturedLogs Logs { get; } = new();

    /// <summary>The server's clock.</summary>
    public OffsetTimeProvider Time { get; } = new(TimeSpan.Zero);

    public async ValueTask InitializeAsync()
    {
        _missing = StockProvider.Missing("oidc-provider");
        if (_missing is not null)
        {
            return;
        }

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await File.WriteAllTextAsync(_keyFile, key.ExportPkcs8PrivateKeyPem());
        var parameters = key.ExportParameters(includePrivateParameters: false);
        Provider = await StockProvider.StartAsync("openid-provider.mjs");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in s_bySpecs.Concat(s_openAm))
        {
            Add(settings, name, name, s_openAm.Contains(name, StringComparer.Ordinal));
        }

        foreach (var name in s_strict)
        {
            Add(settings, name, name + "-strict", isOpenAm: false);
        }

        settings["Federation:Providers:post:ClientAuthentication"] = "client_secret_post";
        settings["Federation:Providers:jwt:ClientAuthentication"] = "private_key_jwt";
        settings["Federation:Providers:jwt:ClientKeyFile"] = _keyFile;
        settings["Federation:Providers:more-claims:Realm"] = "/partners";
        settings["Federation:Providers:issuer-by-host:Issuers:0"] = new UriBuilder(new Uri(Provider.Address, "issuer-by-host")) { Host = "front.example.test" }.Uri.AbsoluteUri;
        settings["Federation:Providers:issuer-by-host:Issuers:1"] = "http://front.example.test/issuer-by-host";
        settings["Federation:Providers:issuer-by-host:Issuers:2"] = "http://back.example.test/issuer-by-host";
        settings["Federation:Providers:realm-alias:Discovery"] = new Uri(Provider.Address, "realm-alias/alias/.well-known/openid-configuration").AbsoluteUri;
        Server = await HostedServer.StartAsync(time: Time, settings: settings);
        Server.Services.GetRequiredService<ILoggerFactory>().AddProvider(Logs);
        await Provider.ServeAsync(new JsonObject
        {
            ["clientUrl"] = Server.Url.AbsoluteUri.TrimEnd('/'),
            ["clientJwk"] = new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["use"] = "sig", ["alg"] = "ES256", ["kid"] = "ours", ["x"] = Base64UrlEncoder.Encode(parameters.Q.X), ["y"] = Base64UrlEncoder.Encode(parameters.Q.Y) },
        });
    }

    /// <summary>Skips where npm's packages are not there.</summary>
    public void Require()
    {
        Assert.SkipWhen(_missing is not null && Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") != "1", _missing ?? "");
        Assert.Null(_missing);
    }

    /// <summary>What the provider was asked: <c>NAME METHOD PATH</c>.</summary>
    public async Task<string[]> SeenAsync()
    {
        using var http = new HttpClient();
        return (await http.GetFromJsonAsync<string[]>(new Uri(Provider.Address, "control/seen")))!;
    }

    public async ValueTask DisposeAsync()
    {
        File.Delete(_keyFile);
        if (_missing is null)
        {
            await Server.DisposeAsync();
            await Provider.DisposeAsync();
        }
    }

    private void Add(Dictionary<string, string> settings, string provider, string name, bool isOpenAm)
    {
        var section = $"Federation:Providers:{name}:";
        settings[section + "Type"] = "oidc";
        settings[section + "Authority"] = new Uri(Provider.Address, provider).AbsoluteUri;
        settings[section + "ClientId"] = name == provider ? "identity" : "identity-strict";
        settings[section + "ClientSecret"] = "a-secret-of-the-other-provider-of-32-characters";
        if (isOpenAm)
        {
            settings[section + "Preset"] = "openam";
        }
    }
}

/// <summary>Whoever wrote the provider, a person signs in at it in a browser and comes back.</summary>
public sealed class StockOidcTests(StockOidcFixture fixture) : IClassFixture<StockOidcFixture>
{
    private const string MaxAge = "/connect/authorize?client_id=x&max_age=3600";

    [Theory]
    [InlineData("plain")]
    [InlineData("es256")]
    [InlineData("ps256")]
    [InlineData("post")]
    [InlineData("jwt")]
    public async Task StockProvider_WithEachAlgorithmAndClientAuthentication_SignsIn(string name)
    {
        fixture.Require();
        using var browser = new Browser(fixture.Server.Url);
        Assert.Equal("/account", await SignInAsync(browser, name));
        Assert.Equal($"alice@{name}.example.com", await ExternalWorld.PersonAsync(browser));
        Assert.True((await FindAsync($"alice@{name}.example.com")).EmailVerified);
    }

    [Theory]
    [InlineData("issuer-by-host")]
    [InlineData("realm-alias")]
    [InlineData("bare-discovery")]
    [InlineData("kid-of-the-rsa-key")]
    [InlineData("auth-colon-time")]
    [InlineData("auth-colon-time-in-milliseconds")]
    [InlineData("more-claims")]
    [InlineData("interaction-required")]
    [InlineData("login-required-on-max-age")]
    [InlineData("permanent-redirect-to-sign-in")]
    public async Task Difference_OfOpenAm_SignsInUnderThePreset(string name)
    {
        fixture.Require();
        using var browser = new Browser(fixture.Server.Url);

        // Asked for a time of sign-in, so that it has to be told.
        Assert.Equal(MaxAge, await SignInAsync(browser, name, returnUrl: MaxAge));
        Assert.Equal($"alice@{name}.example.com", await ExternalWorld.PersonAsync(browser));
    }

    [Theory]
    [InlineData("issuer-by-host", "Setup", "issuer")]
    [InlineData("kid-of-the-rsa-key", "Refused", "key")]
    [InlineData("auth-colon-time", "NotFresh", "auth_time")]
    [InlineData("interaction-required", "NotFresh", "interaction_required")]
    [InlineData("login-required-on-max-age", "NotFresh", "login_required")]
    public async Task Difference_WithoutThePreset_GivesItsPage(string name, string problem, string reason)
    {
        fixture.Require();
        using var browser = new Browser(fixture.Server.Url);
        Assert.Equal((problem, reason), await FailAsync(browser, name + "-strict", returnUrl: MaxAge));
        Assert.Null(await ExternalWorld.PersonAsync(browser));
    }

    [Theory]
    [InlineData("hs256", "Setup", "alg")]
    [InlineData("redirect-uri-mismatch", "Setup", "redirect_uri_mismatch")]
    [InlineData("method-not-allowed", "Refused", "method_not_allowed")]
    [InlineData("server-error-as-400", "Unavailable", "server_error")]
    [InlineData("other-client-method", "Setup", "invalid_client")]
    [InlineData("html-fault", "Unavailable", "answer")]
    [InlineData("redirecting-fault", "Unavailable", "answer")]
    [InlineData("no-challenge-at-userinfo", "Unavailable", "unreachable")]
    public async Task Fault_AsOpenAmWritesIt_GivesItsPage(string name, string problem, string reason)
    {
        fixture.Require();
        using var browser = new Browser(fixture.Server.Url);
        Assert.Equal((problem, reason), await FailAsync(browser, name));
        Assert.Null(await ExternalWorld.PersonAsync(browser));
    }

    [Fact]
    public async Task RefreshToken_ThatNobodyAskedFor_IsRevokedWhereOpenAmDoesNotSayThatItIsServed()
    {
        fixture.Require();
        using var browser = new Browser(fixture.Server.Url);
        Assert.Equal("/account", await SignInAsync(browser, "hidden-revocation"));
        Assert.Contains("hidden-revocation POST /token/revoke", await fixture.SeenAsync());
        Assert.DoesNotContain(fixture.Logs.Lines, line => line.Contains("(revoke)", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Email_WithoutEmailVerified_IsNotVerified()
    {
        fixture.Require();
        using var browser = new Browser(fixture.Server.Url);
        Assert.Equal("/account", await SignInAsync(browser, "no-email-verified"));
        Assert.False((await FindAsync("alice@no-email-verified.example.com")).EmailVerified);
    }

    [Fact]
    public async Task Login_TypedInEachSpelling_IsOnePerson()
    {
        fixture.Require();
        foreach (var login in (string[])["alice", "ALICE", "Alice"])
        {
            using var browser = new Browser(fixture.Server.Url);
            Assert.Equal("/account", await SignInAsync(browser, "login-as-typed", login));
            Assert.Equal("alice@login-as-typed.example.com", await ExternalWorld.PersonAsync(browser));
        }
    }

    [Theory]
    [InlineData("no-iss-in-errors", "Denied", "access_denied")]
    [InlineData("no-iss-in-errors-strict", "Refused", "iss")]
    [InlineData("plain", "Denied", "access_denied")]
    public async Task Person_WhoSaysNoThere_IsToldSo(string name, string problem, string reason)
    {
        fixture.Require();
        using var browser = new Browser(fixture.Server.Url);
        Assert.Equal((problem, reason), await FailAsync(browser, name, login: null));
    }

    [Fact]
    public async Task Key_WhenTheProviderDropsTheOldOneAtOnce_IsFetchedAnew()
    {
        fixture.Require();
        using var browser = new Browser(fixture.Server.Url);
        Assert.Equal("/account", await SignInAsync(browser, "key-change"));
        using var http = new HttpClient();
        (await http.GetAsync(new Uri(fixture.Provider.Address, "control/rotate/key-change"))).Dispose();

        // Nobody asks again within ten seconds of the last time.
        fixture.Time.Advance(TimeSpan.FromSeconds(11));
        using var other = new Browser(fixture.Server.Url);
        Assert.Equal("/account", await SignInAsync(other, "key-change", "bob"));
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("end-session-by-get-with-hint")]
    public async Task SignOut_Here_SignsOutThereAndComesBack(string name)
    {
        fixture.Require();
        using var browser = new Browser(fixture.Server.Url);
        Assert.Equal("/account", await SignInAsync(browser, name, "carol"));
        using var signedOut = await browser.SubmitAsync("/signout", []);
        Assert.Null(await ExternalWorld.PersonAsync(browser));
        using var page = await browser.GetAsync(signedOut.Headers.Location!.OriginalString);
        var address = new Uri(page.Headers.GetValues("Refresh").Single()["0; url=".Length..]);
        Assert.Contains("id_token_hint=", address.Query, StringComparison.Ordinal);

        // It asks the person, as every provider may.
        using var asked = await browser.SubmitAsync(address.AbsoluteUri, new() { ["logout"] = "yes" }, change: fields => fields["logout"] = "yes");
        var back = await FollowAsync(browser, asked.Headers.Location!);
        Assert.Equal("/signed-out", back);

        // There it is over too: the next sign-in asks who it is.
        using var again = await browser.GetAsync($"/external/{name}?returnUrl=/account");
        using var there = await browser.GetAsync(again.Headers.Location!.AbsoluteUri);
        Assert.Contains("/interaction/", there.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SignOut_There_EndsTheSessionHereByBackChannel()
    {
        fixture.Require();
        using var browser = new Browser(fixture.Server.Url);
        Assert.Equal("/account", await SignInAsync(browser, "plain", "dave"));
        Assert.NotNull(await ExternalWorld.PersonAsync(browser));
        using var asked = await browser.SubmitAsync(new Uri(fixture.Provider.Address, "plain/session/end").AbsoluteUri, [], change: fields => fields["logout"] = "yes");
        Assert.True((int)asked.StatusCode < 400, await asked.Content.ReadAsStringAsync());

        // It answers once it has told everybody.
        Assert.True(await ExternalWorld.PersonAsync(browser) is null, string.Join('\n', (await fixture.SeenAsync()).TakeLast(5)));
    }

    /// <summary>Presses the button, signs in there (null: says no), and comes back; where that leads.</summary>
    private async Task<string> SignInAsync(Browser browser, string name, string? login = "alice", string returnUrl = "/account")
    {
        using var answer = await browser.GetAsync($"/external/{name}?returnUrl={Uri.EscapeDataString(returnUrl)}");
        return await FollowAsync(browser, answer.Headers.Location!, login);
    }

    private async Task<(string Problem, string Reason)> FailAsync(Browser browser, string name, string? login = "alice", string returnUrl = "/account")
    {
        var before = fixture.Logs.Lines.Count;
        var location = await SignInAsync(browser, name, login, returnUrl);
        var problem = await ExternalWorld.ProblemAsync(browser, new Uri(location, UriKind.Relative));
        var told = fixture.Logs.Lines.Skip(before).Last(line => line.Contains("ExternalFailures", StringComparison.Ordinal));
        return (problem, told.Split('(', 2)[1].Split(')')[0]);
    }

    // As a browser would, until it stands at a page of ours.
    private async Task<string> FollowAsync(Browser browser, Uri location, string? login = "alice")
    {
        for (var step = 0; step < 15; step++)
        {
            var at = location.IsAbsoluteUri ? location : new Uri(fixture.Server.Url, location);
            if (at.Port == fixture.Server.Url.Port && !at.AbsolutePath.EndsWith("/callback", StringComparison.Ordinal) && !at.AbsolutePath.EndsWith("/signed-out", StringComparison.Ordinal))
            {
                return at.PathAndQuery;
            }

            if (at.AbsolutePath == "/signed-out")
            {
                return at.AbsolutePath;
            }

            using var answer = at.AbsolutePath.Contains("/interaction/", StringComparison.Ordinal)
                ? login is null ? await browser.GetAsync(at.AbsoluteUri + "/abort") : await browser.SubmitAsync(at.AbsoluteUri, new() { ["login"] = login, ["password"] = "any" })
                : await browser.GetAsync(at.AbsoluteUri);
            Assert.True(answer.Headers.Location is not null, $"{at}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
            location = new Uri(at, answer.Headers.Location);
        }

        throw new InvalidOperationException("It leads nowhere: " + location);
    }

    private async Task<Account> FindAsync(string email)
    {
        var services = fixture.Server.Services;
        return (await services.GetRequiredService<IAccountStore>().FindByEmailAsync(services.GetRequiredService<ILookupNormalizer>().NormalizeEmail(email)!, CancellationToken.None))!;
    }
}
