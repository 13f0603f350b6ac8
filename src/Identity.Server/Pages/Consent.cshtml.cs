// OpenID Connect Core §3.1.2.4: the person says yes or no, knowing to what.
using Identity.Accounts;
using Identity.OAuth.Authorize;
using Identity.OAuth.Consents;
using Identity.OAuth.Sessions;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages;

/// <summary>
/// Asks whether an application may have what it wants. What that is comes from the authorize endpoint's own judgement of the request, not from the address.
/// </summary>
public sealed class ConsentModel(PageServices services, AuthorizeRules rules, AuthorizeDecision decision, LongRequests kept, PushedRequests pushed, ConsentService consents, SignInSessions sessions, Interactions interactions, IAccountStore accounts, BrowserSession browser, ScopeWords words) : IdentityPageModel(services)
{
    public IReadOnlyList<ScopeLine> Scopes { get; private set; } = [];

    /// <summary>Some of it was allowed before: what is new is marked.</summary>
    public bool IsExtension => Scopes.Any(scope => !scope.IsNew);

    public Account? Account { get; private set; }

    public async Task<IActionResult> OnGetAsync(CancellationToken cancellationToken)
    {
        if (await JudgeAsync(cancellationToken) is not var (subject, consent))
        {
            return SeeOther(ReturnUrl);
        }

        Account = await accounts.FindAsync(Guid.Parse(subject), cancellationToken);
        Scopes = await words.DescribeAsync(consent.Scopes, consent.NewScopes, cancellationToken);
        return Page();
    }

    /// <summary>Another person, or nobody, is signed in by now: the authorize endpoint asks whom it must.</summary>
    public override ValueTask<IActionResult?> OldFormAsync(string? handler) => new(SeeOther(ReturnUrl));

    public async Task<IActionResult> OnPostAllowAsync(CancellationToken cancellationToken)
    {
        if (await JudgeAsync(cancellationToken) is var (subject, consent))
        {
            await consents.GrantAsync(subject, consent.Client.ClientId, consent.Scopes, cancellationToken);
        }

        return SeeOther(ReturnUrl);
    }

    public IActionResult OnPostDecline() => Declined();

    // Anything but "ask the person" is the authorize endpoint's to answer: the page goes back there.
    private async Task<(string Subject, AuthorizeOutcome.Consent Consent)?> JudgeAsync(CancellationToken cancellationToken)
    {
        if (!CanDecline || await browser.FindAsync(HttpContext) is not { } session || await sessions.FindLiveAsync(session.Id, cancellationToken) is not { } info)
        {
            return null;
        }

        var interaction = interactions.Read(ReturnUrl, HttpContext);
        return RequestContexts.Parameters(ReturnUrl) is { } sent
            && await kept.WholeAsync(sent, cancellationToken) is { } whole
            && await pushed.ResolveAsync(whole, interaction, cancellationToken) is { } parameters
            && (await rules.ValidateAsync(parameters, cancellationToken)).Request is { } request
            && await decision.DecideAsync(request, new Visitor(info, interaction), cancellationToken) is AuthorizeOutcome.Consent consent
            ? (info.Subject, consent)
            : null;
    }
}
