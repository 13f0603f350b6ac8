using Identity.Accounts.Changes;
using Identity.Server.Pages.Flow;
using Identity.Server.Pages.MyAccount;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages;

/// <summary>
/// An application asks for more than the account has to prove itself with (SecondFactors:RequiredForClients, an essential acr): the person
/// adds a second factor, and goes on to where they came from. The pages that add one ask for a fresh proof first.
/// </summary>
public sealed class AddFactorModel(PageServices services, IBrowserSession browser, IAccountChanges changes) : AccountPageModel(services, browser, changes)
{
    /// <summary>Set where an authenticator app would not do.</summary>
    [BindProperty(SupportsGet = true, Name = "passkey")]
    public string? PasskeyOnly { get; set; }

    public IActionResult OnGet() => CanDecline ? Page() : SeeOther(PageUrls.SecurityPath);

    public IActionResult OnPostDecline() => Declined();
}
