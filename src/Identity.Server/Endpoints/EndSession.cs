// OpenID Connect RP-Initiated Logout 1.0: behind OpenIddict's /connect/endsession (its passthrough) it is decided whether to ask, to redirect, or to say so.
using Identity.OAuth;
using Identity.OAuth.Clients;
using Identity.OAuth.EndSession;
using Identity.OAuth.Requests;
using Identity.OAuth.Sessions;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;

namespace Identity.Server.Endpoints;

/// <summary>Sign-out asked for by an application.</summary>
internal static class EndSession
{
    public const string Path = "/" + ProtocolEndpoints.EndSession;
    public const string Alias = "/" + ProtocolEndpoints.EndSessionAlias;

    private const int MaximumQuery = 12 * 1024;

    public static void MapEndSession(this IEndpointRouteBuilder endpoints)
    {
        foreach (var path in (string[])[Path, Alias])
        {
            endpoints.MapMethods(path, ["GET", "POST"], HandleAsync).ExcludeFromDescription();
        }
    }

    private static async Task HandleAsync(HttpContext context)
    {
        context.Response.Headers.CacheControl = "no-store";
        var parameters = Authorize.Parameters(context);
        if (HttpMethods.IsPost(context.Request.Method) && Authorize.Encode(parameters) is { Length: < MaximumQuery } query)
        {
            // Posted from another site it comes without our cookie; as a GET it has it.
            Authorize.SeeOther(context, Path + "?" + query);
            return;
        }

        var browser = context.RequestServices.GetRequiredService<BrowserSession>();
        var session = await browser.FindAsync(context);
        switch (await context.RequestServices.GetRequiredService<EndSessionEndpoint>().HandleAsync(parameters, session is null ? null : SessionInfo.Of(session), context.RequestAborted))
        {
            case EndSessionOutcome.ErrorPage page:
                context.Features.Set(page.Error);
                context.Response.StatusCode = StatusCodes.Status400BadRequest;
                break;
            case EndSessionOutcome.Confirm confirm:
                // Comes back here with nobody signed in, and is then answered. The page needs to know whose request it is: a browser holds its form to where that leads.
                Authorize.SeeOther(context, PageUrls.SignOut(Again(context, parameters, confirm.Client)) + Authorize.Locale(parameters));
                break;
            case EndSessionOutcome.Redirect redirect:
                await browser.EndAsync(context);
                if (context.RequestServices.GetRequiredService<EndedSession>().IsRemembered(context))
                {
                    // A page tells the session's clients first, and comes back here.
                    Authorize.SeeOther(context, PageUrls.SignedOut(Again(context, parameters, redirect.Client)) + Authorize.Locale(parameters));
                    break;
                }

                context.Response.StatusCode = StatusCodes.Status303SeeOther;
                context.Response.Headers.Location = redirect.RedirectTo;
                break;
            case EndSessionOutcome.SignedOut signedOut:
                await browser.EndAsync(context);
                Authorize.SeeOther(context, "/signed-out" + (signedOut.Client is { } of ? "?client_id=" + Uri.EscapeDataString(of.ClientId) : ""));
                break;
        }
    }

    private static string Again(HttpContext context, RequestParameters parameters, Client? client) =>
        Path + "?" + Authorize.Encode(ShortRequest.Of(context)) + (parameters["client_id"] is null && client is not null ? "&client_id=" + Uri.EscapeDataString(client.ClientId) : "");
}
