// Content Security Policy Level 3; security catalogue: pages refuse framing, run no inline script and no inline style.
using Identity.Server.Pages.Branding;
using Microsoft.AspNetCore.Mvc.Filters;

namespace Identity.Server.Pages;

/// <summary>Sets on every page what its HTML relies on.</summary>
internal sealed class PageHeaders(Brand brand) : IAsyncPageFilter, IAlwaysRunResultFilter
{
    public Task OnPageHandlerSelectionAsync(PageHandlerSelectedContext context) => Task.CompletedTask;

    public Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next) => next();

    public void OnResultExecuting(ResultExecutingContext context)
    {
        var headers = context.HttpContext.Response.Headers;
        var page = context.Controller as IdentityPageModel;
        headers.ContentSecurityPolicy = Policy(brand.LogoOrigin, page?.Client?.LogoUri, page?.Client?.AnswerScheme, page?.Frames);
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";
        headers.CacheControl = "no-cache, no-store";
        headers.Pragma = "no-cache";

        // Applications open these pages in popups and wait for them (signinPopup): an opener policy would cut the two apart.
        headers.Remove("Cross-Origin-Opener-Policy");

        // Forms must carry their Origin, which no-referrer would turn into "null".
        headers["Referrer-Policy"] = "same-origin";
    }

    public void OnResultExecuted(ResultExecutedContext context)
    {
    }

    internal static string Policy(string? logoOrigin, string? clientLogo, string? answerScheme, IReadOnlyList<Uri>? frames = null)
    {
        var images = string.Concat(new[] { logoOrigin, Origin(clientLogo) }.Where(origin => origin is not null).Distinct(StringComparer.Ordinal).Select(origin => " " + origin));

        // Browsers hold a form's redirects to form-action too: the answer goes to the application, whose own redirects follow. Its scheme is as narrow as that allows.
        var answers = answerScheme is null ? "" : $" {answerScheme}:";
        var framed = frames is { Count: > 0 } ? "frame-src " + string.Join(' ', frames.Select(frame => frame.GetLeftPart(UriPartial.Authority)).Distinct(StringComparer.Ordinal)) + "; " : "";
        return $"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'{images}; connect-src 'self'; {framed}form-action 'self'{answers}; base-uri 'none'; frame-ancestors 'none'";
    }

    private static string? Origin(string? uri) => uri is null ? null : new Uri(uri).GetLeftPart(UriPartial.Authority);
}
