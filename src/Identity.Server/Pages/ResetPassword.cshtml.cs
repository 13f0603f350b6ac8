using Identity.Accounts;
using Identity.Accounts.Passwords;
using Identity.Accounts.SignIn;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages;

/// <summary>Sets a new password with the code from the mail.</summary>
public sealed class ResetPasswordModel(PageServices services, PasswordService passwords, ISignIn signIn, BrowserSession browser, SignInCookies cookies, IOptions<AccountsOptions> options) : IdentityPageModel(services)
{
    [BindProperty(SupportsGet = true, Name = "Email")]
    public string? Email { get; set; }

    [BindProperty]
    public string? Code { get; set; }

    [BindProperty]
    public string? Password { get; set; }

    /// <summary>A new code was asked for.</summary>
    [BindProperty(SupportsGet = true, Name = "again")]
    public string? Again { get; set; }

    /// <summary>Only the new password is to be typed again: the code was not used.</summary>
    public bool KeepsCode => Problems.Count > 0 && Problems.All(problem => problem.Field == nameof(Password));

    public string CodeLife => HumanTime.Length(T, options.Value.OneTimeCodeLifetime);

    public string PasswordHint => T["Password.Hint", options.Value.MinimumPasswordLength, options.Value.MaximumPasswordLength];

    public void OnGet()
    {
    }

    public IActionResult OnPostDecline() => Declined();

    protected override bool KeepsInput => true;

    /// <summary>What it does it does for the address and the code, whoever is signed in here.</summary>
    public override ValueTask<IActionResult?> OldFormAsync(string? handler) => default;

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        var email = AccountRules.Email(Email) ?? "";
        if (email.Length == 0)
        {
            Problem(nameof(Email), T["Problem.Email"]);
        }

        if (AccountRules.Code(Code) is null)
        {
            Problem(nameof(Code), T["Code.Malformed"]);
        }

        if (FieldRules.NewPassword(T, options.Value, Password) is { } problem)
        {
            Problem(nameof(Password), problem);
        }

        if (!ModelState.IsValid)
        {
            return Invalid();
        }

        switch (await passwords.ResetAsync(email, AccountRules.Code(Code)!, Password!, Caller, cancellationToken))
        {
            case PasswordChange.Changed:
                // All sessions are dead; the cookie of one must not stay behind.
                await browser.EndAsync(HttpContext);
                return await SignInAsync(email, cancellationToken);
            case PasswordChange.Refused refused:
                Problem(nameof(Password), T["Password.Refused", string.Join(" ", refused.Problems)]);
                return Invalid();
            case PasswordChange.RateLimited limited:
                return Wait(limited.RetryAfter);
            default:
                Problem(nameof(Code), T["Code.Wrong"]);
                return Invalid();
        }
    }

    // As if the new password were typed at the sign-in page, with its limits and second factors.
    private async Task<IActionResult> SignInAsync(string email, CancellationToken cancellationToken)
    {
        var caller = await SigningInAsync(browser) with { RememberedTokens = cookies.ReadRemembered(HttpContext) };
        switch (await signIn.WithPasswordAsync(LoginKind.Email, email, Password!, caller, cancellationToken))
        {
            case SignInAttempt.Succeeded succeeded:
                await browser.StartAsync(HttpContext, succeeded.Session);
                return SeeOther(LinkReturnUrl ?? PageUrls.AccountPath + "?done=PasswordChanged");
            case SignInAttempt.SecondFactorDue due:
                cookies.WriteHalf(HttpContext, due.Half.Ticket);
                return SeeOther(PageUrls.SecondHalf(due.Half, LinkReturnUrl));
            default:
                return SeeOther(PageUrls.SignIn(LinkReturnUrl, email, "reset"));
        }
    }

    public async Task<IActionResult> OnPostResendAsync(CancellationToken cancellationToken)
    {
        var email = AccountRules.Email(Email) ?? "";
        if (email.Length == 0)
        {
            Problem(nameof(Email), T["Problem.Email"]);
            return Invalid();
        }

        return await passwords.ForgotAsync(email, Caller, cancellationToken) is { } retryAfter
            ? Wait(retryAfter, "Code.Wait")
            : SeeOther(PageUrls.ResetPassword(email, LinkReturnUrl) + "&again=1");
    }
}
