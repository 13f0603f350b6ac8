using Identity.Accounts.Changes;
using Identity.Accounts.SecondFactors;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages.MyAccount;

/// <summary>A page that changes how somebody proves who they are: it asks for a fresh proof first.</summary>
public abstract class SecurityPageModel(PageServices services, BrowserSession browser, AccountChangeService changes, FactorEnrolment enrolment, SecondFactorSignIn signIn, SignInCookies cookies) : AccountPageModel(services, browser, changes)
{
    /// <summary>An application sent the person here, and waits for them.</summary>
    public virtual bool IsInFlow => CanDecline;

    /// <summary>Where somebody goes who changed their mind.</summary>
    public string CancelUrl => IsInFlow ? PageUrls.AddFactor(LinkReturnUrl) : PageUrls.SecurityPath;

    protected FactorEnrolment Enrolment => enrolment;

    protected SecondFactorSignIn SecondFactors => signIn;

    protected SignInCookies Cookies => cookies;

    /// <summary>A factor was added, or not; in the middle of a sign-in the session goes on with what it proved.</summary>
    /// <param name="change">What became of it.</param>
    /// <param name="back">This page, to come back to with a proof.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    protected virtual async Task<IActionResult> AddedAsync(FactorChange change, string back, CancellationToken cancellationToken)
    {
        if (!IsInFlow || change is not FactorChange.Done { Amr: { } amr } done)
        {
            return Answer(change, "FactorAdded", back);
        }

        if (await signIn.RaiseAsync(Person, Session, amr, await SigningInAsync(Browser), cancellationToken) is { } session)
        {
            await Browser.StartAsync(HttpContext, session);
        }

        return GoOn(done);
    }

    /// <summary>To where the person came from; first recovery codes are shown on the way.</summary>
    protected IActionResult GoOn(FactorChange.Done done) => done.RecoveryCodes is { Count: > 0 } ? Show(done) : SeeOther(ReturnUrl);

    // By a page of their own, so that a reload sends no form again.
    private IActionResult Show(FactorChange.Done done)
    {
        cookies.WriteRecoveryCodes(HttpContext, Person.Id, done.RecoveryCodes!);
        return SeeOther(PageUrls.RecoveryCodes(IsInFlow ? ReturnUrl : null, done.Factor?.Kind));
    }

    /// <summary>To a proof that is strong enough for a factor of this kind, and back.</summary>
    protected async Task<IActionResult> ProveFirstAsync(string kind, string back, CancellationToken cancellationToken) =>
        SeeOther(PageUrls.Confirm(back, await enrolment.FindNeedAsync(Person, kind, cancellationToken)));

    protected IActionResult Answer(FactorChange change, string done, string back)
    {
        switch (change)
        {
            case FactorChange.Done { RecoveryCodes.Count: > 0 } shown:
                return Show(shown);
            case FactorChange.Done:
                return SeeOther(PageUrls.SecurityPath + "?done=" + done);
            case FactorChange.ProofNeeded needed:
                return SeeOther(PageUrls.Confirm(back, needed.Strength));
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
