using System.Net;
using AngleSharp.Html.Parser;

namespace Identity.Tests.FirstStart;

/// <summary>What a newcomer does at a browser when a program or a document tells them to open an address.</summary>
internal static class PersonAtBrowser
{
    /// <summary>Signs in, allows what is asked for, and ends at the application.</summary>
    public static async Task<Uri> AuthorizeAsync(Browser browser, string address, string email, string password)
    {
        using var asked = await browser.GetAsync(address);
        return await AllowAsync(browser, await browser.SignInAtAsync(asked.Headers.Location!, email, password));
    }

    /// <summary>Creates an account with the code that came by mail, allows what is asked for, and ends at the application.</summary>
    public static async Task<Uri> RegisterAsync(Browser browser, string address, string email, string password, Func<Task<string>> readCode)
    {
        using var asked = await browser.GetAsync(address);
        using var page = await browser.GetAsync(asked.Headers.Location!.OriginalString);
        var link = new HtmlParser().ParseDocument(await page.Content.ReadAsStringAsync()).QuerySelector("a[href^='/register']")!.GetAttribute("href")!;
        using var registered = await browser.SubmitAsync(link, new() { ["Email"] = email, ["new-password"] = password });
        Assert.True(registered.StatusCode == HttpStatusCode.SeeOther, await registered.Content.ReadAsStringAsync());
        using var confirmed = await browser.SubmitAsync(registered.Headers.Location!.OriginalString, new() { ["one-time-code"] = await readCode() });
        return await AllowAsync(browser, confirmed.Headers.Location!);
    }

    private static async Task<Uri> AllowAsync(Browser browser, Uri next)
    {
        using var consent = await browser.GetAsync(next.OriginalString);
        using var allowed = await browser.SubmitAsync(consent.Headers.Location!.OriginalString, [], "Allow");
        using var answered = await browser.GetAsync(allowed.Headers.Location!.OriginalString);
        return answered.Headers.Location!;
    }
}
