using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Pages;

/// <summary>A newcomer who waits for a mail that no server sends is told where it is.</summary>
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

    [Theory]
    [InlineData("/verify-email?email=ada@example.com&sent=1")]
    [InlineData("/reset-password?email=ada@example.com")]
    public async Task Page_WhenNoMailServerIsSetOutsideDevelopment_PromisesNothing(string url)
    {
        await using var server = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["environment"] = "Production", ["Accounts:PasswordHashIterations"] = "210000", ["PUBLIC_URL"] = "https://id.example.com", ["TRUSTED_PROXIES"] = "127.0.0.1,::1" });
        using var http = new HttpClient { BaseAddress = server.Url };
        http.DefaultRequestHeaders.Add("X-Forwarded-Proto", "https");
        http.DefaultRequestHeaders.Add("X-Forwarded-Host", "id.example.com");
        http.DefaultRequestHeaders.Add("X-Forwarded-For", "192.0.2.1");
        http.DefaultRequestHeaders.Add("Accept", "text/html");
        var text = PageClient.Parse(await http.GetStringAsync(url, TestContext.Current.CancellationToken)).Body!.TextContent;
        Assert.Contains("This service has no mail server yet, so no code reaches you.", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Notice, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Page_WhenAMailServerIsSet_SaysNothingOfFiles()
    {
        await using var server = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["SMTP_URL"] = "smtp+starttls://user:password@mail.example.com:587" });
        using var browser = new PageClient(server.Url);
        Assert.DoesNotContain(Notice, (await browser.ReadAsync("/verify-email?email=ada@example.com&sent=1")).Body!.TextContent, StringComparison.Ordinal);
    }
}
