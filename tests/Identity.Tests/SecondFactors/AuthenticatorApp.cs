using AngleSharp.Dom;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;
using OtpNet;

namespace Identity.Tests.SecondFactors;

/// <summary>An authenticator app in somebody's hand: scans the page, and shows codes.</summary>
public sealed class AuthenticatorApp
{
    private readonly byte[] _secret;
    private readonly List<KeyValuePair<string, string>> _fields;
    private readonly Uri _page;

    private AuthenticatorApp(Uri page, IHtmlDocument document)
    {
        _page = page;
        _secret = Base32Encoding.ToBytes(document.QuerySelector(".reference code")!.TextContent.Replace(" ", "", StringComparison.Ordinal));
        _fields = [.. document.QuerySelectorAll<IHtmlInputElement>("form input[type=hidden]").Select(input => KeyValuePair.Create(input.Name!, input.Value))];
    }

    /// <param name="browser">Whose page it is.</param>
    /// <param name="page">That adds an authenticator app.</param>
    public static async Task<AuthenticatorApp> ScanAsync(Browser browser, string page)
    {
        using var shown = await browser.GetAsync(page);
        var html = await shown.Content.ReadAsStringAsync();
        Assert.True(shown.IsSuccessStatusCode, $"{(int)shown.StatusCode} {shown.Headers.Location} {html}");
        return new AuthenticatorApp(new Uri(browser.Address, page), new HtmlParser().ParseDocument(html));
    }

    public string Code(DateTimeOffset now) => new Totp(_secret).ComputeTotp(now.UtcDateTime);

    /// <summary>Enters what the app shows; where the page then leads.</summary>
    public async Task<string> ConfirmAsync(Browser browser, DateTimeOffset now)
    {
        using var answer = await SendAsync(browser, now);
        Assert.True(answer.Headers.Location is not null, $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        using var shown = await browser.GetAsync(answer.Headers.Location.OriginalString);
        var html = await shown.Content.ReadAsStringAsync();
        var document = new HtmlParser().ParseDocument(html);
        Assert.True(document.QuerySelectorAll(".codes code").Length == 10, $"{(int)answer.StatusCode} {answer.Headers.Location} {html}");
        return document.QuerySelector(".actions-row a.button:not([download])")!.GetAttribute("href")!;
    }

    public async Task<HttpResponseMessage> SendAsync(Browser browser, DateTimeOffset now)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, _page) { Content = new FormUrlEncodedContent([.. _fields, KeyValuePair.Create("Code", Code(now))]) };
        return await browser.SendAsync(request);
    }
}
