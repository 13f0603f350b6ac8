// OpenID Connect RP-Initiated Logout 1.0, SAML 2.0 Profiles §4.4: who signs out here signs out where they came from.
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.Sessions;
using Identity.Server.Pages.Flow;

namespace Identity.Server.External;

/// <summary>Leads a sign-out on to the provider that the session came from.</summary>
internal sealed class ExternalSignOut(ExternalSessions sessions, ExternalProviders providers, ExternalFlows flows, ExternalFailures failures, TimeProvider timeProvider)
{
    /// <summary>Where the browser goes after the session here has ended: <paramref name="nextUrl"/>, or a page that leads to the provider and then there.</summary>
    public async Task<string> NextAsync(HttpContext context, Session? session, string nextUrl)
    {
        if (session is null || await sessions.FindAsync(session.Id, context.RequestAborted) is not { } origin || providers.FindEnabled(origin.Provider) is not { Options.SignOut: true } provider)
        {
            return nextUrl;
        }

        try
        {
            // By a page of ours: browsers hold a form's redirects to the policy of the page that the form was on.
            if (await provider.SignOutUrlAsync(context, origin, nextUrl) is not { } url)
            {
                return nextUrl;
            }

            var flow = new ExternalFlow(provider.Name, url, flows.MarkBrowser(context), timeProvider.GetUtcNow(), Fresh: false, MaxAge: null, LoginHint: null, LinkSessionId: null, Retried: false);
            var id = System.Buffers.Text.Base64Url.EncodeToString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(24));
            await flows.SaveAsync(ExternalFlows.SignOut, id, flow, context.RequestAborted);
            return PageUrls.ExternalSignOut(id);
        }
        catch (Exception failure) when (failure is ExternalRefusal or HttpRequestException || (failure is OperationCanceledException && !context.RequestAborted.IsCancellationRequested))
        {
            // Here it has ended; that the provider is away does not keep anybody.
            failures.Note(provider.Name, failure);
            return nextUrl;
        }
    }

    /// <summary>The provider's address for a page that leads there; null: old, used, or another browser's.</summary>
    public async Task<(IExternalProvider Provider, string Url)?> FindAsync(HttpContext context, string? id) =>
        id is { Length: > 0 and <= 200 } && await flows.TakeAsync(ExternalFlows.SignOut, id, context.RequestAborted) is { } flow && flows.IsFrom(context, flow) && providers.Find(flow.Provider) is { } provider
            ? (provider, flow.ReturnUrl)
            : null;
}
