// OpenID Connect Core §3.1.2.1 (ui_locales), RFC 9110 §12.5.4 (Accept-Language), RFC 4647 §3.4 (lookup).
using System.Globalization;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.Net.Http.Headers;

namespace Identity.Server.Pages;

/// <summary>
/// Chooses the language of a page: what the application asks for, then what the browser asks for, then English.
/// Numbers and dates follow the full locale (de-AT), texts the nearest one there is (de).
/// </summary>
internal sealed class PageLanguage : IAsyncResourceFilter
{
    /// <summary>The languages that have texts.</summary>
    public static IReadOnlyList<string> Languages { get; } = ["en", "de"];

    public Task OnResourceExecutionAsync(ResourceExecutingContext context, ResourceExecutionDelegate next) => SpeakAsync(context.HttpContext, () => next());

    /// <summary>Runs what writes a page in the language chosen for it.</summary>
    public static async Task SpeakAsync(HttpContext context, Func<Task> write)
    {
        var chosen = Choose(context.Request);
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

    internal static CultureInfo Choose(HttpRequest request)
    {
        var accepted = request.Headers.AcceptLanguage.Count == 0
            ? []
            : StringWithQualityHeaderValue.TryParseList(request.Headers.AcceptLanguage, out var values)
                ? values.Where(value => value.Quality is not 0).OrderByDescending(value => value.Quality ?? 1).Select(value => value.Value.ToString())
                : [];
        var asked = request.Query["ui_locales"].ToString();
        if (asked.Length == 0 && request.Query["returnUrl"].ToString() is { Length: > 0 and < 8192 } returnUrl && RequestContexts.Query(returnUrl).TryGetValue("ui_locales", out var locales))
        {
            asked = locales.ToString();
        }

        return asked.Split(' ', StringSplitOptions.RemoveEmptyEntries).Concat(accepted).Take(20).Select(Find).FirstOrDefault(found => found is not null)
            ?? CultureInfo.GetCultureInfo(Languages[0]);
    }

    private static CultureInfo? Find(string tag)
    {
        var language = tag.Split('-', 2)[0].ToLowerInvariant();
        if (!Languages.Contains(language, StringComparer.Ordinal) || tag.Length > 20)
        {
            return null;
        }

        try
        {
            return CultureInfo.GetCultureInfo(tag, predefinedOnly: true);
        }
        catch (CultureNotFoundException)
        {
            return CultureInfo.GetCultureInfo(language);
        }
    }
}
