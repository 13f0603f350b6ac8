// SAML 2.0 Core §3.4.1 (ForceAuthn), Profiles §4.4 (Single Logout), Metadata Interoperability Profile (keys), Core §1.3.3 (times): one provider and what becomes of it.
using System.Net;
using System.Security.Cryptography;
using System.Text;
using AngleSharp.Html.Parser;
using Identity.Server.External;
using Identity.Tests.Kit;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.External;

/// <summary>Keys, times, two providers beside each other, sign-out, and a provider that is away.</summary>
public sealed class SamlProviderTests
{
    private const string More = "http://www.w3.org/2001/04/xmldsig-more#";
    private const string Sha256 = "http://www.w3.org/2001/04/xmlenc#sha256";
    private static readonly DateTimeOffset s_time = new(2026, 11, 22, 23, 3, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("nistP256", "SHA256")]
    [InlineData("nistP384", "SHA384")]
    [InlineData("nistP521", "SHA512")]
    public async Task Ecdsa_OfEachCurve_IsVerified_InMessagesAndQueries(string curve, string hashName)
    {
        using var idp = new SamlIdp();
        using var key = ECDsa.Create(ECCurve.CreateFromFriendlyName(curve));
        using var other = ECDsa.Create(ECCurve.CreateFromFriendlyName(curve));
        var hash = new HashAlgorithmName(hashName);
        var method = More + "ecdsa-" + hashName.ToLowerInvariant();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        world.Provider.On("GET /metadata", new StubAnswer(200, idp.MetadataOf(SamlIdp.CertificateOf(key)), "application/samlmetadata+xml"));
        using var browser = world.NewBrowser();
        var forged = SamlIdp.SignWith(idp.Response(await SamlWorld.BeginAsync(browser), s_time), method, Sha256, HashAlgorithmName.SHA256, info => other.SignData(info, hash));
        Assert.Equal("Refused", await ExternalWorld.ProblemAsync(browser, await SamlWorld.BringAsync(world, browser, forged)));
        var changed = SamlIdp.SignWith(idp.Response(await SamlWorld.BeginAsync(browser), s_time), method, Sha256, HashAlgorithmName.SHA256, info => key.SignData(info, hash)).Replace(">alice<", ">admin<", StringComparison.Ordinal);
        Assert.Equal("Refused", await ExternalWorld.ProblemAsync(browser, await SamlWorld.BringAsync(world, browser, changed)));
        var good = SamlIdp.SignWith(idp.Response(await SamlWorld.BeginAsync(browser), s_time), method, Sha256, HashAlgorithmName.SHA256, info => key.SignData(info, hash));
        Assert.Equal("/account", (await SamlWorld.BringAsync(world, browser, good)).OriginalString);

        // Its sign-out by redirect.
        var query = idp.SignQuery("SAMLRequest", idp.LogoutRequest(s_time)).Split("&SigAlg=")[0] + "&SigAlg=" + Uri.EscapeDataString(method);
        foreach (var (signer, ends) in ((ECDsa, bool)[])[(other, false), (key, true)])
        {
            using var answer = await browser.GetAsync("/external/idp/slo?" + query + "&Signature=" + Uri.EscapeDataString(Convert.ToBase64String(signer.SignData(Encoding.UTF8.GetBytes(query), hash))));
            Assert.Equal(ends, await ExternalWorld.PersonAsync(browser) is null);
        }
    }

