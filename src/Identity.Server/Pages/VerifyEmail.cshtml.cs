using Identity.Accounts;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Passwords;
using Identity.Accounts.Registration;
using Identity.Accounts.SignIn;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages;

/// <summary>Proves an address with the code that was sent there. It says nothing about whether there is an account.</summary>
public sealed class VerifyEmailModel(PageServices services, OneTimeCodeService codes, BrowserSession browser, PasswordService passwords, RegistrationTicket ticket, RegistrationSignIn signIn, ExternalSignInService external, SignInCookies cookies, IOptions<AccountsOptions> options) : IdentityPageModel(services)
{
    [BindProperty(SupportsGet = true, Name = "Email")]
    public string? Email { get; set; }

    [BindProperty]
    public string? Code { get; set; }

    /// <summary>A code is on its way.</summary>
    [BindProperty(SupportsGet = true, Name = "sent")]
    public string? Sent { get; set; }

    [BindProperty(SupportsGet = true, Name = "again")]
    public string? Again { get; set; }

    /// <summary>Confirmed in a browser that is not signed in by it: there is nothing to fill in any more.</summary>
    [BindProperty(SupportsGet = true, Name = "done")]
    public string? Done { get; set; }

    public string CodeLife => HumanTime.Length(T, options.Value.OneTimeCodeLifetime);

    /// <summary>Where signing in does not wait for a verified address.</summary>
    public bool MaySkip => !options.Value.RequireVerifiedEmail;

    public void OnGet()
    {
    }

    public IActionResult OnPostDecline() => Declined();

    protected override bool KeepsInput => true;

    /// <summary>What it does it does for the address and the code, whoever is signed in here.</summary>
    public override ValueTask<IActionResult?> OldFormAsync(string? handler) => default;

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        if (!ReadEmail(out var email))
        {
            return Invalid();
        }

        if (AccountRules.Code(Code) is not { } code)
        {
            Problem(nameof(Code), T["Code.Malformed"]);
            return Invalid();
        }

        var session = await browser.FindAsync(HttpContext);
        var caller = await SigningInAsync(browser) with { AccountId = session?.AccountId, RegisteredAs = ticket.Read(HttpContext, email), RememberedTokens = cookies.ReadRemembered(HttpContext) };
        switch (await codes.VerifyAsync(new CodeRecipient(null, email, null), OneTimeCodePurposes.Verification, code, caller, cancellationToken, CodeDestinations.AddressOrNewOne))
        {
            case TriedCode.Verified { IsTakenOver: true }:
                // It is theirs and has no password: the mailbox sets one.
                ticket.Take(HttpContext);
                return await passwords.ForgotAsync(email, Caller, cancellationToken) is null
                    ? SeeOther(PageUrls.ResetPassword(email, LinkReturnUrl))
                    : SeeOther(PageUrls.ForgotPassword(email, LinkReturnUrl));
            case TriedCode.Verified when session is not null:
                return SeeOther(ReturnUrl);
            case TriedCode.Verified verified when caller.Brings(verified.Account):
                ticket.Take(HttpContext);
                return ticket.ReadHeld(HttpContext, email) is { } held
                    ? await ResumeAsync(held, verified.Account, caller, cancellationToken)
                    : await SignInAsync(verified.Account, caller, cancellationToken);
            case TriedCode.Verified:
                return SeeOther(PageUrls.Verified(LinkReturnUrl));
            case TriedCode.RateLimited limited:
                return Wait(limited.RetryAfter);
            default:
                Problem(nameof(Code), T["Code.Wrong"]);
                return Invalid();
        }
    }

    public async Task<IActionResult> OnPostSendAsync(CancellationToken cancellationToken)
    {
        if (!ReadEmail(out var email))
        {
            return Invalid();
        }

        return await codes.GenerateAsync(new CodeRecipient(null, email, null), "email", OneTimeCodePurposes.Verification, Caller, cancellationToken) switch
        {
            GeneratedCode.RateLimited limited => Wait(limited.RetryAfter, "Code.Wait"),
            GeneratedCode.Sent => SeeOther(PageUrls.VerifyEmail(email, LinkReturnUrl, sent: true) + "&again=1"),
            var other => throw new InvalidOperationException($"Asking for a code by mail came to {other.GetType().Name}."),
        };
    }

    private async Task<IActionResult> SignInAsync(Account account, Caller caller, CancellationToken cancellationToken)
    {
        switch (await signIn.SignInAsync(account, caller, cancellationToken))
        {
            case SignInAttempt.Succeeded succeeded:
                await browser.StartAsync(HttpContext, succeeded.Session);
                return SeeOther(ReturnUrl);
            case SignInAttempt.SecondFactorDue due:
                cookies.WriteHalf(HttpContext, due.Half.Ticket);
                return SeeOther(PageUrls.SecondHalf(due.Half, LinkReturnUrl));
            default:
                return SeeOther(PageUrls.Verified(LinkReturnUrl));
        }
    }

    // The session is the provider's too, whose sign-out has to end it.
    private async Task<IActionResult> ResumeAsync(string held, Account account, Caller caller, CancellationToken cancellationToken)
    {
        switch (await external.ResumeAsync(held, account, caller, cancellationToken))
        {
            case ExternalSignInResult.SignedIn signedIn:
                await browser.StartAsync(HttpContext, signedIn.Session);
                return SeeOther(ReturnUrl);
            case ExternalSignInResult.SecondFactorDue due:
                cookies.WriteHalf(HttpContext, due.Half.Ticket);
                return SeeOther(PageUrls.SecondHalf(due.Half, LinkReturnUrl));
            default:
                return SeeOther(PageUrls.Verified(LinkReturnUrl));
        }
    }

    private bool ReadEmail(out string email)
    {
        email = AccountRules.Email(Email) ?? "";
        if (email.Length > 0)
        {
            return true;
        }

        Problem(nameof(Email), T["Problem.Email"]);
        return false;
    }
}
