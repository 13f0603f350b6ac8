using AngleSharp.Html.Dom;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Pages;

/// <summary>A newcomer who waits for a mail that no server sends is told where it is; where it is lost on everybody, no page says that it was sent.</summary>
[Collection(PagesCollection.Name)]
public sealed class LocalMailTests(PagesFixture fixture)
{
    private const string Notice = "data/outbox";

    [Theory]
    [InlineData("/verify-email?email=ada@example.com&sent=1")]
    [InlineData("/reset-password?email=ada@example.com")]
    public async Task Page_WhenMailIsWrittenToFiles_SaysWhere(string url)
    {
        using var browser = fixture.Browser();
        Assert.Contains(Notice, (await browser.ReadAsync(url)).Body!.TextContent, StringComparison.Ordinal);
    }

    // Neither promised nor said to have been sent, nor offered once more.
    [Fact]
    public async Task Pages_WhenNoMailServerIsSetOutsideDevelopment_PromiseNothing()
    {
        await using var server = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["environment"] = "Production", ["Accounts:AllowCodeSignIn"] = "true", ["Accounts:PasswordHashIterations"] = "210000", ["PUBLIC_URL"] = "https://id.example.com", ["TRUSTED_PROXIES"] = "127.0.0.1,::1" });
        using var browser = PageClient.ThroughProxy(server.Url);
        foreach (var url in (string[])["/verify-email?email=ada@example.com&sent=1", "/verify-email?email=ada@example.com&sent=1&again=1", "/verify-email?email=ada@example.com", "/verify-email", "/reset-password", "/reset-password?email=ada@example.com", "/reset-password?email=ada@example.com&again=1", "/signin/code?email=ada@example.com&sent=1", "/signin/code", "/forgot-password"])
        {
            AssertPromisesNothing(url, await browser.ReadAsync(url));
        }

        await server.RegisterAsync("ada@example.com", PagesFixture.Password, "Ada", "Lovelace");
        await browser.SignInAsync("ada@example.com", PagesFixture.Password);
        var (action, fields) = PageClient.Form(await browser.ReadAsync("/account"), field: "Form.Email");
        fields["Form.Email"] = "new@example.com";
        using var changed = await browser.PostAsync(string.IsNullOrEmpty(action) ? "/account" : action, fields);
        var pending = await browser.ReadAsync("/account/pending/email");
        Assert.Contains("new@example.com", pending.QuerySelector("main")!.TextContent, StringComparison.Ordinal);
        AssertPromisesNothing("/account/pending/email", pending);
    }

    [Fact]
    public async Task Page_WhenAMailServerIsSet_SaysNothingOfFiles()
    {
        await using var server = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["SMTP_URL"] = "smtp+starttls://user:password@mail.example.com:587" });
        using var browser = new PageClient(server.Url);
        Assert.DoesNotContain(Notice, (await browser.ReadAsync("/verify-email?email=ada@example.com&sent=1")).Body!.TextContent, StringComparison.Ordinal);
    }

    private static void AssertPromisesNothing(string url, IHtmlDocument page)
    {
        var text = page.QuerySelector("main")!.TextContent;
        Assert.True(text.Contains("This service has no mail server yet, so no code reaches you.", StringComparison.Ordinal), url + ": " + text);
        foreach (var promise in (string[])[Notice, "sent", "we send", "on its way", "Send a new code"])
        {
            Assert.False(text.Contains(promise, StringComparison.OrdinalIgnoreCase), $"{url} says \"{promise}\": {text}");
        }
    }
}