    [Fact]
    public async Task MixUp_OfTwoProviders_SignsNobodyIn_AndOneNameAtBothIsTwoPeople()
    {
        using var idp = new SamlIdp();
        using var other = new SamlIdp { EntityId = "https://other.example.test/saml" };
        var settings = SamlWorld.Settings("idp", idp.EntityId, "http://idp.example.test/metadata");
        foreach (var (name, value) in SamlWorld.Settings("other", other.EntityId, "http://idp.example.test/other-metadata").Concat(ExternalWorld.Root("rp-nocons")))
        {
            settings[name] = value;
        }

        await using var world = await ExternalWorld.StartAsync(s_time, settings);
        world.Provider.On("GET /metadata", new StubAnswer(200, idp.Metadata(), "application/samlmetadata+xml"));
        world.Provider.On("GET /other-metadata", new StubAnswer(200, other.Metadata(), "application/samlmetadata+xml"));
        world.ServeRoot(Recording.Text("oidc/jwks-root.json"));
        string ToOther(string xml) => xml.Replace("/external/idp/", "/external/other/", StringComparison.Ordinal);
        using var browser = world.NewBrowser();
        async Task<string> BringAsync(string xml, string path)
        {
            var told = await SamlWorld.BringAsync(world, browser, xml, path);
            Assert.Null(await ExternalWorld.PersonAsync(browser));
            return await ExternalWorld.ProblemAsync(browser, told);
        }

        // The one answers, at its own address, what was asked of the other.
        Assert.Equal("Expired", await BringAsync(idp.Sign(idp.Response(await SamlWorld.BeginAsync(browser, "other"), s_time)), "/external/idp/acs"));

        // The one answers at the other's address, by its own name and by the other's.
        Assert.Equal("Refused", await BringAsync(idp.Sign(ToOther(idp.Response(await SamlWorld.BeginAsync(browser, "other"), s_time))), "/external/other/acs"));
        Assert.Equal("Refused", await BringAsync(idp.Sign(ToOther(other.Response(await SamlWorld.BeginAsync(browser, "other"), s_time))), "/external/other/acs"));

        // By the other's name at its own address.
        Assert.Equal("Refused", await BringAsync(other.Sign(idp.Response(await SamlWorld.BeginAsync(browser), s_time)), "/external/idp/acs"));
        Assert.Equal("Refused", await BringAsync(idp.Sign(other.Response(await SamlWorld.BeginAsync(browser), s_time)), "/external/idp/acs"));

        // A request's id is no state of an OpenID provider.
        using var asState = await browser.GetAsync($"/cb?code=c&iss={Uri.EscapeDataString(ExternalWorld.Issuer)}&state={await SamlWorld.BeginAsync(browser)}");
        Assert.Equal("Expired", await ExternalWorld.ProblemAsync(browser, asState.Headers.Location!));

        // What both call alice is two accounts: the second has to prove the address, which is the first's here.
        Assert.Equal("/account", (await SamlWorld.BringAsync(world, browser, idp.Sign(idp.Response(await SamlWorld.BeginAsync(browser), s_time)))).OriginalString);
        using var second = world.NewBrowser();
        var location = await SamlWorld.BringAsync(world, second, other.Sign(ToOther(other.Response(await SamlWorld.BeginAsync(second, "other"), s_time, id: "_assertion2"))), "/external/other/acs");
        Assert.StartsWith("/external/link?", location.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answer_OfAProviderThatWasSwitchedOffMeanwhile_SignsNobodyIn()
    {
        using var idp = new SamlIdp();
        var settings = SamlWorld.Settings("idp", idp.EntityId, "http://idp.example.test/metadata");
        foreach (var (name, value) in ExternalWorld.Root("rp-nocons"))
        {
            settings[name] = value;
        }

        await using var world = await ExternalWorld.StartAsync(s_time, settings);
        world.Provider.On("GET /metadata", new StubAnswer(200, idp.Metadata(), "application/samlmetadata+xml"));
        world.ServeRoot(Recording.Text("oidc/jwks-root.json"));
        using var browser = world.NewBrowser();
        var request = await SamlWorld.BeginAsync(browser);
        var sent = await ExternalWorld.BeginAsync(browser);

        // As after a start with other settings: what was begun before it is still known.
        foreach (var provider in world.Server.Services.GetRequiredService<FederationOptions>().Providers.Values)
        {
            provider.Enabled = false;
        }

        using var post = new HttpRequestMessage(HttpMethod.Post, new Uri(world.Server.Url, "/external/idp/acs")) { Content = new FormUrlEncodedContent([new("SAMLResponse", Convert.ToBase64String(Encoding.UTF8.GetBytes(idp.Sign(idp.Response(request, s_time)))))]) };
        using var saml = await browser.SendAsync(post);
        Assert.Equal(HttpStatusCode.NotFound, saml.StatusCode);
        using var oidc = await browser.GetAsync($"/cb?code=c&iss={Uri.EscapeDataString(ExternalWorld.Issuer)}&state={Uri.EscapeDataString(sent["state"])}");
        Assert.Equal("Unknown", await ExternalWorld.ProblemAsync(browser, oidc.Headers.Location!));
        Assert.DoesNotContain(world.Provider.Requests, asked => asked.Path.EndsWith("/access_token", StringComparison.Ordinal));
        Assert.Null(await ExternalWorld.PersonAsync(browser));
    }

    [Fact]
    public async Task FreshSignIn_WhenAsked_IsForceAuthn_AndAnOldOneGivesItsPage()
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        using var browser = world.NewBrowser();
        var old = $"AuthnInstant=\"{s_time.AddMinutes(-15):yyyy-MM-ddTHH:mm:ssZ}\"";
        string Old(string request, string id) => idp.Sign(idp.Response(request, s_time, id: id).Replace($"AuthnInstant=\"{s_time:yyyy-MM-ddTHH:mm:ssZ}\"", old, StringComparison.Ordinal));

        Assert.True(await ForcesAsync(browser, "/connect/authorize?client_id=x&prompt=login"));
        Assert.True(await ForcesAsync(browser, "/connect/authorize?client_id=x&max_age=0"));
        Assert.False(await ForcesAsync(browser, "/connect/authorize?client_id=x&max_age=60"));
        Assert.False(await ForcesAsync(browser, "/account"));

        var login = "/connect/authorize?client_id=x&prompt=login";
        Assert.Equal("NotFresh", await ExternalWorld.ProblemAsync(browser, await SamlWorld.BringAsync(world, browser, Old(await SamlWorld.BeginAsync(browser, returnUrl: login), "_a1"))));
        Assert.True(world.LoggedReason("auth_time"));

        // SAML knows no max_age: once the answer is too old, the provider is asked again, anew; once.
        var age = "/connect/authorize?client_id=x&max_age=60";
        var again = await SamlWorld.BringAsync(world, browser, Old(await SamlWorld.BeginAsync(browser, returnUrl: age), "_a2"));
        Assert.StartsWith("http://idp.example.test/sso?", again.OriginalString, StringComparison.Ordinal);
        var request = SamlIdp.Load(SamlIdp.Inflate(Node.Query(again)["SAMLRequest"])).DocumentElement!;
        Assert.Equal("true", request.GetAttribute("ForceAuthn"));
        Assert.Equal("NotFresh", await ExternalWorld.ProblemAsync(browser, await SamlWorld.BringAsync(world, browser, Old(request.GetAttribute("ID"), "_a3"))));
        Assert.Null(await ExternalWorld.PersonAsync(browser));

        Assert.Equal("/connect/authorize?client_id=x&max_age=3600", (await SamlWorld.BringAsync(world, browser, Old(await SamlWorld.BeginAsync(browser, returnUrl: "/connect/authorize?client_id=x&max_age=3600"), "_a4"))).OriginalString);
        Assert.NotNull(await ExternalWorld.PersonAsync(browser));
    }

    [Fact]
    public async Task TransientNameId_GivesAPageThatSaysWhatToDo_AndTheLogNamesTheSetting()
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        using var browser = world.NewBrowser();
        var xml = idp.Sign(idp.Response(await SamlWorld.BeginAsync(browser), s_time).Replace("nameid-format:persistent", "nameid-format:transient", StringComparison.Ordinal));
        var location = await SamlWorld.BringAsync(world, browser, xml);
        Assert.Equal("Setup", await ExternalWorld.ProblemAsync(browser, location));
        using var page = await browser.GetAsync(location.OriginalString);
        var text = new HtmlParser().ParseDocument(await page.Content.ReadAsStringAsync()).QuerySelector(".card")!.TextContent;
        Assert.Contains("Example IdP", text, StringComparison.Ordinal);
        Assert.Contains("tell your administrator the number below", text, StringComparison.Ordinal);
        Assert.DoesNotContain("NameID", text, StringComparison.Ordinal);
        Assert.Contains(world.Logs.Lines, line => line.Contains("transient NameID", StringComparison.Ordinal) && line.Contains("Federation:Providers:idp:Subject", StringComparison.Ordinal) && line.Contains(Node.Query(location)["id"], StringComparison.Ordinal));

        // By an attribute she is the same person, however often the NameID changes.
        await using var byAttribute = await SamlWorld.StartAsync(idp, s_time, ("Subject", "attribute:uid"));
        for (var i = 0; i < 2; i++)
        {
            using var other = byAttribute.NewBrowser();
            xml = idp.Sign(idp.Response(await SamlWorld.BeginAsync(other), s_time, id: $"_transient{i}").Replace("nameid-format:persistent\">alice", $"nameid-format:transient\">t-{i}", StringComparison.Ordinal));
            Assert.Equal("/account", (await SamlWorld.BringAsync(byAttribute, other, xml)).OriginalString);
            Assert.Equal("alice@idp.example.test", await ExternalWorld.PersonAsync(other));
        }
    }

