// OWASP ASVS 5.0 §3.5: requests that change something come from our own pages. Besides the antiforgery token, not instead of it.
using Identity.OAuth;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages;

/// <summary>Refuses a POST that a browser says comes from another origin: 400.</summary>
internal sealed class SameOrigin(IOptions<OAuthOptions> options) : IAsyncAuthorizationFilter
{
    private readonly string _issuerOrigin = new Uri(options.Value.Issuer).GetLeftPart(UriPartial.Authority);

    public Task OnAuthorizationAsync(AuthorizationFilterContext context)
    {
        var request = context.HttpContext.Request;
        if (HttpMethods.IsPost(request.Method) && IsForeign(request))
        {
            context.Result = new BadRequestResult();
        }

        return Task.CompletedTask;
    }

    private bool IsForeign(HttpRequest request)
    {
        if (request.Headers["Sec-Fetch-Site"].ToString() is "cross-site" or "same-site")
        {
            return true;
        }

        // A proxy that is not trusted leaves us with another scheme or host than the browser sees: the issuer's origin counts as well.
        var origin = request.Headers.Origin.ToString();
        return origin.Length > 0
            && !string.Equals(origin, _issuerOrigin, StringComparison.OrdinalIgnoreCase)
            && !string.Equals(origin, $"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase);
    }
}
