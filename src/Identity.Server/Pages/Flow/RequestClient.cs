using Identity.OAuth;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.Server.Hosting;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Primitives;

namespace Identity.Server.Pages.Flow;

/// <summary>The application a person comes from, as the pages show it.</summary>
/// <param name="Id"><c>client_id</c>.</param>
/// <param name="Name">Its name, or its id.</param>
/// <param name="LogoUri">Only where it is https.</param>
/// <param name="Uri">Its home page, only where it is https.</param>
/// <param name="AnswerScheme">Scheme of the address it is answered at: a form's redirects must be let through to it.</param>
public sealed record RequestClient(string Id, string Name, string? LogoUri, string? Uri, string? PolicyUri, string? TosUri, string? AnswerScheme)
{
    /// <summary>Stands in for a missing logo.</summary>
    public string Initial => System.Globalization.StringInfo.GetNextTextElement(Name.TrimStart()).ToUpperInvariant() is { Length: > 0 } initial ? initial : "?";

    public static RequestClient From(Client client, string? answerUri) => new(
        client.ClientId,
        string.IsNullOrWhiteSpace(client.ClientName) ? client.ClientId : client.ClientName,
        Https(client.LogoUri),
        Https(client.ClientUri),
        Https(client.PolicyUri),
        Https(client.TosUri),
        answerUri is not null && System.Uri.TryCreate(answerUri, UriKind.Absolute, out var parsed) ? parsed.Scheme : null);

    private static string? Https(string? uri) =>
        System.Uri.TryCreate(uri, UriKind.Absolute, out var parsed) && parsed.Scheme == System.Uri.UriSchemeHttps ? parsed.AbsoluteUri : null;
}

/// <summary>What a return address says of the request that led here.</summary>
public sealed record RequestContext(RequestClient? Client, string? LoginHint, string? UiLocales, string? ScreenHint)
{
    public static RequestContext None { get; } = new(null, null, null, null);
}

/// <summary>Reads the request out of the return address. It decides nothing: the authorize endpoint looks at everything again.</summary>
public sealed class RequestContexts(ClientStore clients, LongRequests kept, PushedRequests pushed, Interactions interactions)
{
    // As long as a registration takes one.
    private const int LongestUri = 2000;

    public async Task<RequestContext> ReadAsync(string returnUrl, HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var cancellationToken = context.RequestAborted;
        var query = await WholeAsync(returnUrl, context);
        return new RequestContext(
            await FindAsync(Single(query, "client_id"), query, cancellationToken),
            Single(query, "login_hint"),
            Single(query, "ui_locales"),
            Single(query, "prompt") is { } prompt && prompt.Split(' ').Contains("create", StringComparer.Ordinal) ? "create" : null);
    }

    /// <summary>The client of that id, as far as pages show it; null: there is none.</summary>
    public Task<RequestClient?> FindAsync(string? clientId, CancellationToken cancellationToken) => FindAsync(clientId, [], cancellationToken);

    // What a page tells of a plain request stays in its address; a pushed request and a request object hide it, and the latter may itself be kept elsewhere.
    private async Task<Dictionary<string, StringValues>> WholeAsync(string returnUrl, HttpContext context)
    {
        var query = Query(returnUrl);
        if (RequestObjects.IsPushed(Single(query, "request_uri")))
        {
            return Parameters(returnUrl) is { } reference && await pushed.ResolveAsync(reference, interactions.Read(returnUrl, context), context.RequestAborted) is { } said ? Dictionary(said) : query;
        }

        var isHidden = query.ContainsKey("request") || (query.ContainsKey(LongRequests.Parameter) && !query.ContainsKey("redirect_uri"));
        if (!isHidden || Parameters(returnUrl) is not { } sent || await kept.WholeAsync(sent, context.RequestAborted) is not { } whole)
        {
            return query;
        }

        return Dictionary(RequestObjects.Unverified(whole));
    }

    private static Dictionary<string, StringValues> Dictionary(RequestParameters told) => told.Names.ToDictionary(name => name, name => new StringValues([.. told.All(name)]), StringComparer.Ordinal);

    private async Task<RequestClient?> FindAsync(string? clientId, Dictionary<string, StringValues> query, CancellationToken cancellationToken) =>
        clientId is { Length: > 0 and <= 200 } && !clientId.Any(char.IsControl) && await clients.FindAsync(clientId, cancellationToken) is { Disabled: false } client
            ? RequestClient.From(client, AnswerUri(client, query))
            : null;

    /// <summary>The same, as rules read them; null: they are none that rules would read.</summary>
    public static RequestParameters? Parameters(string returnUrl) =>
        RequestParameters.Read(Query(returnUrl).Select(pair => KeyValuePair.Create(pair.Key, (IReadOnlyList<string?>)pair.Value.ToArray()))).TryGet(out var parameters, out _) ? parameters : null;

    /// <summary>Parameters of a return address.</summary>
    public static Dictionary<string, StringValues> Query(string returnUrl)
    {
        var at = returnUrl.IndexOf('?', StringComparison.Ordinal);
        return at < 0 ? new(StringComparer.Ordinal) : new(QueryHelpers.ParseQuery(returnUrl[at..]), StringComparer.Ordinal);
    }

    private static string? AnswerUri(Client client, Dictionary<string, StringValues> query) =>
        Single(query, "redirect_uri", LongestUri) ?? Single(query, "post_logout_redirect_uri", LongestUri) ?? (client.RedirectUris is [var only] ? only : null);

    private static string? Single(Dictionary<string, StringValues> query, string name, int longest = 500) =>
        query.TryGetValue(name, out var values) && values is [{ Length: > 0 } value] && value.Length <= longest ? value : null;
}
