using Identity.Accounts;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.PushSignIn;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.SignIn;
using Identity.Server.External;
using Identity.Server.Hosting;
using Identity.Server.Pages.Branding;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages;

/// <summary>Signs in by password. Unknown, wrong, disabled and locked look alike.</summary>
public sealed class SignInModel(PageServices services, ISignIn signIn, OneTimeCodeService codes, BrowserSession browser, SignInCookies cookies, RegistrationTicket ticket, SecondFactorSignIn secondFactors, Passkeys passkeys, PhoneSignIn phone, Brand brand, IOptions<AccountsOptions> options, ExternalButtons external) : IdentityPageModel(services)
{
    private const int LongestLogin = 254;

    [BindProperty]
    public string? Login { get; set; }

    [BindProperty]
    public string? Password { get; set; }

    /// <summary><c>forgot</c>: on to the page for a forgotten password, with what was typed here.</summary>
    [BindProperty(Name = "to")]
    public string? To { get; set; }

    /// <summary>From a link in a mail, or from the page the person was on.</summary>
    [BindProperty(SupportsGet = true, Name = "email")]
    public string? Email { get; set; }

    /// <summary>What just happened: <c>reset</c>, <c>changed</c>, <c>expired</c> or <c>over</c>.</summary>
    [BindProperty(SupportsGet = true, Name = "done")]
    public string? Done { get; set; }

    /// <summary>The challenge that a passkey answered.</summary>
    [BindProperty]
    public string? PasskeyToken { get; set; }

    /// <summary>The passkey's answer, as JSON.</summary>
    [BindProperty]
    public string? Credential { get; set; }

    /// <summary>Stateless, so that a page view writes nothing.</summary>
    public PasskeyChallenge PasskeyChallenge { get; private set; } = null!;

    /// <summary>Set in links that must not be led on to a provider at once.</summary>
    [BindProperty(SupportsGet = true, Name = "here")]
    public string? Here { get; set; }

    /// <summary>Other providers; the one for the address that is known comes first.</summary>
    public IReadOnlyList<ExternalButton> Providers => external.For(Login, LinkReturnUrl);

    public bool AllowPhone => phone.IsOffered;

    public bool AllowCode => options.Value.AllowCodeSignIn;

    public override async Task OnPageHandlerExecutionAsync(
        Microsoft.AspNetCore.Mvc.Filters.PageHandlerExecutingContext context,
        Microsoft.AspNetCore.Mvc.Filters.PageHandlerExecutionDelegate next)
    {
        PasskeyChallenge = await passkeys.BeginRequestAsync(account: null);
        await base.OnPageHandlerExecutionAsync(context, next);
    }

    public async Task<IActionResult> OnGetAsync()
    {
        // Whoever is signed in and wants nothing of an application has nothing to do here. An application's or a device's request is judged where it leads.
        if (!ServesRequest && await browser.FindAsync(HttpContext) is not null)
        {
            return SeeOther(ReturnUrl);
        }

        Login = Email ?? Context.LoginHint;
        return Here is null && Done is null && external.Direct(LinkReturnUrl) is { } direct ? SeeOther(direct) : Page();
    }

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        var login = Login?.Trim() ?? "";
        if (To is "forgot")
        {
            return SeeOther(PageUrls.ForgotPassword(AccountRules.Email(login), LinkReturnUrl));
        }

        if (login.Length is 0 or > LongestLogin)
        {
            Problem(nameof(Login), T["SignIn.LoginMissing"]);
        }

        // Whose address is a provider's needs no password here. By a page of ours: a form is not followed to another server.
        if (string.IsNullOrEmpty(Password) && external.IsForProvider(login))
        {
            return Page();
        }

        if (string.IsNullOrEmpty(Password))
        {
            Problem(nameof(Password), T["SignIn.PasswordMissing"]);
        }

        if (!ModelState.IsValid)
        {
            return Invalid();
        }

        var caller = await SigningInAsync(browser) with { RememberedTokens = cookies.ReadRemembered(HttpContext) };
        switch (await signIn.WithPasswordAsync(LoginKind.Any, login, Password!, caller, cancellationToken))
        {
            case SignInAttempt.Succeeded succeeded:
                await browser.StartAsync(HttpContext, succeeded.Session);
                return SeeOther(ReturnUrl);
            case SignInAttempt.SecondFactorDue due:
                cookies.WriteHalf(HttpContext, due.Half.Ticket);
                return SeeOther(PageUrls.SecondHalf(due.Half, LinkReturnUrl));
            case SignInAttempt.EmailNotVerified unverified:
                await codes.GenerateAsync(new CodeRecipient(unverified.Account.Id, null, null), "email", OneTimeCodePurposes.Verification, Caller, cancellationToken);

                // The password was right here: with the code from the mail nothing more is to be asked.
                ticket.Give(HttpContext, unverified.Account.Id, unverified.Account.Email);
                return SeeOther(PageUrls.VerifyEmail(unverified.Account.Email, LinkReturnUrl, sent: true));
            case SignInAttempt.RateLimited limited:
                return Wait(limited.RetryAfter);
            default:
                Problem(nameof(Login), T["SignIn.Refused"]);
                return Invalid();
        }
    }

    /// <summary>By a yes on the person's phone, whoever they are: what follows tells nothing of them.</summary>
    public async Task<IActionResult> OnPostPhoneAsync(CancellationToken cancellationToken)
    {
        if (!AllowPhone)
        {
            return NotFound();
        }

        var login = Login?.Trim() ?? "";
        if (login.Length is 0 or > LongestLogin)
        {
            Problem(nameof(Login), T["SignIn.LoginMissing"]);
            return Invalid();
        }

        switch (await phone.AskAsync(login, Client?.Name ?? brand.Name, Caller, cancellationToken))
        {
            case PhoneAsked.Asked asked:
                cookies.WriteHalf(HttpContext, asked.Ticket);
                cookies.WriteLogin(HttpContext, login);
                return SeeOther(PageUrls.Phone(LinkReturnUrl));
            case PhoneAsked.RateLimited limited:
                return Wait(limited.RetryAfter);
            case var other:
                throw new InvalidOperationException($"Asking for a phone came to {other.GetType().Name}.");
        }
    }

    /// <summary>A passkey is a sign-in of its own: it verified its owner.</summary>
    public async Task<IActionResult> OnPostPasskeyAsync(CancellationToken cancellationToken)
    {
        switch (await secondFactors.WithPasskeyAsync(PasskeyToken ?? "", Credential ?? "", await SigningInAsync(browser), cancellationToken))
        {
            case SecondStep.Succeeded succeeded:
                await browser.StartAsync(HttpContext, succeeded.Session);
                return SeeOther(ReturnUrl);
            case SecondStep.RateLimited limited:
                return Wait(limited.RetryAfter);
            default:
                Problem(null, T["SignIn.PasskeyRefused"]);
                return Invalid();
        }
    }

    public IActionResult OnPostDecline() => Declined();

    protected override bool KeepsInput => true;

    /// <summary>Signed in in another tab meanwhile: that is what this form was for.</summary>
    public override async ValueTask<IActionResult?> OldFormAsync(string? handler) =>
        handler is null && To is null && await browser.FindAsync(HttpContext) is not null ? SeeOther(ReturnUrl) : null;
}
