using Identity.Accounts.Changes;
using Identity.Accounts.Sessions;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;

namespace Identity.Server.Pages.MyAccount;

/// <summary>A page for somebody who is signed in: others are sent to sign in, and come back.</summary>
public abstract class AccountPageModel(PageServices services, IBrowserSession browser, IAccountChanges changes) : IdentityPageModel(services)
{
    /// <summary>What was just done, as a key of its text.</summary>
    [BindProperty(SupportsGet = true, Name = "done")]
    public string? Done { get; set; }

    protected IAccountChanges Changes => changes;

    protected IBrowserSession Browser => browser;

    public Session Session { get; private set; } = null!;

    public Identity.Accounts.Account Person { get; private set; } = null!;

    public override async Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next)
    {
        var session = await browser.FindAsync(HttpContext);
        var found = session is null ? null : await changes.FindAsync(session.AccountId, HttpContext.RequestAborted);
        if (session is null || found is null)
        {
            context.Result = SeeOther(PageUrls.SignIn(HttpMethods.IsGet(Request.Method) ? Request.Path : PageUrls.AccountPath));
            return;
        }

        Session = session;
        Person = found.Value.Account;
        await base.OnPageHandlerExecutionAsync(context, next);
    }
}