    [Fact]
    public async Task Certificates_WhileTheyRollOver_AreBothTaken_FromAFileToo()
    {
        using var idp = new SamlIdp();
        using var next = QuickKeys.CreateRsa();
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, idp.Metadata());
            await using var world = await ExternalWorld.StartAsync(s_time, SamlWorld.Settings("idp", idp.EntityId, file));
            Assert.Equal("/account", await SignInAsync(world, idp, idp.Key, "_a1"));

            // Published before it is used: both count.
            await File.WriteAllTextAsync(file, idp.Metadata(idp.Key, next));
            world.Time.Advance(TimeSpan.FromMinutes(11));
            Assert.Equal("/account", await SignInAsync(world, idp, idp.Key, "_a2"));
            Assert.Equal("/account", await SignInAsync(world, idp, next, "_a3"));

            // The old one goes.
            await File.WriteAllTextAsync(file, idp.Metadata(next));
            world.Time.Advance(TimeSpan.FromMinutes(11));
            Assert.Equal("/account", await SignInAsync(world, idp, next, "_a4"));
            Assert.StartsWith("/external/problem?problem=Refused", await SignInAsync(world, idp, idp.Key, "_a5"), StringComparison.Ordinal);

            // A file that is being written holds nobody up: what it said last counts.
            await File.WriteAllTextAsync(file, "<EntityDescr");
            world.Time.Advance(TimeSpan.FromMinutes(11));
            Assert.Equal("/account", await SignInAsync(world, idp, next, "_a6"));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task Provider_WhoseMetadataIsOfNoUse_GivesAPage_AndNeedsNoRestart()
    {
        using var idp = new SamlIdp();
        using var other = new SamlIdp { EntityId = "https://other.example.test/saml" };
        await using var world = await SamlWorld.StartAsync(idp, s_time, ("Timeout", "00:00:00.500"));
        var asked = new TaskCompletionSource();
        var answers = new Dictionary<string, StubAnswer>(StringComparer.Ordinal)
        {
            ["down"] = new(200, idp.Metadata(), "text/xml"),
            ["slow"] = new(200, idp.Metadata(), "text/xml"),
            ["garbage"] = new(200, "\u0001<<<", "text/xml"),
            ["a page"] = new(200, "<!DOCTYPE html><title>Sign in</title>", "text/html"),
            ["an error"] = new(500, "<html/>", "text/html"),
            ["a redirect"] = new(301, "", "text/html", [new("Location", "http://evil.example/metadata")]),
            ["longer than a document is"] = new(200, idp.Metadata() + new string(' ', 2_000_000), "text/xml"),
            ["past its time"] = new(200, idp.Metadata().Replace("entityID", "validUntil=\"2026-11-20T00:00:00\" entityID", StringComparison.Ordinal), "text/xml"),
            ["another entity"] = new(200, other.Metadata(), "text/xml"),
            ["a broken key"] = new(200, idp.MetadataOf(Broken(idp.Key)), "text/xml"),
            ["no key"] = new(200, idp.MetadataOf(), "text/xml"),
        };
        foreach (var (how, answer) in answers)
        {
            world.Provider.IsDown = how == "down";
            world.Provider.Routes["GET /metadata"] = async _ =>
            {
                await (how == "slow" ? asked.Task : Task.CompletedTask);
                return answer;
            };
            using var browser = world.NewBrowser();
            using var told = await browser.GetAsync("/external/idp?returnUrl=/account");
            Assert.Equal((how, how is "another entity" or "no key" ? "Setup" : "Unavailable"), (how, await ExternalWorld.ProblemAsync(browser, told.Headers.Location!)));

            world.Provider.IsDown = false;
            world.Provider.On("GET /metadata", new StubAnswer(200, idp.Metadata(), "text/xml"));
            world.Time.Jump(TimeSpan.FromMinutes(11));
            Assert.Equal((how, "/account"), (how, await SignInAsync(world, idp, idp.Key, "_" + how.Replace(' ', '-'))));

            // What was said is forgotten by the next.
            world.Time.Jump(TimeSpan.FromDays(2));
        }

        asked.SetResult();
        Assert.DoesNotContain(world.Provider.Requests, request => request.Headers["Host"].Contains("evil", StringComparison.Ordinal));
    }

