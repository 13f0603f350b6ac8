using Identity.Accounts.Changes;
using Identity.Accounts.SecondFactors;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Identity.Server.Pages.MyAccount;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages;

/// <summary>
/// More is asked for than the account has to prove itself with, by an application (SecondFactors:RequiredForClients, an essential acr) or by the
/// person's role (SecondFactors:RequiredForRoles): they add a second factor, and go on to where they came from. The pages that add one ask for
/// a fresh proof first.
/// </summary>
public sealed class AddFactorModel(PageServices services, BrowserSession browser, AccountChangeService changes, FactorEnrolment enrolment, SecondFactorSignIn signIn, SignInCookies cookies) : FirstFactorPageModel(services, browser, changes, enrolment, signIn, cookies)
{
    /// <summary>Set where an authenticator app would not do.</summary>
    [BindProperty(SupportsGet = true, Name = "passkey")]
    public string? PasskeyOnly { get; set; }

    public IActionResult OnGet() => IsInFlow ? Page() : SeeOther(PageUrls.SecurityPath);

    public IActionResult OnPostDecline()
    {
        if (IsSigningIn)
        {
            Cookies.DeleteHalf(HttpContext);
        }

        return Declined();
    }
}
