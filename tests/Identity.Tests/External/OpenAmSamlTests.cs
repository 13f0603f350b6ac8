// SAML 2.0 Web Browser SSO, and what OpenAM 16.0.5 does beside it: its recorded answers, at their time.
using System.Xml;

namespace Identity.Tests.External;

/// <summary>Every recorded success signs in, every recorded fault gives its page.</summary>
public sealed class OpenAmSamlTests
{
    private const string Issuer = "http://openam.example.org:18300/openam";

    public static TheoryData<string> Successes() => [.. Names("StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"").Where(name => !name.Contains("encrypted", StringComparison.Ordinal))];

    public static TheoryData<string> Encrypted() => [.. Names("status:Success").Where(name => name.Contains("encrypted", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Successes))]
    public async Task RecordedSuccess_WhenReplayedAtItsTime_SignsIn(string name)
    {
        var recorded = SamlIdp.Load(Recording.Text($"saml/{name}/response.xml"));
        var isOwnKey = name.StartsWith("own-key", StringComparison.Ordinal);
        using var idp = new SamlIdp { EntityId = SamlIdp.Find(recorded, "Issuer").InnerText.Trim() };
        var isUnasked = !recorded.DocumentElement!.HasAttribute("InResponseTo");
        var isTransient = SamlIdp.Find(recorded, "NameID").GetAttribute("Format").EndsWith("transient", StringComparison.Ordinal);
        await using var world = await StartAsync(recorded, isOwnKey ? "attribute:uid" : "nameid", ("AllowIdpInitiated", isUnasked.ToString()));
        world.Provider.On("GET /metadata", new StubAnswer(200, isOwnKey ? Recording.Text("saml/metadata/sub-own-key.xml") : idp.Metadata(), "text/xml"));

        // What OpenAM signed with the key that ships with it is refused: the same messages under a key of the test's.
        var xml = isOwnKey ? Recording.Text($"saml/{name}/response.xml") : Resign(recorded, idp);
        var outcome = await ReplayAsync(world, xml, isUnasked ? null : recorded.DocumentElement.GetAttribute("InResponseTo"));
        using var browser = outcome.Browser;
        if (isTransient && !isOwnKey)
        {
            Assert.Equal("Setup", await ExternalWorld.ProblemAsync(browser, outcome.Location));
            Assert.True(world.LoggedReason("subject"));
            return;
        }

        Assert.True(outcome.Location.OriginalString == "/account", string.Join('\n', world.Logs.Lines.Where(line => line.Contains("ExternalFailures", StringComparison.Ordinal))));
        Assert.NotNull(await ExternalWorld.PersonAsync(browser));
        if (isOwnKey)
        {
            Assert.Equal("alice@example.org", await ExternalWorld.PersonAsync(browser));
        }
    }

    [Fact]
    public async Task PersistentNameId_WhichChangesAfterAnotherFormat_IsOnePersonByAnAttribute_AndThePresetWantsOneNamed()
    {
        // Recorded: one person, one service provider, and two values.
        string NameId(string name) => SamlIdp.Find(SamlIdp.Load(Recording.Text($"saml/nameid-stability/{name}/response.xml")), "NameID").InnerText;
        Assert.NotEqual(NameId("1-persistent"), NameId("5-persistent-after-email"));
        Assert.Equal(NameId("1-persistent"), NameId("3-persistent-new-session"));

        var first = SamlIdp.Load(Recording.Text("saml/own-key-sha256/assertion-signed/response.xml"));
        await using var world = await StartAsync(first, "attribute:uid");
        world.Provider.On("GET /metadata", new StubAnswer(200, Recording.Text("saml/metadata/sub-own-key.xml"), "text/xml"));
        foreach (var name in (string[])["assertion-signed", "assertion-signed-email", "assertion-signed-login-uppercase"])
        {
            var xml = Recording.Text($"saml/own-key-sha256/{name}/response.xml");
            var root = SamlIdp.Load(xml).DocumentElement!;
            world.Time.Jump(XmlConvert.ToDateTimeOffset(root.GetAttribute("IssueInstant")).AddSeconds(2) - world.Time.GetUtcNow());
            var outcome = await ReplayAsync(world, xml, root.GetAttribute("InResponseTo"));
            using var browser = outcome.Browser;
            Assert.Equal("/account", outcome.Location.OriginalString);
            Assert.Equal("alice@example.org", await ExternalWorld.PersonAsync(browser));
        }

        var settings = SamlWorld.Settings("openam", Issuer, "http://openam.example.org:18300/metadata", ("Preset", "openam"));
        var failure = await Assert.ThrowsAnyAsync<Exception>(() => ExternalWorld.StartAsync(world.Time.GetUtcNow(), settings));
        Assert.Contains("Federation:Providers:openam:Subject", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sso-redirect-default", "Setup", "shipped_key")]
    [InlineData("sso-redirect-sha256", "Setup", "shipped_key")]
    [InlineData("sso-sub-signed-with-attributes", "Setup", "shipped_key")]
    public async Task ShippedKey_WhenTheMetadataNamesNoOther_IsRefusedBeforeAnybodyIsSentThere(string name, string problem, string reason)
    {
        var recorded = SamlIdp.Load(Recording.Text($"saml/{name}/response.xml"));
        await using var world = await StartAsync(recorded, "nameid");
        world.Provider.On("GET /metadata", new StubAnswer(200, Recording.Text("saml/metadata/root-explicit.xml").Replace($"entityID=\"{Issuer}\"", $"entityID=\"{SamlIdp.Find(recorded, "Issuer").InnerText.Trim()}\"", StringComparison.Ordinal), "text/xml"));
        using var browser = world.NewBrowser();
        using var answer = await browser.GetAsync("/external/openam?returnUrl=/account");
        Assert.Equal(problem, await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!));
        Assert.True(world.LoggedReason(reason));
    }

    [Theory]
    [InlineData("sso-redirect-default")]
    [InlineData("sso-response-signed")]
    public async Task Sha1_WhichIsOpenAmsDefault_IsRefusedAndTheLogNamesTheSetting(string name)
    {
        var recorded = SamlIdp.Load(Recording.Text($"saml/{name}/response.xml"));
        using var idp = new SamlIdp { EntityId = Issuer };
        await using var world = await StartAsync(recorded, "nameid");
        world.Provider.On("GET /metadata", new StubAnswer(200, idp.Metadata(), "text/xml"));
        var outcome = await ReplayAsync(world, recorded.OuterXml, recorded.DocumentElement!.GetAttribute("InResponseTo"));
        using var browser = outcome.Browser;
        Assert.Equal("Setup", await ExternalWorld.ProblemAsync(browser, outcome.Location));
        Assert.True(world.LoggedReason("sha1"));
        Assert.Contains(world.Logs.Lines, line => line.Contains("AllowSha1", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("sso-ispassive-no-session", "NotFresh", "NoPassive")]
    [InlineData("sso-authncontext-unsupported", "NotFresh", "NoAuthnContext")]
    public async Task RecordedFault_WhichIsUnsignedAndWithoutDestination_GivesItsPage(string name, string problem, string reason)
    {
        var recorded = SamlIdp.Load(Recording.Text($"saml/{name}/response.xml"));
        using var idp = new SamlIdp { EntityId = Issuer };
        await using var world = await StartAsync(recorded, "nameid");
        world.Provider.On("GET /metadata", new StubAnswer(200, idp.Metadata(), "text/xml"));
        var outcome = await ReplayAsync(world, recorded.OuterXml, recorded.DocumentElement!.GetAttribute("InResponseTo"));
        using var browser = outcome.Browser;
        Assert.Equal(problem, await ExternalWorld.ProblemAsync(browser, outcome.Location));
        Assert.True(world.LoggedReason(reason));
    }

    [Theory]
    [MemberData(nameof(Encrypted))]
    public async Task Encryption_WithRsa15WhichIsOpenAmsDefault_IsRefusedAndTheLogNamesTheSetting(string name)
    {
        var recorded = SamlIdp.Load(Recording.Text($"saml/{name}/response.xml"));
        var isOwnKey = name.StartsWith("own-key", StringComparison.Ordinal);
        using var idp = new SamlIdp { EntityId = SamlIdp.Find(recorded, "Issuer").InnerText.Trim() };
        await using var world = await StartAsync(recorded, "nameid", ("EntityId", "https://sp-encnid.example.test"));
        world.Provider.On("GET /metadata", new StubAnswer(200, isOwnKey ? Recording.Text("saml/metadata/sub-own-key.xml") : idp.Metadata(), "text/xml"));
        var outcome = await ReplayAsync(world, isOwnKey ? Recording.Text($"saml/{name}/response.xml") : Resign(recorded, idp), recorded.DocumentElement!.GetAttribute("InResponseTo"));
        using var browser = outcome.Browser;
        Assert.Equal("Setup", await ExternalWorld.ProblemAsync(browser, outcome.Location));
        Assert.True(world.LoggedReason("rsa15"));
    }

    [Fact]
    public async Task RecordedLogoutRequest_WhichIsUnsignedByDefault_IsRefused()
    {
        using var idp = new SamlIdp { EntityId = Issuer };
        await using var world = await ExternalWorld.StartAsync(new(2026, 11, 22, 22, 42, 0, TimeSpan.Zero), SamlWorld.Settings("openam", Issuer, "http://openam.example.org:18300/metadata", ("Subject", "nameid")));
        world.Provider.On("GET /metadata", new StubAnswer(200, idp.Metadata(), "text/xml"));
        using var browser = world.NewBrowser();
        var sent = new Uri(Recording.Read("saml/logout/idpinit-redirect-1-request.http").Header("Location")!);
        using var answer = await browser.GetAsync("/external/openam/slo" + sent.Query);
        Assert.Equal("Refused", await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!));
        Assert.True(world.LoggedReason("unsigned"));

        // Signed, but with SHA-1.
        sent = new Uri(Recording.Read("saml/logout/idpinit-redirect-slosig-1-request.http").Header("Location")!);
        using var second = await browser.GetAsync("/external/openam/slo" + sent.Query);
        Assert.Equal("Setup", await ExternalWorld.ProblemAsync(browser, second.Headers.Location!));
        Assert.True(world.LoggedReason("sha1"));
    }

    [Fact]
    public async Task Metadata_OfAnUnknownEntity_WhichOpenAmAnswersWith200_IsNoMetadata()
    {
        using var idp = new SamlIdp { EntityId = Issuer };
        await using var world = await ExternalWorld.StartAsync(new(2026, 11, 22, 22, 42, 0, TimeSpan.Zero), SamlWorld.Settings("openam", Issuer, "http://openam.example.org:18300/metadata"));
        world.Provider.On("GET /metadata", StubAnswer.Of(Recording.Read("saml/metadata/unknown.http")));
        using var browser = world.NewBrowser();
        using var answer = await browser.GetAsync("/external/openam?returnUrl=/account");
        Assert.Equal("Unavailable", await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!));
        world.Provider.On("GET /metadata", new StubAnswer(200, idp.Metadata(), "text/xml"));
        await SamlWorld.BeginAsync(browser, "openam");
    }

    private static IEnumerable<string> Names(string status)
    {
        var root = Path.Combine(Recording.Folder, "saml");
        return Directory.GetFiles(root, "response.xml", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .Where(file => !file.Contains("/logout/", StringComparison.Ordinal) && File.ReadAllText(file).Contains(status, StringComparison.Ordinal))
            .Select(file => Path.GetRelativePath(root, Path.GetDirectoryName(file)!));
    }

    private static Task<ExternalWorld> StartAsync(XmlDocument recorded, string subject, params (string Name, string Value)[] more)
    {
        var audience = recorded.SelectSingleNode("//*[local-name()='Audience']")?.InnerText.Trim() ?? "https://sp.example.test";
        return ExternalWorld.StartAsync(
            XmlConvert.ToDateTimeOffset(recorded.DocumentElement!.GetAttribute("IssueInstant")).AddSeconds(2),
            SamlWorld.Settings("openam", SamlIdp.Find(recorded, "Issuer").InnerText.Trim(), "http://openam.example.org:18300/metadata", [("Preset", "openam"), ("Subject", subject), ("EntityId", audience), ("CallbackPath", "/saml/acs"), .. more]));
    }

    private static async Task<(Browser Browser, Uri Location)> ReplayAsync(ExternalWorld world, string xml, string? request)
    {
        var browser = world.NewBrowser();
        if (request is not null)
        {
            world.Ids.RequestId = request;
            Assert.Equal(request, await SamlWorld.BeginAsync(browser, "openam"));
        }

        return (browser, await SamlWorld.BringAsync(world, browser, xml, "/saml/acs"));
    }

    private static string Resign(XmlDocument recorded, SamlIdp idp)
    {
        var document = SamlIdp.Load(recorded.OuterXml);
        foreach (var signature in document.SelectNodes("//*[local-name()='Signature']")!.OfType<XmlElement>().Reverse().ToArray())
        {
            var parent = (XmlElement)signature.ParentNode!;
            parent.RemoveChild(signature);
            SamlIdp.SignElement(parent, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha256", idp.Key);
        }

        return document.OuterXml;
    }
}
