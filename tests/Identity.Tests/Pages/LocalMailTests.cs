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

    [Fact]
    public async Task Page_WhenAMailServerIsSet_SaysNothingOfFiles()
    {
        await using var server = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["SMTP_URL"] = "smtp+starttls://user:password@mail.example.com:587" });
        using var browser = new PageClient(server.Url);
        Assert.DoesNotContain(Notice, (await browser.ReadAsync("/verify-email?email=ada@example.com&sent=1")).Body!.TextContent, StringComparison.Ordinal);
    }
}
