// The commands that the conformance suite drives its browser by (its wiki, BrowserControl): what docs/certification-plan.json is written in.
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AngleSharp.Dom;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;

namespace Identity.Tests.Conformance;

/// <summary>Where a script came to.</summary>
/// <param name="Url">The last address: a page of ours, or the client's.</param>
/// <param name="Answer">What the client was told, in the query or a form; null: it was told nothing.</param>
/// <param name="Picture">The address of the page that the suite kept as the proof it asks for; null: none.</param>
/// <param name="Done">The tasks that were not left out.</param>
public sealed record ScriptEnd(Uri Url, IReadOnlyDictionary<string, string>? Answer, Uri? Picture, IReadOnlyList<string> Done);

/// <summary>Plays one module's <c>browser</c> at our pages as the suite's HtmlUnit does: forms and links, scripts of the old kind, no modules. What the suite would call a failure throws.</summary>
public sealed partial class ScriptedBrowser(RelyingParty client, JsonArray entries)
{
    private Uri _url = null!;
    private IHtmlDocument _page = null!;
    private Dictionary<string, string>? _answer;
    private Uri? _picture;

    /// <param name="url">Where the module sends the browser.</param>
    /// <param name="wantsPicture">Whether the module has a place for one, as it must before it is filled.</param>
    public async Task<ScriptEnd> GoAsync(string url, bool wantsPicture = false)
    {
        (_answer, _picture) = (null, null);
        var entry = entries.First(entry => Matches((string)entry!["match"]!, url))!;
        using (var first = await client.Browser.GetAsync(url))
        {
            await ArriveAsync(new Uri(url), first);
        }

        List<string> done = [];
        foreach (var task in entry["tasks"]!.AsArray())
        {
            var name = (string)task!["task"]!;
            if (task["match"] is { } match && !Matches((string)match!, _url.OriginalString))
            {
                Assert.True((bool?)task["optional"] == true, $"{name}: at {_url.OriginalString}");
                continue;
            }

            done.Add(name);
            foreach (var command in task["commands"]?.AsArray() ?? [])
            {
                await RunAsync([.. command!.AsArray().Select(part => part!)], wantsPicture);
            }
        }

        return new(_url, _answer, _picture, done);
    }

    private async Task RunAsync(JsonNode[] command, bool wantsPicture)
    {
        var (by, target) = ((string)command[1]!, (string)command[2]!);
        switch ((string)command[0]!)
        {
            case "text":
                Assert.IsAssignableFrom<IHtmlInputElement>(Find(by, target)).Value = (string)command[3]!;
                break;
            case "click":
                await PressAsync(Assert.IsAssignableFrom<IHtmlButtonElement>(Find(by, target)));
                break;
            case "wait" when by is "match":
                Assert.Matches(target, _url.OriginalString);
                break;
            case "wait" when command.Length > 4:
                Assert.Equal(("xpath", "//*"), (by, target));
                Assert.Matches((string)command[4]!, _page.DocumentElement.TextContent);
                Keep((string)command[5]!, wantsPicture);
                break;
            case "wait":
                // The suite's own page, which tells when it has taken the answer in.
                Assert.Equal(("id", "submission_complete"), (by, target));
                Assert.NotNull(_answer);
                break;
            default:
                Assert.Fail("No command of the suite: " + (string)command[0]!);
                break;
        }
    }

    private void Keep(string how, bool wantsPicture)
    {
        Assert.Contains(how, (string[])["update-image-placeholder", "update-image-placeholder-optional"]);
        Assert.True(wantsPicture || how.EndsWith("optional", StringComparison.Ordinal), "a picture that nobody asked for");
        _picture = wantsPicture ? _url : null;
    }

    private async Task PressAsync(IHtmlButtonElement button)
    {
        Assert.Equal("submit", button.Type);
        var form = button.Form!;
        var fields = form.QuerySelectorAll("input").OfType<IHtmlInputElement>().Where(input => input.Type is not "submit").ToDictionary(input => input.Name!, input => input.Value, StringComparer.Ordinal);
        var action = new Uri(_url, button.GetAttribute("formaction") ?? form.GetAttribute("action") ?? "");
        using var request = new HttpRequestMessage(HttpMethod.Post, action) { Content = new FormUrlEncodedContent(fields) };
        using var answer = await client.Browser.SendAsync(request);
        await ArriveAsync(action, answer);
    }

    private async Task ArriveAsync(Uri url, HttpResponseMessage answer)
    {
        if (answer.StatusCode is HttpStatusCode.Found or HttpStatusCode.SeeOther)
        {
            await FollowAsync(new Uri(url, answer.Headers.Location!));
            return;
        }

        _url = url;
        _page = new HtmlParser().ParseDocument(await answer.Content.ReadAsStringAsync());
        var scripts = _page.Scripts.Where(script => string.IsNullOrEmpty(script.GetAttribute("type"))).Select(script => script.Source?.Split('?')[0]).ToArray();
        if (scripts.Contains("/js/form-post.js", StringComparer.Ordinal))
        {
            var form = _page.Forms[0];
            _answer = form.QuerySelectorAll("input").OfType<IHtmlInputElement>().ToDictionary(input => input.Name!, input => input.Value, StringComparer.Ordinal);
            _url = new Uri(form.GetAttribute("action")!);
        }
        else if (scripts.Contains("/js/signed-out.js", StringComparer.Ordinal))
        {
            await FollowAsync(new Uri(url, _page.GetElementById("next")!.GetAttribute("href")!));
        }
    }

    private async Task FollowAsync(Uri next)
    {
        if (next.Authority == client.Browser.Address.Authority)
        {
            using var answer = await client.Browser.GetAsync(next.OriginalString);
            await ArriveAsync(next, answer);
            return;
        }

        (_url, _answer) = (next, RunningServer.Query(next));
    }

    private IElement Find(string by, string target)
    {
        var found = by switch
        {
            "id" => _page.GetElementById(target),
            "css" => _page.QuerySelector(target),
            _ => null,
        };
        return found ?? throw new InvalidOperationException($"No {by} {target} at {_url.OriginalString}: {_page.DocumentElement.OuterHtml}");
    }

    // Spring's PatternMatchUtils.simpleMatch: stars, and nothing else.
    private static bool Matches(string pattern, string url) => Regex.IsMatch(url, "^" + Star().Replace(Regex.Escape(pattern), ".*") + "$", RegexOptions.ExplicitCapture);

    [GeneratedRegex(@"\\\*")]
    private static partial Regex Star();
}
