// OpenID Connect Core §3.1 and SAML 2.0 Profiles §4.1, §4.4 in a browser: through the button to providers that others wrote (npm oidc-provider, samlify), and back.
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Identity.Tests.Kit.Hosting;
using Microsoft.Playwright;

namespace Identity.Browser.Tests;

/// <summary>A server that people come to from either provider. They are at another site than it is, as browsers see it.</summary>
public sealed class ExternalSignInFixture : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("identity-saml-");
    private StockProvider? _openId;
    private StockProvider? _saml;

    public HostedServer? Server { get; private set; }

    public string? Missing { get; } = StockProvider.Missing("oidc-provider") ?? StockProvider.Missing("samlify");

    public async ValueTask InitializeAsync()
    {
        if (Missing is not null)
        {
            return;
        }

        using var ours = RSA.Create(2048);
        using var theirs = RSA.Create(2048);
        var (certificateFile, keyFile) = (Path.Combine(_folder.FullName, "saml.crt"), Path.Combine(_folder.FullName, "saml.key"));
        await File.WriteAllTextAsync(certificateFile, Certificate(ours).ExportCertificatePem());
        await File.WriteAllTextAsync(keyFile, ours.ExportPkcs8PrivateKeyPem());
        _openId = await StockProvider.StartAsync("openid-provider.mjs");
        _saml = await StockProvider.StartAsync("saml-provider.mjs");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Federation:Providers:plain:Type"] = "oidc",
            ["Federation:Providers:plain:DisplayName"] = "plain",
            ["Federation:Providers:plain:Authority"] = new Uri(_openId.Address, "plain").AbsoluteUri,
            ["Federation:Providers:plain:ClientId"] = "identity",
            ["Federation:Providers:plain:ClientSecret"] = "a-secret-of-the-other-provider-of-32-characters",
        };
        foreach (var binding in (string[])["redirect", "post"])
        {
            var metadata = new Uri(_saml.Address, $"saml-{binding}/metadata").AbsoluteUri;
            var section = $"Federation:Providers:saml-{binding}:";
            settings[section + "Type"] = "saml";
            settings[section + "Authority"] = metadata;
            settings[section + "Metadata"] = metadata;
            settings[section + "RequestBinding"] = binding;
            settings[section + "CertificateFile"] = certificateFile;
            settings[section + "KeyFile"] = keyFile;
        }

        Server = await HostedServer.StartAsync(settings: settings);
        var client = Server.Url.AbsoluteUri.TrimEnd('/');
        await _openId.ServeAsync(new JsonObject { ["clientUrl"] = client, ["clientJwk"] = new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["x"] = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", ["y"] = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" } });
        await _saml.ServeAsync(new JsonObject { ["clientUrl"] = client, ["key"] = theirs.ExportRSAPrivateKeyPem(), ["certificate"] = Convert.ToBase64String(Certificate(theirs).RawData) });
    }

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
        {
            await Server.DisposeAsync();
        }

        foreach (var provider in new[] { _openId, _saml })
        {
            if (provider is not null)
            {
                await provider.DisposeAsync();
            }
        }

        _folder.Delete(recursive: true);
    }

    private static X509Certificate2 Certificate(RSA key) =>
        new CertificateRequest("CN=saml", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100));
}

