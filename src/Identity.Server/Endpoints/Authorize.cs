// RFC 6749 §3.1, OpenID Connect Core §3.1.2, RFC 9700 §4.12: behind OpenIddict's validation of /connect/authorize (its passthrough) the next step is decided here.
using Identity.OAuth;
using Identity.OAuth.Authorize;
using Identity.OAuth.Requests;
using Identity.OAuth.Sessions;
using Identity.OAuth.Token;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Authentication;
using OpenIddict.Server.AspNetCore;

namespace Identity.Server.Endpoints;

/// <summary>Sign in, register, consent, or the answer.</summary>
internal static class Authorize
{
    public const string Path = "/" + ProtocolEndpoints.Authorization;

    // A request line holds 16 KB, and what is longer could not come back from a page. Long values are put away before (LongRequests).
    private const int MaximumQuery = 12 * 1024;

    public static void MapAuthorize(this IEndpointRouteBuilder endpoints) => endpoints.MapMethods(Path, ["GET", "POST"], HandleAsync).ExcludeFromDescription();

    /// <summary>Before OpenIddict: who is there, and what already happened because of this request.</summary>
    public static async Task FindVisitorAsync(HttpContext context, RequestDelegate next)
    {
        context.Response.Headers.CacheControl = "no-store";
        var parameters = Parameters(context);
        if (HttpMethods.IsPost(context.Request.Method))
        {
            // Posted from another site it comes without our cookie (SameSite=Lax). As a GET it is the same request, with it.
            var url = Path + "?" + Encode(parameters);
            if (url.Length > MaximumQuery)
            {
                context.Features.Set(new OAuthError(OAuthErrors.InvalidRequest, "The request is too long."));
                context.Response.StatusCode = StatusCodes.Status400BadRequest;
                return;
            }

            SeeOther(context, url);
            return;
        }

        var session = await context.RequestServices.GetRequiredService<BrowserSession>().FindAsync(context);
        var info = session is null ? null : SessionInfo.Of(session);

        // A session may be older than the setting, or have ended elsewhere; but to a frame of another site its cookie does not come, and nobody is signed out by that.
        if (info is not null || context.Request.Headers["Sec-Fetch-Dest"] == "document")
        {
            context.RequestServices.GetRequiredService<BrowserState>().Show(context, info);
        }

        context.Features.Set(new Visitor(info, context.RequestServices.GetRequiredService<Interactions>().Read(ShortRequest.Of(context), context)));
        await next(context);
    }

    private static async Task HandleAsync(HttpContext context)
    {
        var transaction = context.Features.Get<OpenIddictServerAspNetCoreFeature>()!.Transaction!;
        var request = AuthorizeRequest.Of(transaction) ?? throw new InvalidOperationException("OpenIddict has not validated the request.");
        var parameters = ShortRequest.Of(context);
        var told = RequestParameters.Of(transaction.Request!);
        var interactions = context.RequestServices.GetRequiredService<Interactions>();
        switch (await context.RequestServices.GetRequiredService<AuthorizeDecision>().DecideAsync(request, context.Features.Get<Visitor>()!, context.RequestAborted))
        {
            case AuthorizeOutcome.ErrorPage page:
                context.Features.Set(page.Error);
                context.Response.StatusCode = StatusCodes.Status400BadRequest;
                break;
            case AuthorizeOutcome.SignIn signIn:
                GoTo(context, "/signin", interactions.ReturnUrl(context, parameters, signIn.StartedAt), told);
                break;
            case AuthorizeOutcome.Register register:
                GoTo(context, "/register", interactions.ReturnUrl(context, parameters, register.StartedAt), told);
                break;
            case AuthorizeOutcome.StepUp stepUp:
                GoTo(context, PageUrls.SecondFactorPath, interactions.ReturnUrl(context, parameters, stepUp.StartedAt), told);
                break;
            case AuthorizeOutcome.Enrol enrol:
                GoTo(context, PageUrls.AddFactorPath, interactions.ReturnUrl(context, parameters, enrol.StartedAt), told, enrol.PasskeyOnly ? "&passkey=1" : "");
                break;
            case AuthorizeOutcome.Consent consent:
                GoTo(context, "/consent", interactions.ReturnUrl(context, parameters, consent.StartedAt), told);
                break;
            case AuthorizeOutcome.Refuse refuse:
                await context.ForbidAsync(OpenIddictServerAspNetCoreDefaults.AuthenticationScheme, new AuthenticationProperties(new Dictionary<string, string?>(StringComparer.Ordinal)
                {
                    [OpenIddictServerAspNetCoreConstants.Properties.Error] = refuse.Error.Code,
                    [OpenIddictServerAspNetCoreConstants.Properties.ErrorDescription] = refuse.Error.Description,
                }));
                break;
            case AuthorizeOutcome.Grant grant:
                await context.SignInAsync(OpenIddictServerAspNetCoreDefaults.AuthenticationScheme, GrantClaim.Principal(grant.Granted));
                break;
        }
    }

    /// <summary>The parameters as they came: of a pushed request its reference.</summary>
    internal static RequestParameters Parameters(HttpContext context)
    {
        var source = HttpMethods.IsPost(context.Request.Method) ? context.Request.Form.AsEnumerable() : context.Request.Query;
        return RequestParameters.Read(source.Select(pair => KeyValuePair.Create(pair.Key, (IReadOnlyList<string?>)pair.Value.ToArray()))).Value;
    }

    internal static string Encode(RequestParameters parameters) =>
        string.Join('&', parameters.Names.SelectMany(name => parameters.All(name).Select(value => Uri.EscapeDataString(name) + "=" + Uri.EscapeDataString(value))));

    internal static void SeeOther(HttpContext context, string location)
    {
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = PublicPath.Rooted(context.Request, location);
    }

    internal static string Locale(RequestParameters parameters) => UiLocales(parameters) is { } locales ? "&ui_locales=" + Uri.EscapeDataString(locales) : "";

    internal static string? UiLocales(RequestParameters parameters) => parameters["ui_locales"] is { Length: < 100 } locales ? locales : null;

    private static void GoTo(HttpContext context, string page, string returnUrl, RequestParameters parameters, string more = "") =>
        SeeOther(context, page + "?returnUrl=" + Uri.EscapeDataString(returnUrl) + more + Locale(parameters));
}
