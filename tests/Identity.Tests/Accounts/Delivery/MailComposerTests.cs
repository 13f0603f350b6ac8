// RFC 2046 §5.1.4: a mail says who writes, to whom, why and in which language, as text and as HTML alike, and loads nothing.
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AngleSharp.Html.Parser;
using Identity.Accounts;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Texts;
using Microsoft.Extensions.Options;

namespace Identity.Tests.Accounts.Delivery;

public sealed partial class MailComposerTests
{
    private const string Evil = "<img src=x onerror=alert(1)>\"'&";

    [Fact]
    public void Mail_WithMarkupInEveryPart_IsTextEverywhere()
    {
        var account = new Account { Id = Guid.NewGuid(), Email = "a@example.com", NormalizedEmail = "A@EXAMPLE.COM", SecurityStamp = "s", EmailVerified = true, FirstName = Evil };
        var content = new MailContent(Evil, Evil + "\n" + Evil) { Code = "123456", AfterCode = Evil, App = Evil, Link = new MailLink(Evil, Evil, "https://id.example.com/x?a=1&b=\"><script>") };
        var mail = Composer(new MailBrand { Name = Evil, SupportUrl = "https://help.example.com/?a=1&b=2" }).Compose("a@example.com", account, content, CultureInfo.GetCultureInfo("en"));
        var page = new HtmlParser().ParseDocument(mail.Html!);
        Assert.Empty(page.QuerySelectorAll("img, script, [onerror]"));
        Assert.Equal(Evil, page.QuerySelector("h1")!.TextContent);
        Assert.Contains($"Hello {Evil},", page.Body!.TextContent, StringComparison.Ordinal);
        Assert.Contains($"App: {Evil}", page.Body.TextContent, StringComparison.Ordinal);
        Assert.Equal("https://id.example.com/x?a=1&b=\"><script>", page.QuerySelector("a")!.GetAttribute("href"));

        // The text is the same, unencoded, and leaves no gap unfilled.
        Assert.Contains($"Hello {Evil},", mail.Text, StringComparison.Ordinal);
        Assert.Contains("    123456", mail.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("{{", mail.Text + mail.Html, StringComparison.Ordinal);
    }

    [Fact]
    public void Mail_OfTheBrand_ShowsNameLogoAndColourAndLoadsNothingElse()
    {
        var brand = new MailBrand { Name = "Harbour", AccentColor = "#7a0019", LogoUrl = "https://cdn.example.com/logo.png", SupportUrl = "mailto:help@example.com" };
        var mail = Composer(brand).Compose("a@example.com", account: null, new MailContent("S", "T") { Link = new MailLink("L", "B", "https://id.example.com/") }, CultureInfo.GetCultureInfo("en"));
        var page = new HtmlParser().ParseDocument(mail.Html!);
        var image = Assert.Single(page.Images);
        Assert.Equal(("https://cdn.example.com/logo.png", "Harbour"), (image.GetAttribute("src"), image.GetAttribute("alt")));
        Assert.Contains("background:#7a0019", mail.Html, StringComparison.Ordinal);
        Assert.Equal("Harbour", mail.SenderName);
        Assert.Contains("an account at Harbour", mail.Text, StringComparison.Ordinal);
        Assert.Contains("mailto:help@example.com", mail.Text, StringComparison.Ordinal);

        // Without a logo the name stands there, and nothing at all is loaded: opening it tells nobody.
        var plain = Composer(new MailBrand()).Compose("a@example.com", account: null, new MailContent("S", "T"), CultureInfo.GetCultureInfo("en"));
        Assert.DoesNotContain("src=", plain.Html, StringComparison.Ordinal);
        Assert.DoesNotContain("url(", plain.Html, StringComparison.Ordinal);
        Assert.Contains("Identity", new HtmlParser().ParseDocument(plain.Html!).Body!.TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public void Mail_InTheDark_HasColoursOfItsOwn()
    {
        var mail = Composer(new MailBrand()).Compose("a@example.com", account: null, new MailContent("S", "T"), CultureInfo.GetCultureInfo("en"));
        var page = new HtmlParser().ParseDocument(mail.Html!);
        Assert.Equal("light dark", page.QuerySelector("meta[name=color-scheme]")!.GetAttribute("content"));
        Assert.Contains("prefers-color-scheme: dark", mail.Html, StringComparison.Ordinal);

        // Every letter is in an element whose colour the dark turns.
        Assert.All(page.QuerySelectorAll("h1, p").Where(element => element.QuerySelector("a, img") is null), element => Assert.NotEmpty(element.ClassList.Intersect(["text", "muted", "code"])));
    }

    [Theory]
    [InlineData("en", "ltr")]
    [InlineData("de", "ltr")]
    [InlineData("fr", "ltr")]
    [InlineData("es", "ltr")]
    [InlineData("ar", "rtl")]
    public async Task Code_ForAnAccountOfThisLanguage_IsWrittenInIt(string language, string direction)
    {
        await using var world = new World();
        await world.AddAsync(change: account => account.Profile["locale"] = language == "de" ? "de-AT" : language);
        await world.GenerateAsync();
        var mail = await world.Mail.NextAsync(World.Cancel);
        var culture = CultureInfo.GetCultureInfo(language);
        Assert.Equal(AccountTexts.In(culture, "Code.Subject", "Identity"), mail.Subject);
        Assert.Contains(AccountTexts.In(culture, "Code.Verification.Lead"), mail.Text, StringComparison.Ordinal);
        var page = new HtmlParser().ParseDocument(mail.Html!);
        Assert.StartsWith(language, page.DocumentElement.GetAttribute("lang"), StringComparison.Ordinal);
        Assert.Equal(direction, page.DocumentElement.GetAttribute("dir"));
        Assert.Equal("ltr", page.QuerySelector(".code")!.GetAttribute("dir"));
    }

    [Theory]
    [InlineData(null, "fr", "fr")]
    [InlineData("es", "fr", "es")]
    [InlineData("it", "fr", "fr")]
    [InlineData("it", "it", "en")]
    [InlineData(null, "", "en")]
    public void Language_OfAPerson_IsTheAccountsThenTheRequestsThenEnglish(string? locale, string request, string expected)
    {
        var account = new Account { Id = Guid.NewGuid(), Email = "a@example.com", NormalizedEmail = "A@EXAMPLE.COM", SecurityStamp = "s" };
        account.Profile["locale"] = locale is null ? null : JsonValue.Create(locale);
        var before = CultureInfo.CurrentUICulture;
        try
        {
            CultureInfo.CurrentUICulture = CultureInfo.GetCultureInfo(request);
            Assert.Equal(expected, Languages.Of(account).Name);

            // What is asked for where answers are not written in it goes before the process's own.
            Languages.Asked = CultureInfo.GetCultureInfo("de");
            Assert.Equal(locale == "es" ? "es" : "de", Languages.Of(account).Name);
        }
        finally
        {
            Languages.Asked = null;
            CultureInfo.CurrentUICulture = before;
        }
    }

    [Fact]
    public async Task Greeting_BeforeTheAddressIsProven_NamesNobody()
    {
        await using var world = new World();
        var account = await world.AddAsync(change: person => person.FirstName = "Win at evil.example");
        await world.GenerateAsync();
        var mail = await world.Mail.NextAsync(World.Cancel);
        Assert.DoesNotContain("evil.example", mail.Text + mail.Html, StringComparison.Ordinal);

        account = await world.CurrentAsync(account);
        account.EmailVerified = true;
        Assert.Equal(AccountWrite.Done, await world.Accounts.UpdateAsync(account, account.Version, [], World.Cancel));
        await world.GenerateAsync(purpose: OneTimeCodePurposes.PasswordReset);
        Assert.Contains("Hello Win at evil.example,", (await world.Mail.NextAsync(World.Cancel)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Code_BySms_SaysWhoItIsFrom()
    {
        await using var world = new World();
        await world.AddAsync(phoneNumber: "+4915112345678");
        await world.GenerateAsync(channel: "sms");
        Assert.Matches(SmsText(), (await world.Sms.NextAsync(World.Cancel)).Text);
    }

    private static MailComposer Composer(MailBrand brand) => new(Options.Create(brand));

    [GeneratedRegex("^Identity: Your code to confirm your address is [0-9]{6}\\. It works once, for 5 minutes\\.$")]
    private static partial Regex SmsText();
}
