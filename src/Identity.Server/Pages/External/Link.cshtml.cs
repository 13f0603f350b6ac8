// NIST SP 800-63C-4 §3.8: an account is linked to a provider's person only after its owner proved that it is theirs.
using Identity.Accounts;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;
using Identity.Server.External;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;

namespace Identity.Server.Pages.External;

/// <summary>The provider's e-mail address is an account's: its owner gives the password, or a code that is sent there.</summary>
public sealed class LinkModel : IdentityPageModel
{
    private readonly ExternalFlows _flows;
    private readonly ExternalSignInService _external;
    private readonly ExternalFailures _failures;
    private readonly ExternalProviders _providers;
    private readonly ExternalButtons _buttons;
    private readonly ISignIn _signIn;
    private readonly OneTimeCodeService _codes;
    private readonly IAccountStore _accounts;
    private readonly ILookupNormalizer _normalizer;
    private readonly BrowserSession _browser;
    private readonly SignInCookies _cookies;
    private readonly SessionService _sessions;
    private string? _started;
    private ExternalTicket _ticket = null!;
    private Account _account = null!;

    public LinkModel(PageServices services, IServiceProvider all)
        : base(services)
    {
        _flows = all.GetRequiredService<ExternalFlows>();
        _external = all.GetRequiredService<ExternalSignInService>();
        _failures = all.GetRequiredService<ExternalFailures>();
        _providers = all.GetRequiredService<ExternalProviders>();
        _buttons = all.GetRequiredService<ExternalButtons>();
        _signIn = all.GetRequiredService<ISignIn>();
        _codes = all.GetRequiredService<OneTimeCodeService>();
        _accounts = all.GetRequiredService<IAccountStore>();
        _normalizer = all.GetRequiredService<ILookupNormalizer>();
        _browser = all.GetRequiredService<BrowserSession>();
        _cookies = all.GetRequiredService<SignInCookies>();
        _sessions = all.GetRequiredService<SessionService>();
    }

    [BindProperty(SupportsGet = true, Name = "id")]
    public string? Id { get; set; }

    /// <summary>A code is on its way.</summary>
    [BindProperty(SupportsGet = true, Name = "sent")]
    public string? Sent { get; set; }

    [BindProperty]
    public string? Password { get; set; }

    [BindProperty]
    public string? Code { get; set; }

    public string ProviderName => _buttons.NameOf(_ticket.Person.Subject.Provider);

    /// <summary>As the provider told it: the person knows it already.</summary>
    public string Address => _ticket.Person.Email ?? "";

    /// <summary>For whom it is somebody else's: the sign-in page, which leads nobody on to a provider by itself.</summary>
    public string Otherwise => PageUrls.SignInHere(LinkReturnUrl);

