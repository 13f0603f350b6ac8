using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Accounts.Credentials;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.PushSignIn;
using Identity.Accounts.SecondFactors;
using Identity.Server.External;
using Identity.Server.Hosting;
using Identity.Server.Pages.Branding;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages.MyAccount;

/// <summary>Asks somebody who is signed in to prove it again, before what would hurt if it were somebody else.</summary>
public sealed class ConfirmModel(
    PageServices services,
    BrowserSession browser,
    AccountChangeService changes,
    FactorEnrolment enrolment,
    FactorProver prover,
    Passkeys passkeys,
    SecondFactorPolicy policy,
    Brand brand,
    ICredentialStore credentials,
    ExternalButtons providers,
    IOptions<AccountsOptions> options) : AccountPageModel(services, browser, changes), IFactorForm
{
    private const string PasswordWay = "password";

    [BindProperty(SupportsGet = true, Name = "way")]
    public string? RequestedWay { get; set; }

    [BindProperty(SupportsGet = true, Name = "strength")]
    public int? Strength { get; set; }

    [BindProperty(SupportsGet = true, Name = "sent")]
    public string? Sent { get; set; }

    [BindProperty(SupportsGet = true, Name = "again")]
    public string? Again { get; set; }

    [BindProperty]
    public string? Code { get; set; }

    [BindProperty]
    public string? CurrentPassword { get; set; }

    [BindProperty]
    public string? PasskeyToken { get; set; }

    [BindProperty]
    public string? Credential { get; set; }

    public string Way { get; private set; } = "";

    public IReadOnlyList<string> Ways { get; private set; } = [];

    public PasskeyChallenge? PasskeyChallenge { get; private set; }

    public PushPrompt? Push { get; private set; }

    public string CodeLife => HumanTime.Length(T, options.Value.OneTimeCodeLifetime);

    bool IFactorForm.MayRemember => false;

    bool IFactorForm.Remember => false;

    string IFactorForm.RememberTime => "";

    string IFactorForm.Submit => "SecondFactor.Submit";

    string IFactorForm.UrlOf(string way) => PageUrls.Confirm(ReturnUrl, Strength ?? 0, way);

    public async Task OnGetAsync(CancellationToken cancellationToken) => await LoadAsync(cancellationToken);

    public async Task<IActionResult> OnGetStateAsync(CancellationToken cancellationToken)
    {
        RequestedWay = FactorKinds.Push;
        await LoadAsync(cancellationToken);
        return PushStates.Json(Push);
    }

    public async Task<IActionResult> OnPostAskAsync(CancellationToken cancellationToken)
    {
        RequestedWay = FactorKinds.Push;
        await LoadAsync(cancellationToken);
        return await enrolment.AskPushAsync(Person, Session, brand.Name, Caller, cancellationToken) switch
        {
            PushAsked.RateLimited limited => Wait(limited.RetryAfter),
            _ => SeeOther(PageUrls.Confirm(ReturnUrl, Strength ?? 0, FactorKinds.Push)),
        };
    }

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken);
        if (Way.Length == 0)
        {
            return SeeOther(PageUrls.Confirm(ReturnUrl, Strength ?? 0));
        }

        if (Way == FactorKinds.Push)
        {
            return Answer(await enrolment.ProveAsync(Person, Session, new FactorProof.Push(), Caller, cancellationToken), field: null);
        }

        if (Way == PasswordWay)
        {
            if (string.IsNullOrEmpty(CurrentPassword))
            {
                Problem(nameof(CurrentPassword), T["Password.CurrentMissing"]);
                return Invalid();
            }

            return Answer(await enrolment.ProvePasswordAsync(Person, Session, CurrentPassword, Caller, cancellationToken), nameof(CurrentPassword));
        }

        if (string.IsNullOrWhiteSpace(Code))
        {
            Problem(nameof(Code), T["SecondFactor.Missing." + Way]);
            return Invalid();
        }

        return Answer(await enrolment.ProveAsync(Person, Session, new FactorProof.Code(Way, Code), Caller, cancellationToken), nameof(Code));
    }

    public async Task<IActionResult> OnPostPasskeyAsync(CancellationToken cancellationToken)
    {
        RequestedWay = FactorKinds.Passkey;
        await LoadAsync(cancellationToken);
        return Answer(await enrolment.ProveAsync(Person, Session, new FactorProof.Passkey(PasskeyToken ?? "", Credential ?? ""), Caller, cancellationToken), field: null);
    }

    public async Task<IActionResult> OnPostSendAsync(CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken);
        var again = Sent is not null;
        return await prover.SendCodeAsync(Person, Way, firstChannel: null, Caller, cancellationToken) switch
        {
            GeneratedCode.RateLimited limited => Wait(limited.RetryAfter, "Code.Wait"),
            GeneratedCode.Sent => SeeOther(PageUrls.Confirm(ReturnUrl, Strength ?? 0, Way, sent: true, again)),
            _ => SeeOther(PageUrls.Confirm(ReturnUrl, Strength ?? 0)),
        };
    }

    private IActionResult Answer(FactorTrial? trial, string? field)
    {
        switch (trial)
        {
            case null:
                return SeeOther(ReturnUrl is PageUrls.SecurityPath or PageUrls.AccountPath ? ReturnUrl + "?done=Proven" : ReturnUrl);
            case FactorTrial.RateLimited limited:
                return Wait(limited.RetryAfter);
            case FactorTrial.Unanswered:
                return SeeOther(PageUrls.Confirm(ReturnUrl, Strength ?? 0, FactorKinds.Push));
            default:
                Problem(field, Way == PasswordWay ? T["Password.CurrentWrong"] : T["SecondFactor.Wrong." + Way]);
                return Invalid();
        }
    }

    private bool IsEnough(string method) => FactorKinds.Strength(method) >= (Strength ?? 0);

    private async Task LoadAsync(CancellationToken cancellationToken)
    {
        var methods = await policy.MethodsAsync(Person, firstChannel: null, cancellationToken);

        // What would not do for the change is not asked for: else one would prove it, and be sent back here.
        await FindPasswordAsync(credentials, providers, ReturnUrl, cancellationToken);
        Ways = methods.Count == 0 ? HasPassword ? [PasswordWay] : [] : methods.Any(IsEnough) ? [.. methods.Where(IsEnough)] : methods;
        Way = RequestedWay is { } way && Ways.Contains(way, StringComparer.Ordinal) ? way : Ways.FirstOrDefault("");
        PasskeyChallenge = Way == FactorKinds.Passkey ? await passkeys.BeginRequestAsync(Person) : null;
        Push = Way == FactorKinds.Push ? await enrolment.ReadPushAsync(Session, cancellationToken) : null;
    }
}
