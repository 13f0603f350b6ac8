// OpenID Connect Core §3.1.2.1 (ui_locales), RFC 9110 §12.5.4 (Accept-Language), RFC 4647 §3.4 (lookup).
using System.Globalization;
using Identity.Accounts.Texts;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Identity.Server.Pages;

/// <summary>
/// Chooses the language of a page: what the application asks for, unless the person chose another one for just that wish; then what they chose
/// before (<see cref="MapLanguage"/>), what the browser asks for, English. Numbers and dates follow the full locale (de-AT), texts the nearest one there is (de).
/// </summary>
internal sealed class PageLanguage : IAsyncResourceFilter
{
    /// <summary>Where the form at the foot of every page leads.</summary>
    public const string Path = "/language";

    private const string CookieName = "identity-language";
    private const int LongestWish = 60;
    private static readonly TimeSpan s_kept = TimeSpan.FromDays(365);

    public Task OnResourceExecutionAsync(ResourceExecutingContext context, ResourceExecutionDelegate next) => SpeakAsync(context.HttpContext, () => next());

    /// <summary>Runs what writes a page in the language chosen for it.</summary>
    public static async Task SpeakAsync(HttpContext context, Func<Task> write)
    {
        var chosen = Choose(context);
        var (culture, uiCulture) = (CultureInfo.CurrentCulture, CultureInfo.CurrentUICulture);
        CultureInfo.CurrentCulture = chosen;
        CultureInfo.CurrentUICulture = chosen;
        try
        {
            await write();
        }
        finally
        {
            (CultureInfo.CurrentCulture, CultureInfo.CurrentUICulture) = (culture, uiCulture);
        }
    }

    /// <summary>Keeps a person's choice for a year, and leads back to the page it was made on.</summary>
    public static void MapLanguage(IEndpointRouteBuilder endpoints) =>
        endpoints.MapMethods(Path, [HttpMethods.Get, HttpMethods.Head], (string? to, string? from, HttpContext context, ReturnUrls returnUrls, ServerSettings settings) =>
        {
            var back = returnUrls.Validate(from ?? Referrer(context.Request, settings));
            if (Languages.All.Contains(to, StringComparer.Ordinal))
            {
                var wish = Wish(RequestContexts.Query(back));
                var cookie = new CookieOptions { HttpOnly = true, Secure = settings.IsHttps, SameSite = Microsoft.AspNetCore.Http.SameSiteMode.Lax, Path = "/", IsEssential = true, MaxAge = s_kept };
                context.Response.Cookies.Append(settings.IsHttps ? "__Host-" + CookieName : CookieName, wish.Length is > 0 and <= LongestWish ? to + "|" + wish : to!, cookie);
            }

            context.Response.Headers.CacheControl = "no-store";
            context.Response.StatusCode = StatusCodes.Status303SeeOther;
            context.Response.Headers.Location = PublicPath.Rooted(context.Request, back);
        }).ExcludeFromDescription();

    /// <summary>
    /// The address of the page that is shown, to come back to it with a GET: without the handler of a form that was posted to it. Null for a page
    /// that says what went wrong at another address: what stood in that may be a secret in a wrong place, and is not written into a page.
    /// </summary>
    public static string? AddressOf(HttpContext context)
    {
        if (context.Features.Get<IStatusCodeReExecuteFeature>() is not null || context.Features.Get<IExceptionHandlerPathFeature>() is not null)
        {
            return null;
        }

        var kept = context.Request.Query.Where(pair => pair.Key is not "handler").SelectMany(pair => pair.Value, (pair, value) => KeyValuePair.Create(pair.Key, value));
        var address = QueryHelpers.AddQueryString(context.Request.Path.ToUriComponent(), kept);
        return ReturnUrls.IsLocal(address) ? address : "/";
    }

    internal static CultureInfo Choose(HttpContext context)
    {
        var request = context.Request;
        string[] accepted = request.Headers.AcceptLanguage.Count > 0 && StringWithQualityHeaderValue.TryParseList(request.Headers.AcceptLanguage, out var values)
            ? [.. values.Where(value => value.Quality is not 0).OrderByDescending(value => value.Quality ?? 1).Select(value => value.Value.ToString()).Take(20)]
            : [];
        var wish = Wish(Parameters(context));
        var (chosen, despite) = Remembered(request);

        // The person's language as their browser writes it: numbers and dates of Austria, not only German.
        var own = chosen is null ? null : Array.Find(accepted, tag => tag.StartsWith(chosen + "-", StringComparison.OrdinalIgnoreCase)) ?? chosen;
        string?[] first = own is not null && (wish.Length == 0 || wish == despite) ? [own] : [];
        return first.Concat(wish.Split(' ', StringSplitOptions.RemoveEmptyEntries).Take(20)).Append(own).Concat(accepted).Select(Languages.Find).FirstOrDefault(found => found is not null)
            ?? CultureInfo.GetCultureInfo(Languages.All[0]);
    }

    // Where the browser comes from, if that is a page of ours; as we know its address, without the path that a proxy puts before it.
    private static string? Referrer(HttpRequest request, ServerSettings settings)
    {
        var ours = new Uri(settings.PublicUrl);
        if (!Uri.TryCreate(request.Headers.Referer, UriKind.Absolute, out var from) || (from.Authority != ours.Authority && from.Authority != request.Host.Value))
        {
            return null;
        }

        var prefix = ours.AbsolutePath.TrimEnd('/');
        return prefix.Length > 0 && from.PathAndQuery.StartsWith(prefix + "/", StringComparison.Ordinal) ? from.PathAndQuery[prefix.Length..] : from.PathAndQuery;
    }

    private static (string? Chosen, string? Despite) Remembered(HttpRequest request)
    {
        if ((request.Cookies["__Host-" + CookieName] ?? request.Cookies[CookieName]) is not { Length: > 0 and <= 4 + LongestWish } cookie)
        {
            return default;
        }

        var parts = cookie.Split('|', 2);
        return Languages.All.Contains(parts[0], StringComparer.Ordinal) ? (parts[0], parts.Length > 1 ? parts[1] : null) : default;
    }

    // Of the request itself, or of the one that it leads back to.
    private static string Wish(Dictionary<string, StringValues> parameters) =>
        parameters.TryGetValue("ui_locales", out var own) && own.ToString() is { Length: > 0 } wish ? wish
        : parameters.TryGetValue("returnUrl", out var back) && back.ToString() is { Length: > 0 and < 8192 } returnUrl && RequestContexts.Query(returnUrl).TryGetValue("ui_locales", out var locales) ? locales.ToString()
        : "";

    private static Dictionary<string, StringValues> Parameters(HttpContext context) =>
        context.Features.Get<IStatusCodeReExecuteFeature>() is { OriginalQueryString: { Length: > 0 } query }
            ? new(QueryHelpers.ParseQuery(query), StringComparer.Ordinal)
            : context.Request.Query.ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal);
}