[Collection(BrowserCollection.Name)]
public sealed class ExternalSignInTests(BrowserFixture browsers, ExternalSignInFixture fixture) : IClassFixture<ExternalSignInFixture>
{
    [Theory]
    [InlineData("plain", true)]
    [InlineData("plain", false)]
    [InlineData("saml-redirect", true)]
    [InlineData("saml-post", true)]
    [InlineData("saml-post", false)]
    public async Task NewPerson_ThroughTheButton_HasAnAccount_AndSigningOutGoesOnThereAndComesBack(string provider, bool javaScript)
    {
        await using var visit = await VisitAsync(javaScript);
        var (page, login) = (visit.Page, NewLogin());

        // Without JavaScript a form that would send itself has a button: ours with the request, theirs with the answer.
        var hasButtons = !javaScript && provider == "saml-post";
        await visit.GotoAsync(fixture.Server!.Url + "signin");
        await page.GetByRole(AriaRole.Link, new() { Name = "Continue with " + provider }).ClickAsync();
        await (hasButtons ? visit.PressAsync("Continue") : Task.CompletedTask);
        await SignInThereAsync(page, login);
        await (hasButtons ? visit.PressAsync("Continue") : Task.CompletedTask);
        await page.ArriveAtAsync("**/account");
        await Assertions.Expect(page.Locator(".page-head bdi")).ToHaveTextAsync($"{login}@{provider}.example.com");

        // Signed in there, nobody is asked again.
        await page.Context.ClearCookiesAsync(new() { Domain = "localhost" });
        await visit.GotoAsync(fixture.Server.Url + "signin");
        await page.GetByRole(AriaRole.Link, new() { Name = "Continue with " + provider }).ClickAsync();
        if (hasButtons)
        {
            await visit.PressAsync("Continue");
            await page.ArriveAtAsync("**/sso");
            await visit.PressAsync("Continue");
        }

        await page.ArriveAtAsync("**/account");

        await visit.GotoAsync(fixture.Server.Url + "signout");
        await visit.PressAsync("Sign out");
        if (provider == "plain")
        {
            await page.GetByRole(AriaRole.Button, new() { Name = "Yes, sign me out" }).ClickAsync();
        }

        await page.ArriveAtAsync("**/signed-out");
        await visit.GotoAsync(fixture.Server.Url + "signin");
        await page.GetByRole(AriaRole.Link, new() { Name = "Continue with " + provider }).ClickAsync();
        await (hasButtons ? visit.PressAsync("Continue") : Task.CompletedTask);
        await Assertions.Expect(page.Locator("input[name=login]")).ToBeVisibleAsync();
        visit.AssertPolicyHeld();
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("saml-redirect")]
    public async Task ExistingAccount_IsConnectedOnceItsOwnerProvesIt_AndDisconnectedOnTheAccountPage(string provider)
    {
        await using var visit = await VisitAsync();
        var (page, login) = (visit.Page, NewLogin());
        await fixture.Server!.RegisterAsync($"{login}@{provider}.example.com", BrowserFixture.Password, "Ada", "Lovelace");
        await visit.GotoAsync(fixture.Server.Url + "signin");
        await page.GetByRole(AriaRole.Link, new() { Name = "Continue with " + provider }).ClickAsync();
        await SignInThereAsync(page, login);
        await page.ArriveAtAsync("**/external/link?*");
        await page.GetByLabel("Password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
        await page.Keyboard.PressAsync("Enter");
        await page.ArriveAtAsync("**/account");

        await visit.GotoAsync(fixture.Server.Url + "account/connections");
        await page.GetByRole(AriaRole.Button, new() { Name = "Disconnect: " + provider }).ClickAsync();
        await page.ArriveAtAsync("**/account/connections?done=Disconnected");
        await Assertions.Expect(page.GetByRole(AriaRole.Button, new() { Name = "Disconnect: " + provider })).ToHaveCountAsync(0);

        // And connected again from here, where its owner is signed in.
        await page.GetByRole(AriaRole.Link, new() { Name = $"Connect {provider}", Exact = true }).ClickAsync();
        await page.ArriveAtAsync("**/account/connections?done=Connected");
        await Assertions.Expect(page.GetByRole(AriaRole.Button, new() { Name = "Disconnect: " + provider })).ToBeVisibleAsync();
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Person_WhoSaysNoThere_IsToldSo_AndCanSignInAnotherWay()
    {
        await using var visit = await VisitAsync();
        var page = visit.Page;
        await visit.GotoAsync(fixture.Server!.Url + "signin");
        await page.GetByRole(AriaRole.Link, new() { Name = "Continue with plain" }).ClickAsync();
        await page.GetByText("Cancel").ClickAsync();
        await page.ArriveAtAsync("**/external/problem?problem=Denied*");
        await Assertions.Expect(page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToHaveTextAsync("You were not signed in");
        await Assertions.Expect(page.Locator(".reference code")).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Back to sign-in" }).ClickAsync();
        await page.ArriveAtAsync("**/signin*");
    }

    [Fact]
    public async Task SignInPage_WithPasskeysAndProviders_HasOneLineBetweenThePasswordAndTheOtherWays()
    {
        await using var visit = await VisitAsync();
        foreach (var server in new[] { fixture.Server!, browsers.Server, browsers.NarrowServer })
        {
            await visit.GotoAsync(server.Url + "signin");
            await Assertions.Expect(visit.Page.GetByRole(AriaRole.Button, new() { Name = "Sign in with a passkey" })).ToBeVisibleAsync();
            Assert.Equal(1, await visit.Page.Locator(".divider:visible").CountAsync());
        }

        await using var plain = await VisitAsync(javaScript: false);
        await plain.GotoAsync(fixture.Server!.Url + "signin");
        Assert.Equal(1, await plain.Page.Locator(".divider:visible").CountAsync());
    }

    private async Task<Visit> VisitAsync(bool javaScript = true)
    {
        var visit = await browsers.VisitAsync(javaScript);
        Assert.SkipWhen(fixture.Missing is not null && Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") != "1", fixture.Missing ?? "");
        Assert.Null(fixture.Missing);
        return visit;
    }

    private static string NewLogin() => "p" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4));

    private static async Task SignInThereAsync(IPage page, string login)
    {
        await page.Locator("input[name=login]").FillAsync(login);
        if (await page.Locator("input[name=password]").CountAsync() > 0)
        {
            await page.Locator("input[name=password]").FillAsync("any");
        }

        await page.Keyboard.PressAsync("Enter");
    }
}
