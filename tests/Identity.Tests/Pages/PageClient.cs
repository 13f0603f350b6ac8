using System.Net;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;

namespace Identity.Tests.Pages;

/// <summary>A browser without scripts, as far as forms need one: keeps cookies, follows nothing, fills in what it is shown.</summary>
public sealed class PageClient : IDisposable
{
    private readonly HttpClient _http;

    public PageClient(Uri server)
    {
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = server };
        _http.DefaultRequestHeaders.Accept.ParseAdd("text/html");
    }

    /// <summary>As a proxy hands requests on that ends TLS for https://id.example.com.</summary>
    public static PageClient ThroughProxy(Uri server)
    {
        var client = new PageClient(server);
        client._http.DefaultRequestHeaders.Add("X-Forwarded-Proto", "https");
        client._http.DefaultRequestHeaders.Add("X-Forwarded-Host", "id.example.com");
        client._http.DefaultRequestHeaders.Add("X-Forwarded-For", "192.0.2.1");
        return client;
    }

    public Dictionary<string, string> Cookies { get; } = new(StringComparer.Ordinal);

    public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request)
    {
        if (Cookies.Count > 0)
        {
            request.Headers.Add("Cookie", string.Join("; ", Cookies.Select(cookie => $"{cookie.Key}={cookie.Value}")));
        }

        var response = await _http.SendAsync(request);
        if (response.Headers.TryGetValues("Set-Cookie", out var lines))
        {
            foreach (var line in lines)
            {
                var pair = line.Split(';')[0].Split('=', 2);
                if (pair[1].Length == 0)
                {
                    Cookies.Remove(pair[0]);
                }
                else
                {
                    Cookies[pair[0]] = pair[1];
                }
            }
        }

        return response;
    }

    public Task<HttpResponseMessage> GetAsync(string url) => SendAsync(new HttpRequestMessage(HttpMethod.Get, url));

    public async Task<IHtmlDocument> ReadAsync(string url) => Parse(await (await GetAsync(url)).Content.ReadAsStringAsync());

    public static IHtmlDocument Parse(string html) => new HtmlParser().ParseDocument(html);

    /// <summary>The form on a page, as it would be sent: the one that posts to <paramref name="action"/>, or the first.</summary>
    public static (string Action, Dictionary<string, string> Fields) Form(IHtmlDocument page, string? action = null, string? field = null)
    {
        var form = page.Forms.First(form => form.Method == "post" && (action is null || form.GetAttribute("action")?.Contains(action, StringComparison.Ordinal) == true) && (field is null || form.Elements.OfType<IHtmlInputElement>().Any(input => input.Name == field)));
        var fields = form.Elements.OfType<IHtmlInputElement>().Where(input => !string.IsNullOrEmpty(input.Name) && (input.Type != "checkbox" || input.IsChecked)).ToDictionary(input => input.Name!, input => input.Value, StringComparer.Ordinal);
        return (form.GetAttribute("action")!, fields);
    }

    /// <summary>Opens a page, fills in its form and sends it.</summary>
    public async Task<HttpResponseMessage> SubmitAsync(string url, IReadOnlyDictionary<string, string> answers, string? action = null)
    {
        var (target, fields) = Form(await ReadAsync(url), action);
        foreach (var (name, value) in answers)
        {
            fields[name] = value;
        }

        return await PostAsync(target, fields);
    }

    public Task<HttpResponseMessage> PostAsync(string url, IReadOnlyDictionary<string, string> fields, Action<HttpRequestMessage>? more = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = new FormUrlEncodedContent(fields) };
        more?.Invoke(request);
        return SendAsync(request);
    }

    public Task<HttpResponseMessage> SignInAsync(string login, string password, string returnUrl = "") =>
        SubmitAsync("/signin" + (returnUrl.Length == 0 ? "" : "?returnUrl=" + returnUrl), new Dictionary<string, string>(StringComparer.Ordinal) { ["Login"] = login, ["Password"] = password });

    /// <summary>Signs in where somebody is signed in already, as an application asks for it.</summary>
    public async Task SignInAgainAsync(string login, string password) =>
        Assert.Equal(HttpStatusCode.SeeOther, (await SignInAsync(login, password, Uri.EscapeDataString(PagesFixture.AuthorizeUrl))).StatusCode);

    public async Task<bool> IsSignedInAsync() => (await GetAsync("/account")).StatusCode == HttpStatusCode.OK;

    public void Dispose() => _http.Dispose();
}
