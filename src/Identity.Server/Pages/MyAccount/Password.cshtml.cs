using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Accounts.Credentials;
using Identity.Accounts.Passwords;
using Identity.Accounts.Sessions;
using Identity.Server.External;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages.MyAccount;

/// <summary>A new password for somebody who knows the current one, and the first for somebody who came by another provider. It signs out everywhere else: this browser goes on with a session of its own.</summary>
public sealed class PasswordModel(PageServices services, BrowserSession browser, AccountChangeService changes, PasswordService passwords, SessionService sessions, ICredentialStore credentials, ExternalButtons providers, IOptions<AccountsOptions> options) : AccountPageModel(services, browser, changes)
{
    [BindProperty]
    public string? CurrentPassword { get; set; }

    [BindProperty]
    public string? NewPassword { get; set; }

    public string PasswordHint => T["Password.Hint", options.Value.MinimumPasswordLength, options.Value.MaximumPasswordLength];

    protected override bool KeepsInput => true;

    public Task OnGetAsync(CancellationToken cancellationToken) => FindPasswordAsync(credentials, providers, PageUrls.PasswordPath, cancellationToken);

    /// <summary>Where there is none yet, the mailbox sets it: by the code of a forgotten one.</summary>
    public async Task<IActionResult> OnPostSetAsync(CancellationToken cancellationToken)
    {
        await FindPasswordAsync(credentials, providers, PageUrls.PasswordPath, cancellationToken);
        if (HasPassword || !Person.EmailVerified)
        {
            return SeeOther(PageUrls.PasswordPath);
        }

        return await passwords.ForgotAsync(Person.Email, Caller with { AccountId = Person.Id }, cancellationToken) is { } retryAfter
            ? Wait(retryAfter, "Code.Wait")
            : SeeOther(PageUrls.ResetPassword(Person.Email, PageUrls.PasswordPath + "?done=PasswordSet"));
    }

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        await FindPasswordAsync(credentials, providers, PageUrls.PasswordPath, cancellationToken);
        if (!HasPassword)
        {
            return SeeOther(PageUrls.PasswordPath);
        }

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
                return await GoOnAsync(cancellationToken);
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

    // Every session ended with the change, this browser's too: what it goes on with is new, and says no more of how and when the person signed in than the one before.
    private async Task<IActionResult> GoOnAsync(CancellationToken cancellationToken)
    {
        var before = Session;
        await Browser.EndAsync(HttpContext);
        var caller = Caller with { BrowserMark = (await SigningInAsync(Browser)).BrowserMark };
        if (await Changes.FindAsync(Person.Id, cancellationToken) is not var (account, _) || await sessions.StartAsync(account, before.Amr, caller, cancellationToken, before.AuthenticatedAt) is not { } started)
        {
            return SeeOther(PageUrls.SignIn(null, Person.Email, "changed"));
        }

        await Browser.StartAsync(HttpContext, started.Session);
        return SeeOther(PageUrls.PasswordPath + "?done=PasswordChanged");
    }
}
