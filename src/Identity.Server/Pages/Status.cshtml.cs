using System.Diagnostics;
using System.Globalization;
using Identity.OAuth;
using Identity.OAuth.Storage;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages;

/// <summary>
/// Says what went wrong in plain words, what the person can do, and an id to quote. Shown at the address where it happened, with its status.
/// </summary>
[IgnoreAntiforgeryToken]
public sealed class StatusModel(PageServices services, IOptions<AntiforgeryOptions> antiforgery) : IdentityPageModel(services)
{
    /// <summary>From the route alone: the form that failed may have a field of that name.</summary>
    [FromRoute(Name = "code")]
    public int Code { get; set; }

    /// <summary>Which texts: NotFound, TooMany, Expired, Cookies, Request, Forbidden, Unavailable or Fault.</summary>
    public string Kind { get; private set; } = "NotFound";

    /// <summary>Length in words; null: not known.</summary>
    public string? RetryAfter { get; private set; }

    /// <summary>For the developers of the application that sent the person here.</summary>
    public OAuthError? Error { get; private set; }

    /// <summary>The page whose form was refused, to open it again; null where it was none.</summary>
    public string? AgainUrl { get; private set; }

    public string CorrelationId => Activity.Current?.TraceId.ToString() ?? HttpContext.TraceIdentifier;

    public void OnGet() => Show();

    public void OnPost() => Show();

    private void Show()
    {
        // Asked for by its own address there is nothing to tell: no such page.
        var fault = HttpContext.Features.Get<IExceptionHandlerFeature>()?.Error;
        var happened = fault is not null || HttpContext.Features.Get<IStatusCodeReExecuteFeature>() is not null;
        var status = happened && Code is >= 400 and <= 599 ? Code : StatusCodes.Status404NotFound;
        if (fault is not null && StoreOutage.Is(fault))
        {
            // RFC 9110 §15.6.4: it passes.
            status = StatusCodes.Status503ServiceUnavailable;
            Response.Headers.RetryAfter = StoreOutage.RetryAfter;
        }

        if ((fault as BadHttpRequestException ?? fault?.InnerException as BadHttpRequestException) is { } broken)
        {
            // Too long, or cut off: the request's fault. Whoever reads the form first, as the check of where it came from, wraps it once.
            status = broken.StatusCode;
        }

        Response.StatusCode = status;
        Error = HttpContext.Features.Get<OAuthError>()
            ?? (HttpContext.GetOpenIddictServerResponse() is { Error: { } error } response ? new OAuthError(error, response.ErrorDescription ?? "") : null);
        Kind = status switch
        {
            404 => "NotFound",
            429 => "TooMany",
            403 => "Forbidden",
            503 => "Unavailable",
            >= 500 => "Fault",
            400 when Error is null && HttpMethods.IsPost(Request.Method) => Request.Cookies.ContainsKey(antiforgery.Value.Cookie.Name!) ? "Expired" : "Cookies",
            _ => "Request",
        };
        if (Kind is "Expired" or "Cookies" && HttpContext.Features.Get<IStatusCodeReExecuteFeature>() is { } refused && ReturnUrls.IsLocal(refused.OriginalPath))
        {
            AgainUrl = refused.OriginalPathBase + refused.OriginalPath + refused.OriginalQueryString;
        }

        if (int.TryParse(Response.Headers.RetryAfter, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
        {
            RetryAfter = HumanTime.Length(T, TimeSpan.FromSeconds(seconds));
        }
    }
}
