// OpenID Connect Front-Channel Logout 1.0 §3: the frames of the signed-out page, in a browser that holds them to our policy.
using Microsoft.Playwright;

namespace Identity.Browser.Tests;

[Collection(BrowserCollection.Name)]
public sealed class FrontChannelLogoutTests(BrowserFixture fixture)
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task SignOut_OfTwoApplications_IsHeardByBothAndGoesBack_WithAndWithoutJavaScript(bool javaScript)
    {
        await using var visit = await fixture.VisitAsync(javaScript);
        await visit.SignInAsync();
        var sid = await visit.BeginSignOutAsync("harbour", "lighthouse");
        Assert.Equal("out/1", (await visit.CalledBackAsync())["state"]);
        var heard = fixture.Heard.Where(query => query["sid"] == sid).ToArray();
        Assert.Equal(["harbour", "lighthouse"], heard.Select(query => query["by"]).Order(StringComparer.Ordinal));
        Assert.All(heard, query => Assert.Equal(fixture.Server.Url.GetLeftPart(UriPartial.Authority), query["iss"]));
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task SignOut_AtTheAccountPage_IsHeardToo()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.SignInAsync();
        await visit.GotoAsync(visit.AuthorizeUrl("openid", client: "harbour"));
        await visit.CalledBackAsync();
        var before = fixture.Heard.Count;
        await visit.GotoAsync("/signout");
        await visit.PressAsync("Sign out");
        await visit.Page.ArriveAtAsync("**/signed-out");
        Assert.Equal(before + 1, fixture.Heard.Count);
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task SignOut_WhenAnApplicationNeverAnswers_GoesOnAllTheSame()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.SignInAsync();
        var sid = await visit.BeginSignOutAsync("harbour", "mute");
        Assert.Equal("out/1", (await visit.CalledBackAsync())["state"]);
        Assert.Contains(fixture.Heard, query => query["sid"] == sid);
    }

    [Fact]
    public async Task SignOut_WhenAnApplicationNeverAnswersAndThereIsNoJavaScript_GoesOnByTheLink()
    {
        await using var visit = await fixture.VisitAsync(javaScript: false);
        await visit.SignInAsync();
        await visit.BeginSignOutAsync("harbour", "mute");
        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Back to Harbour" }).ClickAsync();
        Assert.Equal("out/1", (await visit.CalledBackAsync())["state"]);
    }
}