    public override async Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next)
    {
        var ticket = Id is { Length: > 0 and <= 200 } id ? await _flows.PeekProofAsync(id, HttpContext.RequestAborted) : null;
        var account = ticket is not null && ExternalSignInService.AddressOf(ticket.Person) is { } email ? await _accounts.FindByEmailAsync(_normalizer.NormalizeEmail(email)!, HttpContext.RequestAborted) : null;
        if (ticket is null || account is null || !_flows.IsFrom(HttpContext, ticket.Flow) || _providers.FindEnabled(ticket.Flow.Provider) is null)
        {
            _failures.Tell(HttpContext, ticket?.Flow.Provider ?? "", new ExternalRefusal(ExternalProblem.Expired, "proof", "the page to connect an account is old, was used, is another browser's, or of a provider that was switched off"), null);
            context.Result = new EmptyResult();
            return;
        }

        (_ticket, _account) = (ticket, account);
        RequestedReturnUrl = ticket.Flow.ReturnUrl;
        await base.OnPageHandlerExecutionAsync(context, next);
    }

    public void OnGet()
    {
    }

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(Password))
        {
            Problem(nameof(Password), T["SignIn.PasswordMissing"]);
            return Invalid();
        }

        switch (await _signIn.WithPasswordAsync(LoginKind.Email, _account.Email, Password, await SigningInAsync(_browser) with { RememberedTokens = _cookies.ReadRemembered(HttpContext) }, cancellationToken))
        {
            case SignInAttempt.Succeeded succeeded:
                var answer = await LinkAsync(succeeded.Account, succeeded.Session.Id, channel: null, cancellationToken);
                if (_started != succeeded.Session.Id)
                {
                    // No browser has it.
                    await _sessions.EndAsync(succeeded.Session.Id, SessionEndReasons.Logout, Caller, CancellationToken.None);
                }

                return answer;
            case SignInAttempt.SecondFactorDue due:
                return await _flows.TakeProofAsync(Id!, cancellationToken) is not null && await _external.HoldAsync(due.Half, _ticket.Person, cancellationToken) is { } half
                    ? SecondHalf(half)
                    : Failed(Used());
            case SignInAttempt.EmailNotVerified:
                // The address has to be proved then, and a code does both.
                return await OnPostSendAsync(cancellationToken);
            case SignInAttempt.RateLimited limited:
                return Wait(limited.RetryAfter);
            default:
                Problem(nameof(Password), T["Link.Wrong"]);
                return Invalid();
        }
    }

    public async Task<IActionResult> OnPostSendAsync(CancellationToken cancellationToken)
    {
        if (await _codes.GenerateAsync(new CodeRecipient(_account.Id, null, null), "email", OneTimeCodePurposes.Verification, Caller, cancellationToken) is GeneratedCode.RateLimited limited)
        {
            return Wait(limited.RetryAfter, "Code.Wait");
        }

        return SeeOther(PageUrls.ExternalLink(Id!) + "&sent=1");
    }

    public async Task<IActionResult> OnPostCodeAsync(CancellationToken cancellationToken)
    {
        Sent = "1";
        if (AccountRules.Code(Code) is not { } code)
        {
            Problem(nameof(Code), T["Code.Malformed"]);
            return Invalid();
        }

        // A number, or an address that waits, may be of whoever registered this one first.
        switch (await _codes.VerifyAsync(new CodeRecipient(_account.Id, null, null), OneTimeCodePurposes.Verification, code, Caller, cancellationToken, CodeDestinations.Address))
        {
            case TriedCode.Verified:
                return await _external.TakeOverAsync(_account, Caller, cancellationToken) is { } account
                    ? await LinkAsync(account, sessionId: null, "email", cancellationToken)
                    : Failed(new ExternalRefusal(ExternalProblem.Disabled, "account_disabled", "the account here is disabled"));
            case TriedCode.RateLimited limited:
                return Wait(limited.RetryAfter);
            default:
                Problem(nameof(Code), T["Code.Wrong"]);
                return Invalid();
        }
    }

    /// <summary>The provider vouched for somebody all the same: nothing of that is kept.</summary>
    public async Task<IActionResult> OnPostDeclineAsync(CancellationToken cancellationToken)
    {
        await _flows.TakeProofAsync(Id!, cancellationToken);
        return Declined();
    }

    private async Task<IActionResult> LinkAsync(Account account, string? sessionId, string? channel, CancellationToken cancellationToken)
    {
        if (await _flows.TakeProofAsync(Id!, cancellationToken) is null)
        {
            return Failed(Used());
        }

        // One session: where the password made it, it goes on.
        var caller = Caller with { SessionId = sessionId, RememberedTokens = _cookies.ReadRemembered(HttpContext) };
        switch (await _external.StartAsync(account, _ticket.Person with { AuthenticatedAt = null }, caller, cancellationToken, links: true, channel: channel))
        {
            case ExternalSignInResult.SignedIn signedIn:
                await _browser.StartAsync(HttpContext, signedIn.Session);
                _started = signedIn.Session.Id;
                return SeeOther(ReturnUrl);
            case ExternalSignInResult.SecondFactorDue due:
                return SecondHalf(due.Half);
            case ExternalSignInResult.Taken:
                return Failed(new ExternalRefusal(ExternalProblem.Taken, "taken", "the person is linked to another account"));
            default:
                return Failed(new ExternalRefusal(ExternalProblem.Disabled, "account_disabled", "the account here is disabled"));
        }
    }

    /// <summary>The person is linked when the second half is done.</summary>
    private IActionResult SecondHalf(HalfSignIn half)
    {
        _cookies.WriteHalf(HttpContext, half.Ticket);
        return SeeOther(PageUrls.SecondHalf(half, LinkReturnUrl));
    }

    private static ExternalRefusal Used() => new(ExternalProblem.Expired, "proof", "the page to connect an account was used before");

    private EmptyResult Failed(ExternalRefusal refusal)
    {
        _failures.Tell(HttpContext, _ticket.Flow.Provider, refusal, ReturnUrl);
        return new EmptyResult();
    }
}
