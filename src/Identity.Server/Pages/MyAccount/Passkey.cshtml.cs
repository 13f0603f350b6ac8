using Identity.Accounts.Changes;
using Identity.Accounts.SecondFactors;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages.MyAccount;

/// <summary>Adds a passkey, with a name.</summary>
public sealed class PasskeyModel(PageServices services, BrowserSession browser, AccountChangeService changes, FactorEnrolment enrolment, SecondFactorSignIn signIn, SignInCookies cookies) : FirstFactorPageModel(services, browser, changes, enrolment, signIn, cookies)
{
    [BindProperty]
    public string? Name { get; set; }

    [BindProperty]
    public string? PasskeyToken { get; set; }

    [BindProperty]
    public string? Credential { get; set; }

    public PasskeyChallenge PasskeyChallenge { get; private set; } = null!;

    public async Task<IActionResult> OnGetAsync(CancellationToken cancellationToken)
    {
        Name = DeviceNames.Describe(T, Request.Headers.UserAgent.ToString());
        return await BeginAsync(cancellationToken) ? Page() : await ProveFirstAsync(FactorKinds.Passkey, PageUrls.Passkey(LinkReturnUrl), cancellationToken);
    }

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        if (!await BeginAsync(cancellationToken))
        {
            return await ProveFirstAsync(FactorKinds.Passkey, PageUrls.Passkey(LinkReturnUrl), cancellationToken);
        }

        if (Name?.Trim() is not { Length: > 0 and <= SecurityModel.LongestName } name || name.Any(char.IsControl))
        {
            Problem(nameof(Name), T["Passkey.NameMissing", SecurityModel.LongestName]);
            return Invalid();
        }

        var change = await Enrolment.ConfirmPasskeyAsync(Person, Session, PasskeyToken ?? "", Credential ?? "", name, Caller, cancellationToken);
        if (change is FactorChange.Refused)
        {
            Problem(null, T["Passkey.Refused"]);
            return Invalid();
        }

        return await AddedAsync(change, PageUrls.Passkey(LinkReturnUrl), cancellationToken);
    }

    private async Task<bool> BeginAsync(CancellationToken cancellationToken)
    {
        if (await Enrolment.BeginPasskeyAsync(Person, Session, cancellationToken) is not { } challenge)
        {
            return false;
        }

        PasskeyChallenge = challenge;
        return true;
    }
}
