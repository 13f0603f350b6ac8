// OpenID Connect RP-Initiated Logout 1.0: behind OpenIddict's /connect/endsession (its passthrough) it is decided whether to ask, to redirect, or to say so.
using Identity.OAuth;
using Identity.OAuth.Clients;
using Identity.OAuth.EndSession;
using Identity.OAuth.Requests;
using Identity.OAuth.Sessions;
using Identity.Server.External;
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

        var session = await context.RequestServices.GetRequiredService<BrowserSession>().FindAsync(context);
        var signOut = context.RequestServices.GetRequiredService<BrowserSignOut>();
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
                // The provider that the session came from, and a page that tells its clients, come back here with nobody signed in.
                var again = Again(context, parameters, redirect.Client);
                var next = await signOut.EndAsync(context, again);
                if (next != again || context.RequestServices.GetRequiredService<EndedSession>().IsRemembered(context))
                {
                    Authorize.SeeOther(context, (next == again ? PageUrls.SignedOut(again) : next) + Authorize.Locale(parameters));
                    break;
                }

                context.Response.StatusCode = StatusCodes.Status303SeeOther;
                context.Response.Headers.Location = redirect.RedirectTo;
                break;
            case EndSessionOutcome.SignedOut signedOut:
                var said = PageUrls.SignedOut(signedOut.Client?.ClientId, Authorize.UiLocales(parameters));
                var on = await signOut.EndAsync(context, said);
                Authorize.SeeOther(context, on == said ? said : on + Authorize.Locale(parameters));
                break;
        }
    }

    private static string Again(HttpContext context, RequestParameters parameters, Client? client) =>
        Path + "?" + Authorize.Encode(ShortRequest.Of(context)) + (parameters["client_id"] is null && client is not null ? "&client_id=" + Uri.EscapeDataString(client.ClientId) : "");
}