    // One after the other they would wait for as many time limits as there are people before them.
    [Fact]
    public async Task Metadata_ThatDoesNotCome_IsWaitedForOnceByAllWhoNeedIt()
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time, ("Timeout", "00:00:02"));
        var never = new TaskCompletionSource<StubAnswer>();
        world.Provider.Routes["GET /metadata"] = _ => never.Task;
        var browsers = Enumerable.Range(0, 8).Select(_ => world.NewBrowser()).ToArray();
        var answers = await Task.WhenAll(browsers.Select(browser => browser.GetAsync("/external/idp?returnUrl=/account")));
        Assert.All(answers, answer => Assert.StartsWith("/external/problem?problem=Unavailable", answer.Headers.Location!.OriginalString, StringComparison.Ordinal));
        Assert.InRange(world.Provider.Requests.Count(request => request.Path == "/metadata"), 1, 2);
        never.SetResult(new(200, idp.Metadata(), "text/xml"));
        foreach (var browser in browsers)
        {
            browser.Dispose();
        }
    }

    [Fact]
    public async Task Metadata_PastItsValidUntil_IsNotUsed_AlsoWhereTheProviderIsAway()
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        world.Provider.On("GET /metadata", new StubAnswer(200, idp.Metadata().Replace("entityID", "validUntil=\"2026-11-22T23:30:00Z\" entityID", StringComparison.Ordinal), "text/xml"));
        Assert.Equal("/account", await SignInAsync(world, idp, idp.Key, "_a1"));
        world.Provider.IsDown = true;
        world.Time.Jump(TimeSpan.FromMinutes(20));
        Assert.Equal("/account", await SignInAsync(world, idp, idp.Key, "_a2"));
        world.Time.Jump(TimeSpan.FromMinutes(10));
        using var browser = world.NewBrowser();
        using var answer = await browser.GetAsync("/external/idp?returnUrl=/account");
        Assert.Equal("Unavailable", await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!));
    }

    [Fact]
    public async Task Provider_ThatGoesAway_IsKnownForADayByWhatItSaidLast()
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        Assert.Equal("/account", await SignInAsync(world, idp, idp.Key, "_a1"));
        world.Provider.IsDown = true;
        world.Time.Jump(TimeSpan.FromHours(23));
        Assert.Equal("/account", await SignInAsync(world, idp, idp.Key, "_a2"));
        world.Time.Jump(TimeSpan.FromHours(2));
        using var browser = world.NewBrowser();
        using var answer = await browser.GetAsync("/external/idp?returnUrl=/account");
        Assert.Equal("Unavailable", await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!));
    }

    [Fact]
    public async Task SignOut_Here_SendsASignedRequestWithNameIdAndSessionIndex_AndTakesTheAnswerWithoutRelayState()
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        using var browser = world.NewBrowser();
        Assert.Equal("/account", (await SamlWorld.BringAsync(world, browser, idp.Sign(idp.Response(await SamlWorld.BeginAsync(browser), s_time)))).OriginalString);
        using var signedOut = await browser.SubmitAsync("/signout", []);
        Assert.StartsWith("/external/signout?id=", signedOut.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Null(await ExternalWorld.PersonAsync(browser));
        using var page = await browser.GetAsync(signedOut.Headers.Location.OriginalString);
        var address = new Uri(page.Headers.GetValues("Refresh").Single()["0; url=".Length..]);
        Assert.Equal("http://idp.example.test/slo", address.GetLeftPart(UriPartial.Path));
        var query = address.Query[1..];
        var at = query.IndexOf("&Signature=", StringComparison.Ordinal);
        Assert.True(SamlWorld.OwnKey.VerifyData(Encoding.UTF8.GetBytes(query[..at]), Convert.FromBase64String(Uri.UnescapeDataString(query[(at + 11)..])), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
        Assert.DoesNotContain("RelayState", query, StringComparison.Ordinal);
        var request = SamlIdp.Load(SamlIdp.Inflate(Node.Query(address)["SAMLRequest"]));
        Assert.Equal("LogoutRequest", request.DocumentElement!.LocalName);
        Assert.Equal(("alice", "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"), (SamlIdp.Find(request, "NameID").InnerText, SamlIdp.Find(request, "NameID").GetAttribute("Format")));
        Assert.Equal("_session1", SamlIdp.Find(request, "SessionIndex").InnerText);
        Assert.Equal(SamlIdp.Self, SamlIdp.Find(request, "Issuer").InnerText);
        Assert.Equal("http://idp.example.test/slo", request.DocumentElement.GetAttribute("Destination"));

        // The page leads there once, and in this browser.
        using var again = await browser.GetAsync(signedOut.Headers.Location.OriginalString);
        Assert.False(again.Headers.Contains("Refresh"));

        // A LogoutRequest's id is asked for no sign-in: an answer to it of the other kind signs nobody in.
        var id = request.DocumentElement.GetAttribute("ID");
        Assert.Equal("Expired", await ExternalWorld.ProblemAsync(browser, await SamlWorld.BringAsync(world, browser, idp.Sign(idp.Response(id, s_time, id: "_assertion2")))));
        Assert.Null(await ExternalWorld.PersonAsync(browser));

        // As OpenAM sends it: unsigned, without RelayState; and it leads on in this browser, once.
        var response = $"""<samlp:LogoutResponse xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r1" Version="2.0" IssueInstant="2026-11-22T23:03:00Z" InResponseTo="{id}"><saml:Issuer>{idp.EntityId}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Requester"/></samlp:Status></samlp:LogoutResponse>""";
        using var answer = await browser.GetAsync("/external/idp/slo?" + idp.SignQuery("SAMLResponse", response).Split("&SigAlg")[0]);
        Assert.Equal("/external/idp/signed-out?state=" + id, answer.Headers.Location!.OriginalString);
        Assert.True(world.LoggedReason("logout_status"));
        using (var stranger = world.NewBrowser())
        {
            using var elsewhere = await stranger.GetAsync("/external/idp/signed-out?state=nobody");
            Assert.Equal("/signed-out", elsewhere.Headers.Location!.OriginalString);
        }

        using var back = await browser.GetAsync(answer.Headers.Location.OriginalString);
        Assert.Equal("/signed-out", back.Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task SignOut_ThatAnApplicationAsksFor_GoesOnToTheProviderAndThenWhereTheApplicationWants()
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time, """[{"client_id":"spa","token_endpoint_auth_method":"none","redirect_uris":["http://127.0.0.1:4711/callback"],"post_logout_redirect_uris":["http://127.0.0.1:4711/bye"],"scope":"openid"}]""");
        using var browser = world.NewBrowser();
        await SamlWorld.BringAsync(world, browser, idp.Sign(idp.Response(await SamlWorld.BeginAsync(browser), s_time)));
        using var node = new AddressedNode(world.Server.Url);
        var hint = (string)(await node.TokensAsync(browser, "spa", "openid"))["id_token"]!;
        using var signedOut = await browser.GetAsync($"/connect/endsession?id_token_hint={hint}&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2Fbye&state=s1");
        Assert.StartsWith("/external/signout?id=", signedOut.Headers.Location!.OriginalString, StringComparison.Ordinal);
        using var page = await browser.GetAsync(signedOut.Headers.Location.OriginalString);
        var address = new Uri(page.Headers.GetValues("Refresh").Single()["0; url=".Length..]);
        var id = SamlIdp.Load(SamlIdp.Inflate(Node.Query(address)["SAMLRequest"])).DocumentElement!.GetAttribute("ID");
        using var back = await browser.GetAsync("/external/idp/signed-out?state=" + id);
        using var there = await browser.GetAsync(back.Headers.Location!.OriginalString);
        Assert.Equal("http://127.0.0.1:4711/bye?state=s1", there.Headers.Location!.OriginalString);
    }

    [Theory]
    [InlineData("SignOut is false")]
    [InlineData("no address in the metadata")]
    [InlineData("the provider is away")]
    public async Task SignOut_WhereTheProviderTakesNone_EndsHereAllTheSame(string why)
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time, ("SignOut", why == "SignOut is false" ? "false" : "true"));
        if (why == "no address in the metadata")
        {
            world.Provider.On("GET /metadata", new StubAnswer(200, idp.Metadata().Replace("SingleLogoutService", "ArtifactResolutionService", StringComparison.Ordinal), "text/xml"));
        }

        using var browser = world.NewBrowser();
        Assert.Equal("/account", (await SamlWorld.BringAsync(world, browser, idp.Sign(idp.Response(await SamlWorld.BeginAsync(browser), s_time)))).OriginalString);
        if (why == "the provider is away")
        {
            world.Provider.IsDown = true;
            world.Time.Advance(TimeSpan.FromHours(1));
        }

        using var signedOut = await browser.SubmitAsync("/signout", []);
        Assert.Equal(why == "the provider is away" ? "/external/signout" : "/signed-out", signedOut.Headers.Location!.OriginalString.Split('?')[0]);
        Assert.Null(await ExternalWorld.PersonAsync(browser));
    }

    [Fact]
    public async Task Message_ThatInflatesWithoutEnd_OrIsMegabytesLong_IsRefusedAtOnce()
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        using var browser = world.NewBrowser();
        var bomb = new string(' ', 4_000_000);
        var before = GC.GetTotalAllocatedBytes();
        foreach (var query in (string[])[idp.SignQuery("SAMLResponse", bomb), idp.SignQuery("SAMLRequest", bomb)])
        {
            Assert.True(query.Length < 8000);
            using var answer = await browser.GetAsync("/external/idp/slo?" + query);
            Assert.Equal("Refused", await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!));
            Assert.True(world.LoggedReason("xml"));
        }

        foreach (var address in (string[])["/external/idp/acs", "/external/idp/slo"])
        {
            using var post = new HttpRequestMessage(HttpMethod.Post, new Uri(world.Server.Url, address)) { Content = new FormUrlEncodedContent([new("SAMLResponse", new string('A', 5_000_000))]) };

            // It is refused by its length: the body need not be sent.
            post.Headers.ExpectContinue = true;
            using var answer = await browser.SendAsync(post);
            Assert.True(answer.Headers.Location is not null, $"{address} {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
            Assert.Equal("Refused", await ExternalWorld.ProblemAsync(browser, answer.Headers.Location));
        }

        Assert.True(GC.GetTotalAllocatedBytes() - before < 1_000_000_000);
    }

    [Fact]
    public async Task Ciphertext_WhateverIsWrongWithIt_GetsOneAnswer()
    {
        using var idp = new SamlIdp();
        using var stranger = QuickKeys.CreateRsa();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        using var browser = world.NewBrowser();
        string Damage(string xml, int which, int position)
        {
            var document = SamlIdp.Load(xml);
            var value = document.SelectNodes("//*[local-name()='CipherValue']")![which]!;
            var bytes = Convert.FromBase64String(value.InnerText);
            bytes[position < 0 ? bytes.Length + position : position] ^= 1;
            value.InnerText = Convert.ToBase64String(bytes);
            return document.OuterXml;
        }

        var told = new HashSet<string>(StringComparer.Ordinal);
        foreach (var gcm in (bool[])[true, false])
        {
            Func<string, string>[] makers =
            [
                xml => SamlIdp.Encrypt(xml, "Assertion", "EncryptedAssertion", stranger, gcm),
                xml => Damage(SamlIdp.Encrypt(xml, "Assertion", "EncryptedAssertion", SamlWorld.OwnKey, gcm), 0, 5),
                xml => Damage(SamlIdp.Encrypt(xml, "Assertion", "EncryptedAssertion", SamlWorld.OwnKey, gcm), 1, 20),
                xml => Damage(SamlIdp.Encrypt(xml, "Assertion", "EncryptedAssertion", SamlWorld.OwnKey, gcm), 1, -1),
            ];
            foreach (var make in makers)
            {
                var location = await SamlWorld.BringAsync(world, browser, make(idp.Sign(idp.Response(await SamlWorld.BeginAsync(browser), s_time))));
                Assert.Equal("Refused", await ExternalWorld.ProblemAsync(browser, location));
                told.Add(world.Logs.Lines.Last(line => line.Contains("ExternalFailures", StringComparison.Ordinal)).Split(" [")[0]);
            }
        }

        Assert.Single(told);
        Assert.Contains("(encryption)", told.Single(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Times_WithoutAZone_AreUtc_WhereverTheServerStands()
    {
        using var idp = new SamlIdp();
        var folder = Directory.CreateTempSubdirectory("identity-zone-");
        var metadata = Path.Combine(folder.FullName, "metadata.xml");
        await File.WriteAllTextAsync(metadata, idp.Metadata());
        var settings = SamlWorld.Settings("idp", idp.EntityId, metadata).ToDictionary(pair => pair.Key.Replace(":", "__", StringComparison.Ordinal), pair => pair.Value, StringComparer.Ordinal);
        settings.Remove("PUBLIC_URL");
        settings["DATA_DIR"] = folder.FullName;
        settings["TZ"] = "Asia/Tokyo";
        await using var server = ServerProcess.Start(settings);
        await server.WaitReadyAsync();
        using var browser = new Browser(server.Address);
        var request = await SamlWorld.BeginAsync(browser);
        var now = TimeProvider.System.GetUtcNow();
        var xml = idp.Response(request, now).Replace(SamlIdp.PublicUrl, server.Address.AbsoluteUri.TrimEnd('/'), StringComparison.Ordinal);
        xml = idp.Sign(System.Text.RegularExpressions.Regex.Replace(xml, @"(\d\d:\d\d:\d\d)Z", "$1"));
        using var post = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/external/idp/acs")) { Content = new FormUrlEncodedContent([new("SAMLResponse", Convert.ToBase64String(Encoding.UTF8.GetBytes(xml)))]) };
        using var answer = await browser.SendAsync(post);
        Assert.True(answer.Headers.Location!.OriginalString.Contains("/continue?", StringComparison.Ordinal), answer.Headers.Location + server.Output);
        using var next = await browser.GetAsync(answer.Headers.Location.OriginalString);
        Assert.Equal("/account", next.Headers.Location!.OriginalString);
    }

    // A certificate that can be read, around a modulus that is no number.
    private static string Broken(RSA key)
    {
        var certificate = Convert.FromBase64String(SamlIdp.CertificateOf(key));
        certificate[certificate.AsSpan().IndexOf(key.ExportParameters(includePrivateParameters: false).Modulus) - 5] = 0x05;
        return Convert.ToBase64String(certificate);
    }

    private static async Task<bool> ForcesAsync(Browser browser, string returnUrl)
    {
        var sent = await ExternalWorld.BeginAsync(browser, "idp", returnUrl);
        return SamlIdp.Load(SamlIdp.Inflate(sent["SAMLRequest"])).DocumentElement!.GetAttribute("ForceAuthn") == "true";
    }

    private static async Task<string> SignInAsync(ExternalWorld world, SamlIdp idp, RSA key, string id)
    {
        using var browser = world.NewBrowser();
        var location = await SamlWorld.BringAsync(world, browser, idp.Sign(idp.Response(await SamlWorld.BeginAsync(browser), world.Time.GetUtcNow(), id: id), key: key));
        return location.OriginalString;
    }
}
