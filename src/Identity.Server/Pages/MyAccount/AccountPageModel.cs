using Identity.Accounts.Changes;
using Identity.Accounts.Credentials;
using Identity.Accounts.Sessions;
using Identity.Server.External;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;

namespace Identity.Server.Pages.MyAccount;

/// <summary>A page for somebody who is signed in: others are sent to sign in, and come back.</summary>
public abstract class AccountPageModel(PageServices services, BrowserSession browser, AccountChangeService changes) : IdentityPageModel(services)
{
    /// <summary>What was just done, as a key of its text.</summary>
    [BindProperty(SupportsGet = true, Name = "done")]
    public string? Done { get; set; }

    protected AccountChangeService Changes => changes;

    protected BrowserSession Browser => browser;

    public Session Session { get; private set; } = null!;

    public Identity.Accounts.Account Person { get; private set; } = null!;

    /// <summary>Whether the account has one; until <see cref="FindPasswordAsync"/> has looked, it is taken for granted.</summary>
    public bool HasPassword { get; private set; } = true;

    /// <summary>Where the person proves themselves who has no password: at the providers that they come from.</summary>
    public IReadOnlyList<ExternalButton> Proofs { get; private set; } = [];

    public override async Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next)
    {
        if (await FindPersonAsync(HttpContext.RequestAborted) is not var (person, session))
        {
            // Who sent a form is told that it came to nothing: the sign-in page alone looks like a step on its way.
            context.Result = SeeOther(PageUrls.SignIn(Request.Path, done: HttpMethods.IsPost(Request.Method) ? "over" : null));
            return;
        }

        (Person, Session) = (person, session);
        await base.OnPageHandlerExecutionAsync(context, next);
    }

    /// <summary>What the person can be asked for.</summary>
    /// <param name="credentials">Tells of the password.</param>
    /// <param name="providers">Lead to the proof, and back.</param>
    /// <param name="back">Where the proof leads.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    protected async Task FindPasswordAsync(ICredentialStore credentials, ExternalButtons providers, string back, CancellationToken cancellationToken)
    {
        HasPassword = (await credentials.FindAsync(Person.Id, cancellationToken))?.PasswordHash is not null;
        Proofs = HasPassword ? [] : await providers.OfAsync(Person.Id, back, cancellationToken);
    }

    /// <summary>Whose page it is; null: nobody is signed in.</summary>
    protected virtual async Task<(Identity.Accounts.Account Person, Session Session)?> FindPersonAsync(CancellationToken cancellationToken) =>
        await browser.FindAsync(HttpContext) is { } session && await changes.FindAsync(session.AccountId, cancellationToken) is { } found ? (found.Account, session) : null;
}
