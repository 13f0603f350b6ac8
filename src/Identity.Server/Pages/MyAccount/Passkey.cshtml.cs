using Identity.Accounts.Changes;
using Identity.Accounts.SecondFactors;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages.MyAccount;

/// <summary>Adds a passkey, with a name.</summary>
public sealed class PasskeyModel(PageServices services, IBrowserSession browser, IAccountChanges changes, FactorEnrolment enrolment) : SecurityPageModel(services, browser, changes, enrolment)
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
        return await BeginAsync(cancellationToken) ? Page() : SeeOther(PageUrls.Confirm(PageUrls.PasskeyPath));
    }

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        if (!await BeginAsync(cancellationToken))
        {
            return SeeOther(PageUrls.Confirm(PageUrls.PasskeyPath));
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

        return Answer(change, "FactorAdded", PageUrls.PasskeyPath);
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
