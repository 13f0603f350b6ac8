// OpenID Connect RP-Initiated Logout 1.0 §2: the person is asked where the request does not prove that they want this.
using Identity.Accounts;
using Identity.Server.External;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages;

/// <summary>Asks, then ends the session and returns to where the request came from.</summary>
public sealed class SignOutModel(PageServices services, BrowserSession browser, IAccountStore accounts, BrowserSignOut signOut) : IdentityPageModel(services)
{
    public Account? Account { get; private set; }

    private string NextUrl => LinkReturnUrl ?? PageUrls.SignedOutPath;

    public async Task<IActionResult> OnGetAsync(CancellationToken cancellationToken)
    {
        if (await browser.FindAsync(HttpContext) is not { } session)
        {
            return SeeOther(NextUrl);
        }

        Account = await accounts.FindAsync(session.AccountId, cancellationToken);
        return Page();
    }

    /// <summary>Signed out in another tab meanwhile: that is what this form was for. Signed in as somebody else: they are asked.</summary>
    public override async ValueTask<IActionResult?> OldFormAsync(string? handler) =>
        await browser.FindAsync(HttpContext) is null ? SeeOther(NextUrl) : await base.OldFormAsync(handler);

    public async Task<IActionResult> OnPostAsync() => SeeOther(await signOut.EndAsync(HttpContext, NextUrl));
}
