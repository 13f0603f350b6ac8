// OpenID Connect Front-Channel Logout 1.0: the modules of its plan.
using System.Net;
using AngleSharp.Html.Parser;

namespace Identity.Tests.Conformance;

/// <summary>The plan <c>oidcc-frontchannel-rp-initiated-logout-certification-test-plan</c>.</summary>
[Collection(ConformanceCollection.Name)]
public sealed class FrontChannelLogoutModuleTests(ConformanceWorld world)
{
    [Fact]
    public void OidccFrontchannelLogoutDiscoveryEndpointVerification_WhenRead_AnnouncesBoth()
    {
        Assert.True((bool?)world.Metadata["frontchannel_logout_supported"]);
        Assert.True((bool?)world.Metadata["frontchannel_logout_session_supported"]);
    }

    [Fact]
    public async Task OidccFrontchannelRpInitiatedLogout_WhenThePersonSignsOut_OpensTheAddressThenGoesBack()
    {
        using var client = new RelyingParty(world, "certification-front-channel");
        var (tokens, _) = await client.SignInAsync();
        const string state = "a state of reserved characters !*'();:@&=+$,/?#[]";
        using var answer = await client.Browser.GetAsync($"/connect/endsession?id_token_hint={tokens.IdToken}&post_logout_redirect_uri={Uri.EscapeDataString(client.PostLogoutRedirectUri!)}&state={Uri.EscapeDataString(state)}");
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);

        using var page = await client.Browser.GetAsync(answer.Headers.Location!.OriginalString);
        var document = new HtmlParser().ParseDocument(await page.Content.ReadAsStringAsync());
        var frame = Assert.Single(document.QuerySelectorAll("iframe"));
        var opened = new Uri(frame.GetAttribute("src")!);
        Assert.Equal((string)CertificationClients.Find(client.ClientId)["frontchannel_logout_uri"]!, opened.GetLeftPart(UriPartial.Path));
        Assert.Equal(new Dictionary<string, string>(StringComparer.Ordinal) { ["iss"] = world.Issuer, ["sid"] = (string)tokens.Claims["sid"]! }, RunningServer.Query(opened));

        // The suite's browser (HtmlUnit) runs no modules: what leads on by itself is a script of the old kind.
        var script = Assert.Single(document.Scripts, script => script.Source?.StartsWith("/js/signed-out.js", StringComparison.Ordinal) == true);
        Assert.Equal(("", true), (script.Type ?? "", script.IsDeferred));

        using var back = await client.Browser.GetAsync(document.GetElementById("next")!.GetAttribute("href")!);
        Assert.Equal(HttpStatusCode.SeeOther, back.StatusCode);
        Assert.Equal(client.PostLogoutRedirectUri + "?state=" + Uri.EscapeDataString(state), back.Headers.Location!.OriginalString);
        Assert.Equal("login_required", (await client.AuthorizeAsync(("prompt", "none"))).Parameters["error"]);
    }
}
