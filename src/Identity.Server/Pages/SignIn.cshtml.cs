using Identity.Accounts;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.SignIn;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages;

/// <summary>Signs in by password. Unknown, wrong, disabled and locked look alike.</summary>
public sealed class SignInModel(PageServices services, ISignIn signIn, IOneTimeCodes codes, IBrowserSession browser, IOptions<AccountsOptions> options) : IdentityPageModel(services)
{
    private const int LongestLogin = 254;

    [BindProperty]
    public string? Login { get; set; }

    [BindProperty]
    public string? Password { get; set; }

    /// <summary>From a link in a mail, or from the page the person was on.</summary>
    [BindProperty(SupportsGet = true, Name = "email")]
    public string? Email { get; set; }

    /// <summary>What was just done: <c>verified</c> or <c>reset</c>.</summary>
    [BindProperty(SupportsGet = true, Name = "done")]
    public string? Done { get; set; }

    public bool AllowCode => options.Value.AllowCodeSignIn;

    public async Task<IActionResult> OnGetAsync()
    {
        // Whoever is signed in and wants nothing of an application has nothing to do here. An application's request is judged by the authorize endpoint.
        if (!CanDecline && await browser.FindAsync(HttpContext) is not null)
        {
            return SeeOther(ReturnUrl);
        }

        Login = Email ?? Context.LoginHint;
        return Page();
    }

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        var login = Login?.Trim() ?? "";
        if (login.Length is 0 or > LongestLogin)
        {
            Problem(nameof(Login), T["SignIn.LoginMissing"]);
        }

        if (string.IsNullOrEmpty(Password))
        {
            Problem(nameof(Password), T["SignIn.PasswordMissing"]);
        }

        if (!ModelState.IsValid)
        {
            return Invalid();
        }

        switch (await signIn.WithPasswordAsync(LoginKind.Any, login, Password!, await SigningInAsync(browser), cancellationToken))
        {
            case SignInAttempt.Succeeded succeeded:
                await browser.StartAsync(HttpContext, succeeded.Session);
                return SeeOther(ReturnUrl);
            case SignInAttempt.EmailNotVerified unverified:
                await codes.GenerateAsync(new CodeRecipient(unverified.Account.Id, null, null), "email", OneTimeCodePurposes.Verification, Caller, cancellationToken);
                return SeeOther(PageUrls.VerifyEmail(unverified.Account.Email, LinkReturnUrl, sent: true));
            case SignInAttempt.RateLimited limited:
                return Wait(limited.RetryAfter);
            default:
                Problem(nameof(Login), T["SignIn.Refused"]);
                return Invalid();
        }
    }

    public IActionResult OnPostDecline() => Declined();

    protected override bool KeepsInput => true;

    /// <summary>Signed in in another tab meanwhile: that is what this form was for.</summary>
    public override async ValueTask<IActionResult?> OldFormAsync(string? handler) =>
        handler is null && await browser.FindAsync(HttpContext) is not null ? SeeOther(ReturnUrl) : null;
}
