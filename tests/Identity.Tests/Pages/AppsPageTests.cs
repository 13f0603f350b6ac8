// The applications on a person's account.
namespace Identity.Tests.Pages;

[Collection(PagesCollection.Name)]
public sealed class AppsPageTests(PagesFixture fixture)
{
    [Fact]
    public async Task Page_WhenAnApplicationIsConnected_TellsWhatItMayInTheWordsAndOrderOfTheConsent()
    {
        using var browser = fixture.Browser();
        var email = PagesFixture.NewEmail();
        await fixture.RegisterAsync(email);
        await browser.SignInAsync(email, PagesFixture.Password);
        var authorize = PagesFixture.AuthorizeUrl.Replace("&scope=openid&", "&scope=openid%20profile%20email&", StringComparison.Ordinal);
        var consent = await browser.ReadAsync((await browser.GetAsync(authorize)).Headers.Location!.OriginalString);
        var asked = consent.QuerySelectorAll(".scopes .what").Select(line => line.ChildNodes.First(node => node.TextContent.Trim().Length > 0).TextContent.Trim()).ToArray();
        Assert.Equal(3, asked.Length);
        var (action, fields) = PageClient.Form(consent);
        await browser.PostAsync(action, fields);
        var apps = await browser.ReadAsync("/account/apps");
        Assert.Equal(string.Join(" · ", asked), apps.QuerySelectorAll(".rows .what p")[^1].TextContent);
    }
}
