// RFC 6749 §4.1.1 and §4.1.2, Form Post Response Mode 1.0: an authorization request at a browser, and where it ends.
using System.Net;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;

namespace Identity.Tests.Conformance;

/// <summary>How an authorization request ended.</summary>
/// <param name="Request">What was sent.</param>
/// <param name="Pages">The pages that a person had to fill in on the way: sign-in, consent.</param>
/// <param name="Target">Where the answer went; null: nowhere, a page was shown.</param>
/// <param name="Parameters">The answer's parameters.</param>
/// <param name="Status">Of a page that was shown in its place.</param>
/// <param name="Html">That page.</param>
public sealed record AuthorizationAnswer(
    IReadOnlyDictionary<string, string> Request,
    IReadOnlyList<string> Pages,
    string? Target,
    IReadOnlyDictionary<string, string> Parameters,
    HttpStatusCode Status,
    string Html)
{
    /// <summary>Sends the request and answers every page on the way.</summary>
    /// <param name="world">Whom to ask.</param>
    /// <param name="browser">Whose cookies go along.</param>
    /// <param name="request">The parameters, in this order.</param>
    /// <param name="post">By a form from another site: without the cookies that SameSite=Lax keeps back.</param>
    /// <param name="decline">The person says no, at the first page that there is.</param>
    public static async Task<AuthorizationAnswer> OfAsync(ConformanceWorld world, Browser browser, IReadOnlyDictionary<string, string> request, bool post = false, bool decline = false)
    {
        var endpoint = (string)world.Metadata["authorization_endpoint"]!;
        var pages = new List<string>();
        var answer = post
            ? await world.Http.PostAsync(new Uri(endpoint), new FormUrlEncodedContent(request))
            : await browser.GetAsync(endpoint + "?" + string.Join('&', request.Select(pair => pair.Key + "=" + Uri.EscapeDataString(pair.Value))));
        for (var hops = 0; hops < 10; hops++)
        {
            if (answer.StatusCode is not (HttpStatusCode.SeeOther or HttpStatusCode.Found))
            {
                var html = await answer.Content.ReadAsStringAsync();
                var status = answer.StatusCode;
                answer.Dispose();
                return FormOf(html) is var (target, fields) && status == HttpStatusCode.OK
                    ? new(request, pages, target, fields, status, html)
                    : new(request, pages, null, new Dictionary<string, string>(StringComparer.Ordinal), status, html);
            }

            var next = answer.Headers.Location!;
            answer.Dispose();
            if (!next.OriginalString.StartsWith('/'))
            {
                // Registered query parameters stay in the address; the answer's come after them. The code flow puts nothing into the fragment.
                Assert.Empty(next.Fragment);
                return new(request, pages, next.OriginalString.Split('?')[0], RunningServer.Query(next), answer.StatusCode, "");
            }

            var page = next.OriginalString.Split('?')[0];
            if (page is "/signin" or "/consent")
            {
                pages.Add(page == "/signin" ? "sign-in" : "consent");
                answer = decline ? await DeclineAsync(browser, next.OriginalString)
                    : page == "/signin" ? await browser.SubmitAsync(next.OriginalString, new() { ["username"] = ConformanceWorld.Email, ["current-password"] = ConformanceWorld.Password })
                    : await browser.SubmitAsync(next.OriginalString, [], button: "Allow");
            }
            else
            {
                answer = await browser.GetAsync(next.OriginalString);
            }
        }

        throw new InvalidOperationException("The request goes round and round: " + string.Join(", ", pages));
    }

    // "Back to …", "Cancel": the form beside the one with the password.
    private static async Task<HttpResponseMessage> DeclineAsync(Browser browser, string path)
    {
        using var page = await browser.GetAsync(path);
        var document = new HtmlParser().ParseDocument(await page.Content.ReadAsStringAsync());
        var form = document.Forms.Single(form => form.GetAttribute("action")?.Contains("handler=Decline", StringComparison.Ordinal) == true);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(browser.Address, form.GetAttribute("action")))
        {
            Content = new FormUrlEncodedContent(form.QuerySelectorAll("input").OfType<IHtmlInputElement>().Select(input => KeyValuePair.Create(input.Name!, input.Value))),
        };
        return await browser.SendAsync(request);
    }

    private static (string Target, Dictionary<string, string> Fields)? FormOf(string html)
    {
        var document = new HtmlParser().ParseDocument(html);
        if (document.GetElementById("form-post") is not IHtmlFormElement form)
        {
            return null;
        }

        // The default encoding is application/x-www-form-urlencoded, which the callback must be sent in.
        Assert.Equal("post", form.GetAttribute("method"));
        Assert.False(form.HasAttribute("enctype"));
        Assert.Contains(document.Scripts, script => script.Source?.StartsWith("/js/form-post.js", StringComparison.Ordinal) == true);
        return (form.GetAttribute("action")!, form.QuerySelectorAll("input").OfType<IHtmlInputElement>().ToDictionary(input => input.Name!, input => input.Value, StringComparer.Ordinal));
    }
}
