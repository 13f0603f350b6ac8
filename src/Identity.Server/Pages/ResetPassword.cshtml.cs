using Identity.Accounts;
using Identity.Accounts.Passwords;
using Identity.Accounts.Registration;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages;

/// <summary>Sets a new password with the code from the mail.</summary>
public sealed class ResetPasswordModel(PageServices services, IPasswords passwords, IBrowserSession browser, IOptions<AccountsOptions> options) : IdentityPageModel(services)
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

    public string CodeLife => HumanTime.Length(T, options.Value.OneTimeCodeLifetime);

    public string PasswordHint => T["Password.Hint", options.Value.MinimumPasswordLength, options.Value.MaximumPasswordLength];

    public void OnGet()
    {
    }

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
                return SeeOther(PageUrls.SignIn(LinkReturnUrl, email, "reset"));
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

    public async Task<IActionResult> OnPostResendAsync(CancellationToken cancellationToken)
    {
        var email = AccountRules.Email(Email) ?? "";
        if (email.Length == 0)
        {
            Problem(nameof(Email), T["Problem.Email"]);
            return Invalid();
        }

        return await passwords.ForgotAsync(email, Caller, cancellationToken) is { } retryAfter
            ? Wait(retryAfter)
            : SeeOther(PageUrls.ResetPassword(email, LinkReturnUrl) + "&again=1");
    }
}
