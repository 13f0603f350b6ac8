// OpenID Connect Session Management 1.0 §3.2 and §3.3: the page that applications open in a frame and ask. The only one of ours that may be framed: it shows and does nothing.
using Identity.OAuth;
using Identity.OAuth.Sessions;
using Identity.Server.Hosting;
using Microsoft.Extensions.Options;

namespace Identity.Server.Endpoints;

/// <summary>Not there without <c>OAuth:SessionManagement</c>.</summary>
internal static class CheckSession
{
    public static void MapCheckSession(this IEndpointRouteBuilder endpoints) =>
        endpoints.MapMethods(SessionState.FramePath, ["GET", "HEAD"], (HttpContext context, BrowserState state, IOptions<OAuthOptions> options) =>
        {
            if (!options.Value.SessionManagement)
            {
                return Results.NotFound();
            }

            // Whoever asks has to bring a value for its own origin: which sites may frame it makes no difference.
            context.Response.Headers.ContentSecurityPolicy = "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *";
            context.Response.Headers.Remove("X-Frame-Options");
            context.Response.Headers.CacheControl = "no-cache";
            return Results.Content(
                $"""<!DOCTYPE html><html lang="en" data-cookie="{state.CookieName}"><meta charset="utf-8"><title>Session</title><script src="{PublicPath.Rooted(context.Request, "/js/check-session.js")}" type="module"></script></html>""",
                "text/html; charset=utf-8");
        }).ExcludeFromDescription();
}
