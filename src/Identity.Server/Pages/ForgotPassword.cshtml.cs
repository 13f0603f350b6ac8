using Identity.Accounts;
using Identity.Accounts.Passwords;
using Identity.Accounts.Registration;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages;

/// <summary>Sends a code for a new password, and says the same whether there is an account or not.</summary>
public sealed class ForgotPasswordModel(PageServices services, PasswordService passwords) : IdentityPageModel(services)
{
    [BindProperty(SupportsGet = true, Name = "Email")]
    public string? Email { get; set; }

    public void OnGet() => Email ??= EmailAddress.IsWellFormed(Context.LoginHint) ? Context.LoginHint : null;

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
            return Invalid();
        }

        return await passwords.ForgotAsync(email, Caller, cancellationToken) is { } retryAfter
            ? Wait(retryAfter, "Code.Wait")
            : SeeOther(PageUrls.ResetPassword(email, LinkReturnUrl));
    }
}
