// RFC 8628 §3.3 and §5.4: behind OpenIddict's end-user verification endpoint (its passthrough). A person says yes or no to a device, knowing to what; a link with
// the code in it only spares the typing.
using Identity.Accounts;
using Identity.Accounts.RateLimits;
using Identity.OAuth;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Consents;
using Identity.OAuth.Device;
using Identity.OAuth.Sessions;
using Identity.OAuth.Token;
using Identity.OAuth.Tokens;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using OpenIddict.Server.AspNetCore;

namespace Identity.Server.Pages;

/// <summary>
/// Takes the code that a device shows, and asks whether the device may have what it wants. Who has to be signed in, and how, is judged as for an
/// authorization request; to somebody who is not, nothing of the code is told.
/// </summary>
public sealed class VerifyModel(
    PageServices services,
    AuthorizeDecision decision,
    ConsentService consents,
    ClientStore clients,
    IAccountStore accounts,
    BrowserSession browser,
    Interactions interactions,
    IRateLimiter limiter,
    IOptions<RateLimitOptions> limits,
    TimeProvider timeProvider,
    ScopeWords words) : IdentityPageModel(services)
{
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(15);

    private RequestClient? _device;

    /// <summary>As it was typed, or as it stands in the link.</summary>
    [BindProperty(SupportsGet = true, Name = "user_code")]
    public string? UserCode { get; set; }

    /// <summary>What was just answered: <c>allowed</c> or <c>denied</c>.</summary>
    [FromQuery(Name = "done")]
    public string? Done { get; set; }

    /// <summary>What already happened because of this code: a sign-in, as a protected note.</summary>
    [BindProperty(SupportsGet = true, Name = Interactions.Parameter)]
    public string? Interaction { get; set; }

    /// <summary>The application on the device, once the code is known to be right.</summary>
    public override RequestClient? Client => _device;

    public Account? Account { get; private set; }

    /// <summary>What it wants; empty for one that only wants to know that somebody is there.</summary>
    public IReadOnlyList<ScopeLine> Scopes { get; private set; } = [];

    /// <summary>The code in two groups, to be compared with what the device shows.</summary>
    public string ShownCode => UserCodes.Normalize(UserCode) is { } code ? $"{code[..4]}-{code[4..]}" : "";

    /// <summary>The same question again, for somebody else.</summary>
    public string ThisUrl => PageUrls.Verify(ShownCode, interaction: Interaction);

    protected override bool KeepsInput => true;

    public async Task<IActionResult> OnGetAsync(CancellationToken cancellationToken)
    {
        if (Done is "allowed" or "denied")
        {
            return Page();
        }

        if (string.IsNullOrWhiteSpace(UserCode))
        {
            return await browser.FindAsync(HttpContext) is null ? SignInFirst() : Page();
        }

        return await JudgeAsync(cancellationToken) is var (verdict, _) ? await AskAsync(verdict, cancellationToken) : Result!;
    }

    /// <summary>A code that was typed.</summary>
    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(UserCode))
        {
            Problem(nameof(UserCode), T["DeviceCode.Missing"]);
            return Invalid();
        }

        return await JudgeAsync(cancellationToken) is null ? Result! : SeeOther(PageUrls.Verify(ShownCode));
    }

    public async Task<IActionResult> OnPostAllowAsync(CancellationToken cancellationToken)
    {
        if (await JudgeAsync(cancellationToken) is not var (verdict, again))
        {
            return Result!;
        }

        if (verdict is AuthorizeOutcome.Consent consent)
        {
            await consents.GrantAsync(again.Visitor.Session!.Subject, consent.Client.ClientId, consent.Scopes, cancellationToken);
            verdict = await decision.DecideAsync(again.Request, again.Visitor, cancellationToken);
        }

        if (verdict is not AuthorizeOutcome.Grant grant)
        {
            return await AskAsync(verdict, cancellationToken);
        }

        await HttpContext.SignInAsync(OpenIddictServerAspNetCoreDefaults.AuthenticationScheme, GrantClaim.Principal(grant.Granted), Then("allowed"));
        return Answered();
    }

    public async Task<IActionResult> OnPostDenyAsync(CancellationToken cancellationToken)
    {
        if (await JudgeAsync(cancellationToken) is null)
        {
            return Result!;
        }

        await HttpContext.ForbidAsync(OpenIddictServerAspNetCoreDefaults.AuthenticationScheme, Then("denied"));
        return Answered();
    }

    /// <summary>Another person, or nobody, is signed in by now: the page is opened anew, with the code.</summary>
    public override ValueTask<IActionResult?> OldFormAsync(string? handler) => new(SeeOther(PageUrls.Verify(UserCode is { Length: > 0 and <= 40 } code ? code : null)));

    /// <summary>What is answered where the code leads no further.</summary>
    private IActionResult? Result { get; set; }

    private sealed record Judged(AuthorizeRequest Request, Visitor Visitor);

    // Signed in first, then counted, then the code: nobody learns anything of it otherwise.
    private async Task<(AuthorizeOutcome Verdict, Judged Again)?> JudgeAsync(CancellationToken cancellationToken)
    {
        if (await browser.FindAsync(HttpContext) is not { } session)
        {
            Result = SignInFirst();
            return null;
        }

        if (await TooManyAsync(session.AccountId, cancellationToken) is { } wait)
        {
            Result = Wait(wait);
            return null;
        }

        var transaction = HttpContext.Features.Get<OpenIddictServerAspNetCoreFeature>()?.Transaction;
        if (DeviceRequest.Of(transaction) is not { } device || await clients.FindAsync(device.ClientId, cancellationToken) is not { Disabled: false } client)
        {
            Result = Wrong();
            return null;
        }

        var again = new Judged(device.AsAuthorizeRequest(client), new Visitor(SessionInfo.Of(session), interactions.Read(PageUrls.Verify(ShownCode, interaction: Interaction), HttpContext)));
        var verdict = await decision.DecideAsync(again.Request, again.Visitor, cancellationToken);
        switch (verdict)
        {
            case AuthorizeOutcome.SignIn signIn:
                Result = SeeOther(PageUrls.SignIn(interactions.VerifyUrl(HttpContext, ShownCode, signIn.StartedAt)));
                return null;
            case AuthorizeOutcome.StepUp stepUp:
                Result = SeeOther(PageUrls.SecondFactor(interactions.VerifyUrl(HttpContext, ShownCode, stepUp.StartedAt)));
                return null;
        }

        _device = RequestClient.From(client, answerUri: null);
        Account = await accounts.FindAsync(session.AccountId, cancellationToken);
        return (verdict, again);
    }

    private IActionResult SignInFirst() => SeeOther(PageUrls.SignIn(interactions.VerifyUrl(HttpContext, ShownCode.Length > 0 ? ShownCode : null, timeProvider.GetUtcNow())));

    private IActionResult Wrong()
    {
        Problem(nameof(UserCode), T["DeviceCode.Wrong"]);
        return Invalid();
    }

    private async Task<IActionResult> AskAsync(AuthorizeOutcome verdict, CancellationToken cancellationToken)
    {
        switch (verdict)
        {
            case AuthorizeOutcome.Consent consent:
                Scopes = await words.DescribeAsync(consent.Scopes, consent.NewScopes, cancellationToken);
                return Page();
            case AuthorizeOutcome.Grant grant:
                Scopes = await words.DescribeAsync(grant.Granted.Scopes, [], cancellationToken);
                return Page();
            default:
                // An operator or a client wants more proof than this account can bring.
                MayAllow = false;
                Problem(null, T["DeviceCode.Unreachable", Client!.Name]);
                return Invalid();
        }
    }

    /// <summary>False where this account cannot bring the proof that is wanted.</summary>
    public bool MayAllow { get; private set; } = true;

    private async Task<TimeSpan?> TooManyAsync(Guid account, CancellationToken cancellationToken)
    {
        var lease = await limiter.AcquireAsync("user_code_for:" + account.ToString("N"), limits.Value.UserCodesPerAccount, Window, cancellationToken);
        if (lease.Allowed)
        {
            lease = await limiter.AcquireAsync("user_code", Caller.From, limits.Value.UserCodesPerAddress, Window, cancellationToken);
        }

        return lease.Allowed ? null : lease.RetryAfter;
    }

    private AuthenticationProperties Then(string done) => new() { RedirectUri = Request.PathBase + PageUrls.Verify(userCode: null, done) };

    // OpenIddict has written its answer: where to go, or that somebody else was faster.
    private IActionResult Answered()
    {
        if (HttpContext.GetOpenIddictServerResponse()?.Error is { } error && error != OAuthErrors.AccessDenied)
        {
            _device = null;
            return Wrong();
        }

        Response.StatusCode = StatusCodes.Status303SeeOther;
        return new EmptyResult();
    }
}
