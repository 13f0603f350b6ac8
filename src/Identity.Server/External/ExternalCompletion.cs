// OpenID Connect Core §3.1.2.1 (prompt, max_age): the end of an external sign-in, whatever kind of provider it came from.
using System.Security.Cryptography;
using Identity.Accounts;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Sessions;
using Identity.OAuth;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.DataProtection;

namespace Identity.Server.External;

/// <summary>Begins external sign-ins, and turns somebody vouched for into a session, a link, or a page.</summary>
internal sealed class ExternalCompletion(
    ExternalFlows flows,
    ExternalSignInService signIn,
    OneTimeCodeService codes,
    RegistrationTicket ticket,
    BrowserSession browser,
    SignInCookies cookies,
    ReturnUrls returnUrls,
    Interactions interactions,
    LongRequests kept,
    PushedRequests pushed,
    ClientStore clients,
    IAccountStore accounts,
    IDataProtectionProvider protection,
    TimeProvider timeProvider)
{
    /// <summary>A link, an unlink: only this soon after the person proved who they are.</summary>
    public static readonly TimeSpan RecentSignIn = TimeSpan.FromMinutes(10);

    private readonly IDataProtector _links = protection.CreateProtector("identity.external-link.v1");

    /// <summary>What a browser that asks for a provider wants of it.</summary>
    /// <param name="context">The request.</param>
    /// <param name="provider">Which provider.</param>
    /// <param name="requestedReturnUrl">Where the person goes on; checked here.</param>
    /// <param name="link">From <see cref="LinkToken"/>; null: a sign-in.</param>
    public async Task<ExternalFlow> BeginAsync(HttpContext context, string provider, string? requestedReturnUrl, string? link)
    {
        var session = await browser.FindAsync(context);
        var mark = flows.MarkBrowser(context);
        var now = timeProvider.GetUtcNow();
        if (link is not null)
        {
            return session is not null && ReadLink(link) is var (id, until) && id == session.Id && until > now
                ? new ExternalFlow(provider, PageUrls.ConnectionsPath, mark, now, Fresh: false, MaxAge: null, LoginHint: null, session.Id, Retried: false)
                : throw new ExternalRefusal(ExternalProblem.Expired, "link", "the page that offered to connect the account was another session's, or old");
        }

        var returnUrl = returnUrls.Validate(requestedReturnUrl);
        if (!interactions.IsRequest(returnUrl))
        {
            return new ExternalFlow(provider, returnUrl, mark, now, Fresh: false, MaxAge: null, LoginHint: null, LinkSessionId: null, Retried: false, Proves: session is not null);
        }

        // Who is signed in and sent to sign in all the same has to prove it anew, whatever of the request asked for that. What is pushed or signed asks as what stands in the address does.
        var interaction = interactions.Read(returnUrl, context);
        var asked = !interactions.CanDecline(returnUrl) ? RequestParameters.Empty
            : RequestContexts.Parameters(returnUrl) is { } sent && await kept.WholeAsync(sent, context.RequestAborted) is { } whole ? await pushed.ResolveAsync(whole, interaction, context.RequestAborted)
            : null;
        var maxAge = asked is null ? null : await MaxAgeAsync(asked, context.RequestAborted);

        // What cannot be read now may have asked for it too.
        var fresh = session is not null || asked is null || maxAge == 0 || asked.List("prompt").Contains("login", StringComparer.Ordinal);
        var hint = asked?["login_hint"] is { Length: <= 254 } told ? told : null;
        return new ExternalFlow(provider, returnUrl, mark, interaction?.StartedAt ?? now, fresh, fresh ? null : maxAge, hint, LinkSessionId: null, Retried: false);
    }

    private async Task<long?> MaxAgeAsync(RequestParameters asked, CancellationToken cancellationToken)
    {
        if (asked["max_age"] is { } text)
        {
            return long.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var seconds) ? seconds : null;
        }

        return asked["client_id"] is { } id ? (await clients.FindAsync(id, cancellationToken))?.DefaultMaxAge : null;
    }

    /// <summary>Lets this session's account be linked, for ten minutes. In a link, because a browser does not follow a form of ours to another server.</summary>
    public string LinkToken(Session session) => _links.Protect(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{(timeProvider.GetUtcNow() + RecentSignIn).UtcTicks}/{session.Id}"));

    /// <summary>Somebody has been vouched for, in the browser that asked for it.</summary>
    /// <exception cref="ExternalRefusal">It comes to nothing.</exception>
    public async Task CompleteAsync(HttpContext context, ExternalFlow flow, ExternalPerson person, TimeSpan skew)
    {
        if (!flows.IsFrom(context, flow))
        {
            throw new ExternalRefusal(ExternalProblem.Expired, "browser", "the answer came back in another browser than the one that asked");
        }

        if (flow.Fresh || flow.MaxAge is not null)
        {
            var oldest = flow.Fresh ? flow.StartedAt : timeProvider.GetUtcNow() - TimeSpan.FromSeconds(flow.MaxAge!.Value);
            if (person.AuthenticatedAt is not { } at || at < oldest - skew)
            {
                throw new ExternalRefusal(ExternalProblem.NotFresh, "auth_time", "the application asked for a new sign-in, and the provider answered with an old one, or does not say when it was");
            }

            // Clocks differ and auth_time is whole seconds: a sign-in because of this request is not older than it.
            person = flow.Fresh ? person with { AuthenticatedAt = null } : person;
        }

        var session = await browser.FindAsync(context);
        if (flow.LinkSessionId is { } linkSession)
        {
            await LinkAsync(context, session, linkSession, person);
            return;
        }

        var caller = Callers.Of(context) with { SessionId = session?.Id, RememberedTokens = cookies.ReadRemembered(context) };
        switch (await signIn.SignInAsync(person, caller, context.RequestAborted))
        {
            case ExternalSignInResult.SignedIn signedIn:
                await browser.StartAsync(context, signedIn.Session);
                SeeOther(context, flow.ReturnUrl);
                break;
            case ExternalSignInResult.SecondFactorDue due:
                cookies.WriteHalf(context, due.Half.Ticket);
                SeeOther(context, PageUrls.SecondHalf(due.Half, flow.ReturnUrl == returnUrls.Validate(null) ? null : flow.ReturnUrl));
                break;
            case ExternalSignInResult.EmailNotVerified unverified:
                await codes.GenerateAsync(new CodeRecipient(unverified.Account.Id, null, null), "email", OneTimeCodePurposes.Verification, caller, context.RequestAborted);

                // The provider vouched for whoever is here: with the code from the mail nothing more is to be asked.
                ticket.Give(context, unverified.Account.Id, unverified.Account.Email, await signIn.HoldAsync(person, RegistrationTicket.Lifetime, context.RequestAborted));
                SeeOther(context, PageUrls.VerifyEmail(unverified.Account.Email, flow.ReturnUrl == returnUrls.Validate(null) ? null : flow.ReturnUrl, sent: true));
                break;
            case ExternalSignInResult.NeedsProof:
                SeeOther(context, PageUrls.ExternalLink(await flows.SaveProofAsync(new ExternalTicket(flow, person), context.RequestAborted)));
                break;
            case ExternalSignInResult.Disabled:
                throw new ExternalRefusal(ExternalProblem.Disabled, "account_disabled", "the account here is disabled");
            default:
                throw new ExternalRefusal(ExternalProblem.NoAccount, "no_account", $"nobody here is linked to this person; Federation:Providers:{flow.Provider}:CreateAccounts is false");
        }
    }

    private async Task LinkAsync(HttpContext context, Session? session, string linkSession, ExternalPerson person)
    {
        if (session?.Id != linkSession || await accounts.FindAsync(session.AccountId, context.RequestAborted) is not { IsActive: true } account)
        {
            throw new ExternalRefusal(ExternalProblem.Expired, "link", "the session that asked to connect the account has ended");
        }

        if (await signIn.LinkAsync(person, account, Callers.Of(context) with { SessionId = session.Id }, context.RequestAborted) != Linking.Done)
        {
            throw new ExternalRefusal(ExternalProblem.Taken, "taken", "the person is linked to another account");
        }

        SeeOther(context, PageUrls.ConnectionsPath + "?done=Connected");
    }

    private (string SessionId, DateTimeOffset Until)? ReadLink(string token)
    {
        try
        {
            var parts = _links.Unprotect(token).Split('/', 2);
            return (parts[1], new DateTimeOffset(long.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture), TimeSpan.Zero));
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static void SeeOther(HttpContext context, string location)
    {
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = PublicPath.Rooted(context.Request, location);
        context.Response.Headers.CacheControl = "no-store";
    }
}
