using System.Net;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;

namespace Identity.Tests;

/// <summary>A person at a browser without JavaScript: keeps cookies, fills in forms, and follows only what a test says.</summary>
public sealed class Browser : IDisposable
{
    private readonly HttpClient _http;

    /// <param name="address">Where paths are looked up.</param>
    /// <param name="handler">How it connects; null: as by default.</param>
    public Browser(Uri address, SocketsHttpHandler? handler = null)
    {
        Address = address;
        handler ??= new SocketsHttpHandler();
        (handler.AllowAutoRedirect, handler.CookieContainer) = (false, Cookies);
        _http = new HttpClient(handler) { BaseAddress = address };
    }

    public Uri Address { get; }

    public CookieContainer Cookies { get; } = new();

    public Task<HttpResponseMessage> GetAsync(string path) => _http.GetAsync(new Uri(Address, path));

    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request) => _http.SendAsync(request);

    /// <summary>Signs in at the page; where the page then sends the browser.</summary>
    public async Task<Uri> SignInAsync(string email, string password, string? returnUrl = null)
    {
        using var answer = await SubmitAsync("/signin" + (returnUrl is null ? "" : "?returnUrl=" + Uri.EscapeDataString(returnUrl)), new() { ["username"] = email, ["current-password"] = password });
        Assert.True(answer.StatusCode == HttpStatusCode.SeeOther, $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        return answer.Headers.Location!;
    }

    /// <summary>Signs in at the page that an authorization request led to; where that goes on.</summary>
    public async Task<Uri> SignInAtAsync(Uri page, string email, string password)
    {
        using var answer = await SubmitAsync(page.OriginalString, new() { ["username"] = email, ["current-password"] = password });
        Assert.True(answer.StatusCode == HttpStatusCode.SeeOther, $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        return answer.Headers.Location!;
    }

    /// <summary>Opens a page and submits its main form: the one with a password, else the first that posts.</summary>
    /// <param name="path">The page.</param>
    /// <param name="answers">By autocomplete token or name.</param>
    /// <param name="button">Text of the button pressed; null: the first one.</param>
    /// <param name="change">Changes the form's fields last.</param>
    public async Task<HttpResponseMessage> SubmitAsync(string path, Dictionary<string, string> answers, string? button = null, Action<Dictionary<string, string>>? change = null)
    {
        using var page = await GetAsync(path);
        var html = await page.Content.ReadAsStringAsync();
        var document = new HtmlParser().ParseDocument(html);
        var forms = document.Forms.Where(form => form.Method.Equals("post", StringComparison.OrdinalIgnoreCase)).ToArray();
        var form = forms.FirstOrDefault(candidate => candidate.QuerySelector("input[type=password]") is not null) ?? forms.FirstOrDefault(candidate => button is null || candidate.TextContent.Contains(button, StringComparison.Ordinal))
            ?? throw new InvalidOperationException($"No form at {path}: {(int)page.StatusCode} {html}");
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var input in form.QuerySelectorAll("input").OfType<IHtmlInputElement>().Where(input => !string.IsNullOrEmpty(input.Name) && input.Type is not ("submit" or "checkbox")))
        {
            var tokens = (input.Autocomplete ?? "").Split(' ');
            var key = answers.Keys.FirstOrDefault(name => name == input.Name || tokens.Contains(name));
            fields[input.Name!] = key is null ? input.Value : answers[key];
        }

        var pressed = form.QuerySelectorAll("button").OfType<IHtmlButtonElement>().FirstOrDefault(candidate => button is null || candidate.TextContent.Contains(button, StringComparison.Ordinal));
        if (!string.IsNullOrEmpty(pressed?.Name))
        {
            fields[pressed.Name] = pressed.Value;
        }

        change?.Invoke(fields);
        var action = pressed?.GetAttribute("formaction") ?? form.GetAttribute("action");
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(new Uri(Address, path), string.IsNullOrEmpty(action) ? path : action)) { Content = new FormUrlEncodedContent(fields) };
        return await SendAsync(request);
    }

    public void Dispose() => _http.Dispose();
}
