using Identity.Accounts.Changes;
using Identity.Accounts.SecondFactors;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages.MyAccount;

/// <summary>Adds an authenticator app: the secret as a QR code and as text, in force once a code of it has come back.</summary>
public sealed class AuthenticatorModel(PageServices services, BrowserSession browser, AccountChangeService changes, FactorEnrolment enrolment, SecondFactorSignIn signIn, SignInCookies cookies) : FirstFactorPageModel(services, browser, changes, enrolment, signIn, cookies)
{
    [BindProperty]
    public string? Ticket { get; set; }

    [BindProperty]
    public string? Code { get; set; }

    public AuthenticatorKey Key { get; private set; } = null!;

    /// <summary>In groups of four, as people type it.</summary>
    public string SpacedSecret => string.Join(' ', Key.Secret.Chunk(4).Select(group => new string(group)));

    public async Task<IActionResult> OnGetAsync(CancellationToken cancellationToken) =>
        await HasOneAsync(cancellationToken) ? SeeOther(DoneUrl)
        : await BeginAsync(cancellationToken) ? Page()
        : await ProveFirstAsync(FactorKinds.Totp, PageUrls.Authenticator(LinkReturnUrl), cancellationToken);

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        if (await HasOneAsync(cancellationToken))
        {
            return SeeOther(DoneUrl);
        }

        if (await Enrolment.ReadTotpAsync(Person, Session, Ticket, cancellationToken) is not { } key)
        {
            // The page has grown old: a new secret, and the words to say so.
            if (!await BeginAsync(cancellationToken))
            {
                return await ProveFirstAsync(FactorKinds.Totp, PageUrls.Authenticator(LinkReturnUrl), cancellationToken);
            }

            ModelState.Remove(nameof(Ticket));
            Problem(null, T["Authenticator.Expired"]);
            return Invalid();
        }

        Key = key;
        if (Identity.Accounts.AccountRules.Code(Code) is null)
        {
            Problem(nameof(Code), T["Authenticator.Malformed"]);
            return Invalid();
        }

        var change = await Enrolment.ConfirmTotpAsync(Person, Session, Ticket, Code!, Caller, cancellationToken);
        if (change is FactorChange.Refused)
        {
            Problem(nameof(Code), T["Authenticator.Wrong"]);
            return Invalid();
        }

        return await AddedAsync(change, PageUrls.Authenticator(LinkReturnUrl), cancellationToken);
    }

    /// <summary>Where somebody goes who comes back to a page that has done its work: what it would show is not what their app has.</summary>
    private string DoneUrl => IsInFlow ? ReturnUrl : PageUrls.SecurityPath;

    private async Task<bool> HasOneAsync(CancellationToken cancellationToken) => (await Enrolment.FindAsync(Person, cancellationToken)).Factors.Any(factor => factor.Kind == FactorKinds.Totp);

    private async Task<bool> BeginAsync(CancellationToken cancellationToken)
    {
        if (await Enrolment.BeginTotpAsync(Person, Session, cancellationToken) is not var (ticket, key))
        {
            return false;
        }

        (Ticket, Key) = (ticket, key);
        return true;
    }
}
