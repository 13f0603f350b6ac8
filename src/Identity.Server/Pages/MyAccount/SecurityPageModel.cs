using Identity.Accounts.Changes;
using Identity.Accounts.SecondFactors;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages.MyAccount;

/// <summary>A page that changes how somebody proves who they are: it asks for a fresh proof first.</summary>
public abstract class SecurityPageModel(PageServices services, IBrowserSession browser, IAccountChanges changes, FactorEnrolment enrolment) : AccountPageModel(services, browser, changes)
{
    /// <summary>Shown this once.</summary>
    public IReadOnlyList<string> NewRecoveryCodes { get; private set; } = [];

    protected FactorEnrolment Enrolment => enrolment;

    protected IActionResult Answer(FactorChange change, string done, string back)
    {
        switch (change)
        {
            case FactorChange.Done { RecoveryCodes: { } codes }:
                NewRecoveryCodes = codes;
                return Page();
            case FactorChange.Done:
                return SeeOther(PageUrls.SecurityPath + "?done=" + done);
            case FactorChange.ProofNeeded:
                return SeeOther(PageUrls.Confirm(back));
            case FactorChange.RateLimited limited:
                return Wait(limited.RetryAfter);
            case FactorChange.Taken:
                Problem(null, T["Security.Taken"]);
                return Invalid();
            default:
                return SeeOther(PageUrls.SecurityPath);
        }
    }
}
