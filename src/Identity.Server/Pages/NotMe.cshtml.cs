// OWASP ASVS 5.0 §6.3.7: the page behind "this was not me" in a mail.
using Identity.Accounts.Passwords;
using Identity.Accounts.Profile;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages;

/// <summary>Asks first: programs open the links of a mail before people do. Then everybody is signed out of the account, and a code for a new password is sent.</summary>
public sealed class NotMeModel(PageServices services, AccessRecovery recovery, PasswordService passwords, BrowserSession browser) : IdentityPageModel(services)
{
    [BindProperty(SupportsGet = true, Name = "ticket")]
    public string? Ticket { get; set; }

    public bool IsLive { get; private set; }

    public async Task OnGetAsync(CancellationToken cancellationToken) => IsLive = await recovery.IsLiveAsync(Ticket, cancellationToken);

    /// <summary>The link alone decides, whoever is signed in here.</summary>
    public override ValueTask<IActionResult?> OldFormAsync(string? handler) => default;

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        if (await recovery.DisownAsync(Ticket, Caller, cancellationToken) is not { } email)
        {
            Response.StatusCode = StatusCodes.Status422UnprocessableEntity;
            return Page();
        }

        await browser.EndAsync(HttpContext);
        return await passwords.ForgotAsync(email, Caller, cancellationToken) is null
            ? SeeOther(PageUrls.ResetPassword(email, LinkReturnUrl))
            : SeeOther(PageUrls.ForgotPasswordPath);
    }
}
