using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Accounts.Passwords;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages.MyAccount;

/// <summary>A new password for somebody who knows the current one. It signs out everywhere.</summary>
public sealed class PasswordModel(PageServices services, IBrowserSession browser, IAccountChanges changes, IPasswords passwords, IOptions<AccountsOptions> options) : AccountPageModel(services, browser, changes)
{
    [BindProperty]
    public string? CurrentPassword { get; set; }

    [BindProperty]
    public string? NewPassword { get; set; }

    public string PasswordHint => T["Password.Hint", options.Value.MinimumPasswordLength, options.Value.MaximumPasswordLength];

    protected override bool KeepsInput => true;

    public void OnGet()
    {
    }

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(CurrentPassword))
        {
            Problem(nameof(CurrentPassword), T["Password.CurrentMissing"]);
        }

        if (FieldRules.NewPassword(T, options.Value, NewPassword) is { } problem)
        {
            Problem(nameof(NewPassword), problem);
        }

        if (!ModelState.IsValid)
        {
            return Invalid();
        }

        switch (await passwords.ChangeAsync(Person.Id, CurrentPassword!, NewPassword!, await SigningInAsync(Browser), cancellationToken))
        {
            case PasswordChange.Changed:
                await Browser.EndAsync(HttpContext);
                return SeeOther(PageUrls.SignIn(null, Person.Email, "changed"));
            case PasswordChange.Refused refused:
                Problem(nameof(NewPassword), T["Password.Refused", string.Join(" ", refused.Problems)]);
                return Invalid();
            case PasswordChange.RateLimited limited:
                return Wait(limited.RetryAfter);
            default:
                Problem(nameof(CurrentPassword), T["Password.CurrentWrong"]);
                return Invalid();
        }
    }
}
