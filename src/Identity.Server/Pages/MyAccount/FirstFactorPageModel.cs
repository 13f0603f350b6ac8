// NIST SP 800-63B-4 §4.1.2.1 (binding at enrolment): whoever must have a second factor and has none adds it in the middle of the sign-in, before there is a session.
using Identity.Accounts.Changes;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;

namespace Identity.Server.Pages.MyAccount;

/// <summary>A page that adds a factor: for somebody who is signed in, and for somebody whose sign-in only a first factor finishes.</summary>
public abstract class FirstFactorPageModel(PageServices services, BrowserSession browser, AccountChangeService changes, FactorEnrolment enrolment, SecondFactorSignIn signIn, SignInCookies cookies) : SecurityPageModel(services, browser, changes, enrolment, signIn, cookies)
{
    private readonly PageServices _services = services;
    private string? _half;

    /// <summary>Nobody is signed in before the factor is added.</summary>
    public bool IsSigningIn => _half is not null;

    public override bool IsInFlow => IsSigningIn || base.IsInFlow;

    public override async Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next)
    {
        await base.OnPageHandlerExecutionAsync(context, next);
        if (context.Result is SeeOtherResult && Person is null && RequestedReturnUrl is not null)
        {
            // It took too long: the application still waits.
            context.Result = SeeOther(PageUrls.SignIn(_services.ReturnUrls.Validate(RequestedReturnUrl), done: "expired"));
        }
    }

    protected override async Task<(Identity.Accounts.Account Person, Session Session)?> FindPersonAsync(CancellationToken cancellationToken)
    {
        // The sign-in that is going on comes first: a session of before it may be somebody else's.
        if (Cookies.ReadHalf(HttpContext) is { } half && await SecondFactors.FindEnrolmentAsync(half, cancellationToken) is var (account, session))
        {
            _half = half;
            return (account, session);
        }

        return await base.FindPersonAsync(cancellationToken);
    }

    protected override async Task<IActionResult> AddedAsync(FactorChange change, string back, CancellationToken cancellationToken)
    {
        if (!IsSigningIn || change is not FactorChange.Done done)
        {
            return await base.AddedAsync(change, back, cancellationToken);
        }

        Cookies.DeleteHalf(HttpContext);
        if (await SecondFactors.FinishEnrolmentAsync(_half, done, await SigningInAsync(Browser), cancellationToken) is not SecondStep.Succeeded succeeded)
        {
            return SeeOther(PageUrls.SignIn(LinkReturnUrl, done: "expired"));
        }

        await Browser.StartAsync(HttpContext, succeeded.Session);
        return GoOn(done);
    }
}
