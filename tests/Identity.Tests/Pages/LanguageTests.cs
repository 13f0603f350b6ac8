// OpenID Connect Core §3.1.2.1 (ui_locales), WCAG 2.2 §3.1.1 (language of the page): what is spoken, by whose wish, and that no language lacks a text.
using System.Collections;
using System.Globalization;
using System.Net;
using System.Resources;
using System.Text.RegularExpressions;
using AngleSharp.Html.Dom;
using Identity.Accounts.Texts;
using Identity.Server.Pages;
using Identity.Server.Pages.Flow;
using Identity.Tests.Repository;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Localization;

namespace Identity.Tests.Pages;

[Collection(PagesCollection.Name)]
public sealed partial class LanguageTests(PagesFixture fixture)
{
    // Unicode CLDR: what Arabic counts with beyond one and other.
    private static readonly string[] ArabicForms = ["Two", "Few", "Many"];

    private static readonly Dictionary<string, ResourceManager> Resources = new(StringComparer.Ordinal)
    {
        ["pages"] = new ResourceManager(typeof(Texts)),
        ["accounts"] = new ResourceManager("Identity.Accounts.Texts.AccountTexts", typeof(AccountTexts).Assembly),
    };

    public static TheoryData<string, string> Translations
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var file in Resources.Keys)
            {
                foreach (var language in Languages.All.Skip(1))
                {
                    data.Add(file, language);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Translations))]
    public void Texts_InEveryLanguage_AreCompleteAndTakeTheSameValues(string file, string language)
    {
        var english = Read(Resources[file], CultureInfo.InvariantCulture);
        var translated = Read(Resources[file], CultureInfo.GetCultureInfo(language));
        var expected = language == "ar"
            ? english.Keys.Concat(english.Keys.Where(IsCounted).SelectMany(key => ArabicForms.Select(form => key[..^"Other".Length] + form)))
            : english.Keys;
        Assert.Equal(expected.Order(StringComparer.Ordinal), translated.Keys.Order(StringComparer.Ordinal));

        // One and two are words in Arabic: their numbers need not be written.
        Assert.All(english.Where(text => !(language == "ar" && text.Key.EndsWith(".One", StringComparison.Ordinal))), text => Assert.Equal(Placeholders(text.Value), Placeholders(translated[text.Key])));
        Assert.All(translated, text => Assert.False(string.IsNullOrWhiteSpace(text.Value), text.Key));
        Assert.All(english, text => Assert.Equal(text.Value.EndsWith(' '), translated[text.Key].EndsWith(' ')));
    }

    [Theory]
    [MemberData(nameof(Translations))]
    public void Texts_InEveryLanguage_AreNotTheEnglishOnes(string file, string language)
    {
        var english = Read(Resources[file], CultureInfo.InvariantCulture);
        var translated = Read(Resources[file], CultureInfo.GetCultureInfo(language));

        // Whole sentences: words such as "Code" are the same in several.
        Assert.DoesNotContain(english, text => text.Value.Count(char.IsWhiteSpace) > 2 && text.Value == translated[text.Key]);
        if (language == "ar")
        {
            Assert.DoesNotContain(translated, text => text.Value.Any(char.IsLetter) && !text.Value.Any(character => character is >= '\u0600' and <= '\u06ff') && text.Key is not "Strength.Text");
        }
    }

    [Fact]
    public void Texts_ThatPagesName_AreAllThere()
    {
        var known = Read(Resources["pages"], CultureInfo.InvariantCulture);
        var pages = Path.Combine(RepositoryRoot.Path, "src", "Identity.Server", "Pages");
        var missing = Directory.EnumerateFiles(pages, "*.cs*", SearchOption.AllDirectories)
            .SelectMany(file => Named().Matches(File.ReadAllText(file)).Select(match => match.Groups["key"].Value))
            .Where(key => !known.ContainsKey(key))
            .Distinct(StringComparer.Ordinal);
        Assert.Empty(missing);
    }

    [Theory]
    [InlineData("en", "ltr", "Sign in")]
    [InlineData("de", "ltr", "Anmelden")]
    [InlineData("de-AT", "ltr", "Anmelden")]
    [InlineData("fr", "ltr", "Se connecter")]
    [InlineData("fr-CA", "ltr", "Se connecter")]
    [InlineData("es-MX", "ltr", "Iniciar sesión")]
    [InlineData("ar", "rtl", "تسجيل الدخول")]
    [InlineData("ar-EG", "rtl", "تسجيل الدخول")]
    public async Task Page_ForABrowserOfThisLanguage_SaysItsLanguageAndDirection(string tag, string direction, string heading)
    {
        using var browser = fixture.Browser();
        var page = await ReadAsync(browser, "/signin", tag);
        Assert.Equal(tag, page.DocumentElement.GetAttribute("lang"));
        Assert.Equal(direction, page.DocumentElement.GetAttribute("dir"));
        Assert.Equal(heading, page.QuerySelector("h1")!.TextContent);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/signin?returnUrl=%2Faccount%2Fsessions")]
    [InlineData("/register?returnUrl=%2Faccount%2Fsessions")]
    [InlineData("/forgot-password?Email=ada%40example.com")]
    [InlineData("/verify-email?email=ada%40example.com&sent=1")]
    [InlineData("/signed-out")]
    [InlineData("/no-such-page")]
    [InlineData("/connect/authorize?client_id=nobody")]
    public async Task Switcher_OnEveryPage_KeepsThePageAndWhatItCarries(string page)
    {
        using var browser = fixture.Browser();
        var answer = await SwitchAsync(browser, await browser.ReadAsync(page), "fr", from: page);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        var back = answer.Headers.Location!.OriginalString;
        Assert.Equal(Normal(page), Normal(back));
        var cookie = Assert.Single(answer.Headers.GetValues("Set-Cookie")).ToLowerInvariant();
        Assert.StartsWith("identity-language=fr;", cookie, StringComparison.Ordinal);
        Assert.Contains("httponly", cookie, StringComparison.Ordinal);
        Assert.Contains("samesite=lax", cookie, StringComparison.Ordinal);
        Assert.Equal("fr", (await browser.ReadAsync(back)).DocumentElement.GetAttribute("lang"));
        Assert.Equal("fr", (await browser.ReadAsync("/signin")).DocumentElement.GetAttribute("lang"));
    }

    [Fact]
    public async Task Switcher_OnAPageThatSaysWhatWentWrong_RepeatsNothingOfTheAddress()
    {
        using var browser = fixture.Browser();
        Assert.DoesNotContain("canary", await (await browser.GetAsync("/connect/authorize?client_id=nobody&client_secret=canary")).Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain("canary", await (await browser.GetAsync("/no-such-page?code=canary")).Content.ReadAsStringAsync(), StringComparison.Ordinal);

        // Another site's address is none of ours, whatever its path.
        var request = new HttpRequestMessage(HttpMethod.Get, "/language?to=fr");
        request.Headers.Referrer = new Uri("https://evil.example/signin");
        Assert.Equal("/account", (await browser.SendAsync(request)).Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task Switcher_AfterAFormWasRefused_LeadsToThePageItStandsOn()
    {
        using var browser = fixture.Browser();
        var refused = await browser.SubmitAsync("/signin?returnUrl=%2Faccount%2Fsessions", new Dictionary<string, string>(StringComparer.Ordinal) { ["Login"] = "", ["Password"] = "" });
        var answer = await SwitchAsync(browser, PageClient.Parse(await refused.Content.ReadAsStringAsync()), "es");
        Assert.Equal("/signin?returnUrl=%2Faccount%2Fsessions", answer.Headers.Location!.OriginalString);
    }

    [Theory]
    [InlineData("//evil.example")]
    [InlineData("https://evil.example/")]
    [InlineData("/\\evil.example")]
    [InlineData("javascript:alert(1)")]
    public async Task Switcher_WithAnAddressThatLeadsAway_StaysHere(string address)
    {
        using var browser = fixture.Browser();
        Assert.Equal("/account", (await browser.GetAsync("/language?to=fr&from=" + Uri.EscapeDataString(address))).Headers.Location!.OriginalString);
    }

    [Theory]
    [InlineData("xx")]
    [InlineData("fr|de")]
    [InlineData("")]
    public async Task Switcher_ToALanguageThatThereIsNot_ChangesNothing(string language)
    {
        using var browser = fixture.Browser();
        var answer = await browser.GetAsync("/language?from=%2Fsignin&to=" + Uri.EscapeDataString(language));
        Assert.Equal("/signin", answer.Headers.Location!.OriginalString);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
    }

    [Fact]
    public async Task UiLocales_OfTheRequest_WinsUnlessThePersonChoseOtherwiseForIt()
    {
        using var browser = fixture.Browser();
        await browser.GetAsync("/language?to=fr&from=%2Fsignin");
        var german = (await browser.GetAsync(PagesFixture.AuthorizeUrl + "&ui_locales=de")).Headers.Location!.OriginalString;
        var page = await browser.ReadAsync(german);
        Assert.Equal("de", page.DocumentElement.GetAttribute("lang"));
        Assert.Equal("fr", (await browser.ReadAsync("/signin")).DocumentElement.GetAttribute("lang"));

        // The person wants it otherwise: on this page and on those that follow from the same request, and everywhere that nothing else is asked.
        await SwitchAsync(browser, page, "es");
        Assert.Equal("es", (await browser.ReadAsync(german)).DocumentElement.GetAttribute("lang"));
        Assert.Equal("es", (await browser.ReadAsync(german.Replace("/signin?", "/register?", StringComparison.Ordinal))).DocumentElement.GetAttribute("lang"));
        Assert.Equal("es", (await browser.ReadAsync("/signin")).DocumentElement.GetAttribute("lang"));

        // Another wish is another request's.
        var english = (await browser.GetAsync(PagesFixture.AuthorizeUrl + "&ui_locales=en")).Headers.Location!.OriginalString;
        Assert.Equal("en", (await browser.ReadAsync(english)).DocumentElement.GetAttribute("lang"));
    }

    [Fact]
    public async Task Choice_OfALanguage_KeepsTheRegionOfTheBrowser()
    {
        using var browser = fixture.Browser();
        await browser.GetAsync("/language?to=de&from=%2Fsignin");
        Assert.Equal("de-CH", (await ReadAsync(browser, "/signin", "fr-CH, de-CH;q=0.8")).DocumentElement.GetAttribute("lang"));
    }

    [Fact]
    public async Task ErrorPage_OfARefusedRequest_FollowsItsUiLocales()
    {
        using var browser = fixture.Browser();
        var page = await browser.ReadAsync("/connect/authorize?client_id=nobody&ui_locales=ar");
        Assert.Equal("rtl", page.DocumentElement.GetAttribute("dir"));
        Assert.Equal("هذا الرابط لا يعمل", page.QuerySelector("h1")!.TextContent);
    }

    // Whatever .NET was once asked for it remembers for ever: a stranger must not be who writes the tag.
    [Theory]
    [InlineData("de-u-co-hjgaxwji", "de")]
    [InlineData("de-AT-u-co-hjgaxwji", "de-AT")]
    [InlineData("de-x-hjgaxwji", "de")]
    [InlineData("DE-at", "de-AT")]
    [InlineData("ar-EG", "ar-EG")]
    [InlineData("fr-XX", "fr")]
    public async Task Language_WithATagThatNobodyKnows_IsThePlainOne(string tag, string spoken)
    {
        using var browser = fixture.Browser();
        Assert.Equal(spoken, (await ReadAsync(browser, "/signin", tag)).DocumentElement.GetAttribute("lang"));
        Assert.Equal(spoken, (await browser.ReadAsync("/connect/authorize?client_id=nobody&ui_locales=" + tag)).DocumentElement.GetAttribute("lang"));

        // Of one name there is one culture: what was made of a tag of its own would be another.
        Assert.Same(CultureInfo.GetCultureInfo(spoken), Languages.Find(tag));
    }

    // A provider without a name of its own stands at the beginning of sentences and within them.
    [Theory]
    [InlineData("Denied", "en", "The other provider says that the sign-in was declined.")]
    [InlineData("NotFresh", "en", "The application asked you to sign in again, and the other provider answered with an earlier sign-in.")]
    [InlineData("Denied", "de", "Der andere Anbieter meldet, dass die Anmeldung abgelehnt wurde.")]
    [InlineData("NotFresh", "de", "Die Anwendung wollte, dass Sie sich neu anmelden, und der andere Anbieter hat mit einer früheren Anmeldung geantwortet.")]
    [InlineData("Taken", "de", "Ihr Konto dort (der andere Anbieter) ist hier schon mit einem anderen Konto verbunden.")]
    [InlineData("Denied", "fr", "L’autre fournisseur indique que la connexion a été refusée.")]
    public async Task Provider_WithoutAName_IsToldOfAsTheSentenceNeedsIt(string problem, string language, string lead)
    {
        using var browser = fixture.Browser();
        var page = await browser.ReadAsync($"/external/problem?problem={problem}&provider=x&id=0123456789abcdef&ui_locales={language}");
        Assert.Equal(lead, page.QuerySelector(".card-header p")!.TextContent);
    }

    [Fact]
    public async Task Discovery_NamesTheLanguages()
    {
        using var http = new HttpClient { BaseAddress = fixture.Server.Url };
        using var document = System.Text.Json.JsonDocument.Parse(await http.GetStringAsync("/.well-known/openid-configuration", TestContext.Current.CancellationToken));
        Assert.Equal(["en", "de", "fr", "es", "ar"], document.RootElement.GetProperty("ui_locales_supported").EnumerateArray().Select(value => value.GetString()));
    }

    [Theory]
    [InlineData("ar", 1, "دقيقة واحدة")]
    [InlineData("ar", 2, "دقيقتين")]
    [InlineData("ar", 5, "5 دقائق")]
    [InlineData("ar", 15, "15 دقيقة")]
    [InlineData("fr", 1, "1 minute")]
    [InlineData("es", 5, "5 minutos")]
    public void Length_OfATime_IsCountedAsTheLanguageCounts(string language, int minutes, string expected)
    {
        using var scope = fixture.Server.Services.CreateScope();
        var texts = scope.ServiceProvider.GetRequiredService<IStringLocalizer<Texts>>();
        var (culture, uiCulture) = (CultureInfo.CurrentCulture, CultureInfo.CurrentUICulture);
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.GetCultureInfo(language);
            Assert.Equal(expected, HumanTime.Length(texts, TimeSpan.FromMinutes(minutes)));
        }
        finally
        {
            (CultureInfo.CurrentCulture, CultureInfo.CurrentUICulture) = (culture, uiCulture);
        }
    }

    [Fact]
    public void Stylesheet_NamesNoSide_SoThatItServesBothDirections()
    {
        var css = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "src", "Identity.Server", "wwwroot", "css", "identity.css"));
        var sided = Sided().Matches(css).Select(match => match.Value);
        Assert.Empty(sided);
    }

    private Task<HttpResponseMessage> SwitchAsync(PageClient browser, IHtmlDocument page, string language, string? from = null)
    {
        var form = Assert.Single(page.Forms, form => form.ClassList.Contains("languages"));
        Assert.Equal("get", form.Method);
        Assert.Equal(Languages.All, form.QuerySelectorAll("button").Select(button => button.GetAttribute("value")!));
        // As a browser sends a form that is got: its fields, and where it stood.
        var fields = form.QuerySelectorAll("input").OfType<IHtmlInputElement>().Select(input => $"{input.Name}={Uri.EscapeDataString(input.Value)}&");
        var request = new HttpRequestMessage(HttpMethod.Get, $"{form.GetAttribute("action")}?{string.Concat(fields)}to={language}");
        request.Headers.Referrer = from is null ? null : new Uri(fixture.Server.Url, from);
        return browser.SendAsync(request);
    }

    private static async Task<IHtmlDocument> ReadAsync(PageClient browser, string url, string languages)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.TryAddWithoutValidation("Accept-Language", languages);
        return PageClient.Parse(await (await browser.SendAsync(request)).Content.ReadAsStringAsync());
    }

    private static string Normal(string url) => Uri.UnescapeDataString(url).ToLowerInvariant();

    private static bool IsCounted(string key) => key.StartsWith("Time.", StringComparison.Ordinal) && key.EndsWith(".Other", StringComparison.Ordinal);

    private static Dictionary<string, string> Read(ResourceManager manager, CultureInfo culture) =>
        manager.GetResourceSet(culture, createIfNotExists: true, tryParents: false)!.Cast<DictionaryEntry>().ToDictionary(entry => (string)entry.Key, entry => (string)entry.Value!, StringComparer.Ordinal);

    private static string Placeholders(string text) => string.Concat(Placeholder().Matches(text).Select(match => match.Value).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));

    [GeneratedRegex(@"\{\d\}")]
    private static partial Regex Placeholder();

    // Keys that are written out; those that are put together end in a dot.
    [GeneratedRegex("""\bT\["(?<key>[A-Za-z0-9_.]+[A-Za-z0-9])"[\],]""")]
    private static partial Regex Named();

    [GeneratedRegex(@"(?<![\w-])(?:(?:margin|padding|border)-(?:left|right)|(?:left|right)\s*:|text-align:\s*(?:left|right)|float:\s*(?:left|right))")]
    private static partial Regex Sided();
}
