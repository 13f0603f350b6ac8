// RFC 9700 §4.11.2: a no is the answer of the person who said it, in the browser they said it in. Saved and sent around it would lead others, unseen, to a client of somebody's choice.
using System.Net;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;

namespace Identity.Tests.Security;

/// <summary>What becomes of the address that a page leads to once somebody said no.</summary>
public sealed class DeclineTests(RequestWorld world) : IClassFixture<RequestWorld>
{
    [Theory]
    [InlineData("asks", false)]
    [InlineData("app", false)]
    [InlineData("asks", true)]
    public async Task No_WhenItsAddressIsOpenedInAnotherBrowser_IsNobodysAnswer(string client, bool signedOnly)
    {
        using var browser = new Browser(world.Node.Address);
        var saved = await DeclineAsync(browser, Url(client, signedOnly));
        using var own = await browser.GetAsync(saved);
        Assert.Equal("access_denied", RunningServer.Query(own.Headers.Location).GetValueOrDefault("error"));
        using var nobody = new Browser(world.Node.Address);
        using var somebody = await world.Node.SignedInAsync();
        foreach (var other in (Browser[])[nobody, somebody])
        {
            using var answer = await other.GetAsync(saved);
            Assert.DoesNotContain("error", RunningServer.Query(answer.Headers.Location).Keys);
        }
    }

    [Fact]
    public async Task No_AnHourOld_IsNoAnswerAnyMore()
    {
        using var browser = new Browser(world.Node.Address);
        var saved = await DeclineAsync(browser, Url("asks"));
        world.Time.Advance(TimeSpan.FromMinutes(59));
        using var still = await browser.GetAsync(saved);
        Assert.Equal("access_denied", RunningServer.Query(still.Headers.Location)["error"]);
        world.Time.Advance(TimeSpan.FromMinutes(2));
        using var late = await browser.GetAsync(saved);
        Assert.StartsWith("/signin?", late.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_SaidAtAPageThatWasOpenForHours_IsTold()
    {
        using var browser = new Browser(world.Node.Address);
        using var asked = await browser.GetAsync(Url("asks"));
        world.Time.Advance(TimeSpan.FromHours(5));
        using var answer = await browser.GetAsync(await DeclineAtAsync(browser, asked.Headers.Location!.OriginalString));
        Assert.Equal("access_denied", RunningServer.Query(answer.Headers.Location)["error"]);
    }

    [Fact]
    public async Task Interaction_OfAnotherBrowser_MakesNoStrangerKnown()
    {
        // The ticket of the first browser's page: there the request began before the second one's sign-in, which was for something else.
        using var browser = new Browser(world.Node.Address);
        var url = world.Node.AuthorizeUrl("app", "openid", ("redirect_uri", RequestWorld.RedirectUri), ("prompt", "login"));
        using var asked = await browser.GetAsync(url);
        var back = RunningServer.Query(asked.Headers.Location)["returnUrl"];
        using var other = await world.Node.SignedInAsync();
        using var answer = await other.GetAsync(back);
        Assert.StartsWith("/signin?", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    private string Url(string client, bool signed = false) =>
        signed ? RequestWorld.Go(world.Sign(client), client) : world.Node.AuthorizeUrl(client, "openid", ("redirect_uri", RequestWorld.RedirectUri));

    private static async Task<string> DeclineAsync(Browser browser, string url)
    {
        using var asked = await browser.GetAsync(url);
        return await DeclineAtAsync(browser, asked.Headers.Location!.OriginalString);
    }

    private static async Task<string> DeclineAtAsync(Browser browser, string page)
    {
        using var shown = await browser.GetAsync(page);
        var form = new HtmlParser().ParseDocument(await shown.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).Forms.Single(form => form.GetAttribute("action")?.Contains("handler=Decline", StringComparison.Ordinal) == true);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(browser.Address, form.GetAttribute("action")));
        request.Content = new FormUrlEncodedContent(form.QuerySelectorAll("input").OfType<IHtmlInputElement>().Select(input => KeyValuePair.Create(input.Name!, input.Value)));
        using var answer = await browser.SendAsync(request);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        return answer.Headers.Location!.OriginalString;
    }
}
