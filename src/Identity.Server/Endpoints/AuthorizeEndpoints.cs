// RFC 6749 §3.1, RFC 9700 §4.12 (303, never 307), OpenID Connect Core §3.1.2, OAuth 2.0 Form Post Response Mode.
using Identity.OAuth;
using Identity.OAuth.Authorize;
using Identity.OAuth.EndSession;
using Identity.Server.Hosting;
using Identity.Server.Pages;
using Identity.Server.Pages.Flow;

namespace Identity.Server.Endpoints;

/// <summary>Maps the two endpoints that browsers are sent to: authorize and end-session.</summary>
internal static class AuthorizeEndpoints
{
    // A request line holds 8 KB; what is longer could not come back from a page.
    private const int MaximumQuery = 6 * 1024;

    public static void MapAuthorize(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapMethods("/connect/authorize", ["GET", "POST"], AuthorizeAsync).ExcludeFromDescription();
        foreach (var path in (string[])["/connect/endsession", "/connect/logout"])
        {
            endpoints.MapMethods(path, ["GET", "POST"], EndSessionAsync).ExcludeFromDescription();
        }
    }

    private static async Task AuthorizeAsync(HttpContext context)
    {
        context.Response.Headers.CacheControl = "no-store";
        if (await ReadAsync(context) is not { } parameters)
        {
            return;
        }

        if (HttpMethods.IsPost(context.Request.Method))
        {
            // Posted from another site it comes without our cookie (SameSite=Lax). As a GET it is the same request, with it.
            var url = "/connect/authorize?" + Encode(parameters);
            if (url.Length > MaximumQuery)
            {
                Refuse(context, new OAuthError(OAuthErrors.InvalidRequest, "The request is too long."));
                return;
            }

            SeeOther(context, url);
            return;
        }

        var interactions = context.RequestServices.GetRequiredService<Interactions>();
        var session = await context.RequestServices.GetRequiredService<IBrowserSession>().FindAsync(context);
        var outcome = await context.RequestServices.GetRequiredService<AuthorizeEndpoint>().HandleAsync(
            new AuthorizeInput(parameters, session is null ? null : AccountSessions.Info(session), interactions.Read(parameters)),
            context.RequestAborted);
        switch (outcome)
        {
            case AuthorizeOutcome.ErrorPage page:
                Refuse(context, page.Error);
                break;
            case AuthorizeOutcome.SignIn signIn:
                SeeOther(context, "/signin?returnUrl=" + Uri.EscapeDataString(interactions.ReturnUrl(parameters, signIn.StartedAt)) + Locale(parameters));
                break;
            case AuthorizeOutcome.Consent consent:
                SeeOther(context, "/consent?returnUrl=" + Uri.EscapeDataString(interactions.ReturnUrl(parameters, consent.StartedAt)) + Locale(parameters));
                break;
            case AuthorizeOutcome.Respond { Target.Mode: "form_post" } respond:
                var answer = new FormPost(respond.Target.Uri, await ApplicationAsync(context, parameters), [.. respond.Parameters]);
                await context.RequestServices.GetRequiredService<FormPostPage>().WriteAsync(context, answer);
                break;
            case AuthorizeOutcome.Respond respond:
                var uri = respond.Target.Uri;
                SeeOther(context, uri + (uri.Contains('?', StringComparison.Ordinal) ? '&' : '?') + string.Join('&', respond.Parameters.Select(pair => pair.Key + "=" + Uri.EscapeDataString(pair.Value))));
                break;
        }
    }

    private static async Task EndSessionAsync(HttpContext context)
    {
        context.Response.Headers.CacheControl = "no-store";
        if (await ReadAsync(context) is not { } parameters)
        {
            return;
        }

        if (HttpMethods.IsPost(context.Request.Method) && Encode(parameters) is { Length: < MaximumQuery } query)
        {
            SeeOther(context, "/connect/endsession?" + query);
            return;
        }

        var browser = context.RequestServices.GetRequiredService<IBrowserSession>();
        var session = await browser.FindAsync(context);
        switch (await context.RequestServices.GetRequiredService<EndSessionEndpoint>().HandleAsync(parameters, session is null ? null : AccountSessions.Info(session), context.RequestAborted))
        {
            case EndSessionOutcome.ErrorPage page:
                Refuse(context, page.Error);
                break;
            case EndSessionOutcome.Confirm:
                // Comes back here with nobody signed in, and is then answered.
                SeeOther(context, "/signout?returnUrl=" + Uri.EscapeDataString("/connect/endsession?" + Encode(parameters)) + Locale(parameters));
                break;
            case EndSessionOutcome.Redirect redirect:
                await browser.EndAsync(context);
                SeeOther(context, redirect.RedirectTo);
                break;
            case EndSessionOutcome.SignedOut signedOut:
                await browser.EndAsync(context);
                SeeOther(context, "/signed-out" + (signedOut.Client is { } client ? "?client_id=" + Uri.EscapeDataString(client.ClientId) : ""));
                break;
        }
    }

    private static async Task<RequestParameters?> ReadAsync(HttpContext context)
    {
        var outcome = HttpMethods.IsPost(context.Request.Method) ? await FormReading.ReadFormAsync(context.Request) : FormReading.ReadQuery(context.Request);
        if (outcome.TryGet(out var parameters, out var error))
        {
            return parameters;
        }

        Refuse(context, error);
        return null;
    }

    // The page is shown for a status without a body.
    private static void Refuse(HttpContext context, OAuthError error)
    {
        context.Features.Set(new PageError(error));
        context.Response.StatusCode = StatusCodes.Status400BadRequest;
    }

    private static void SeeOther(HttpContext context, string location)
    {
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = location;
    }

    private static string Encode(RequestParameters parameters) =>
        string.Join('&', parameters.Names.SelectMany(name => parameters.All(name).Select(value => Uri.EscapeDataString(name) + "=" + Uri.EscapeDataString(value))));

    private static async Task<string> ApplicationAsync(HttpContext context, RequestParameters parameters) =>
        (await context.RequestServices.GetRequiredService<RequestContexts>().FindAsync(parameters["client_id"], context.RequestAborted))?.Name ?? parameters["client_id"]!;

    private static string Locale(RequestParameters parameters) => parameters["ui_locales"] is { Length: < 100 } locales ? "&ui_locales=" + Uri.EscapeDataString(locales) : "";
}
