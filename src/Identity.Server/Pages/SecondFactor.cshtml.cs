using Identity.Accounts;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.PushSignIn;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Server.Hosting;
using Identity.Server.Pages.Branding;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages;

/// <summary>The second half of a sign-in, or more proof from somebody who is signed in (step-up). No session exists before it is done.</summary>
public sealed class SecondFactorModel(
    PageServices services,
    SecondFactorSignIn signIn,
    SecondFactorPolicy policy,
    IAccountStore accounts,
    BrowserSession browser,
    SignInCookies cookies,
    Brand brand,
    IOptions<SecondFactorOptions> options,
    IOptions<AccountsOptions> accountsOptions) : IdentityPageModel(services), IFactorForm
{
    [BindProperty(SupportsGet = true, Name = "way")]
    public string? RequestedWay { get; set; }

    /// <summary>A code is on its way.</summary>
    [BindProperty(SupportsGet = true, Name = "sent")]
    public string? Sent { get; set; }

    [BindProperty(SupportsGet = true, Name = "again")]
    public string? Again { get; set; }

    [BindProperty]
    public string? Code { get; set; }

    [BindProperty]
    public string? PasskeyToken { get; set; }

    [BindProperty]
    public string? Credential { get; set; }

    [BindProperty]
    public bool Remember { get; set; }

    public string Way { get; private set; } = "";

    public IReadOnlyList<string> Ways { get; private set; } = [];

    public PasskeyChallenge? PasskeyChallenge { get; private set; }

    public PushPrompt? Push { get; private set; }

    public string Who { get; private set; } = "";

    public string CodeLife => HumanTime.Length(T, accountsOptions.Value.OneTimeCodeLifetime);

    string IFactorForm.RememberTime => HumanTime.Days(T, TimeSpan.FromDays(options.Value.RememberedBrowserDays));

    int? IFactorForm.Strength => null;

    bool IFactorForm.MayRemember => options.Value.RememberedBrowserDays > 0;

    string IFactorForm.Submit => "SecondFactor.Submit";

    string IFactorForm.UrlOf(string way) => PageUrls.SecondFactor(LinkReturnUrl, way);

    private string? Ticket { get; set; }

    public async Task<IActionResult> OnGetAsync(CancellationToken cancellationToken) => await LoadAsync(mayBegin: true, cancellationToken) ? Page() : StartOver();

    public async Task<IActionResult> OnGetStateAsync(CancellationToken cancellationToken)
    {
        RequestedWay = FactorKinds.Push;
        return PushStates.Json(await LoadAsync(mayBegin: false, cancellationToken) ? Push : null);
    }

    public async Task<IActionResult> OnPostAskAsync(CancellationToken cancellationToken)
    {
        RequestedWay = FactorKinds.Push;
        if (!await LoadAsync(mayBegin: false, cancellationToken))
        {
            return StartOver();
        }

        return await signIn.AskPushAsync(Ticket, Client?.Name ?? brand.Name, Caller, cancellationToken) switch
        {
            PushAsked.RateLimited limited => Wait(limited.RetryAfter),
            _ => SeeOther(PageUrls.SecondFactor(LinkReturnUrl, FactorKinds.Push)),
        };
    }

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        if (!await LoadAsync(mayBegin: false, cancellationToken))
        {
            return StartOver();
        }

        if (Way == FactorKinds.Push)
        {
            return await FinishAsync(new FactorProof.Push(), field: null, cancellationToken);
        }

        if (string.IsNullOrWhiteSpace(Code))
        {
            Problem(nameof(Code), T["SecondFactor.Missing." + Way]);
            return Invalid();
        }

        return await FinishAsync(new FactorProof.Code(Way, Code), nameof(Code), cancellationToken);
    }

    public async Task<IActionResult> OnPostPasskeyAsync(CancellationToken cancellationToken)
    {
        RequestedWay = FactorKinds.Passkey;
        return await LoadAsync(mayBegin: false, cancellationToken)
            ? await FinishAsync(new FactorProof.Passkey(PasskeyToken ?? "", Credential ?? ""), field: null, cancellationToken)
            : StartOver();
    }

    public async Task<IActionResult> OnPostSendAsync(CancellationToken cancellationToken)
    {
        if (!await LoadAsync(mayBegin: false, cancellationToken))
        {
            return StartOver();
        }

        var again = Sent is not null;
        switch (await signIn.SendCodeAsync(Ticket, Way, Caller, cancellationToken))
        {
            case GeneratedCode.RateLimited limited:
                return Wait(limited.RetryAfter, "Code.Wait");
            case GeneratedCode.Sent:
                return SeeOther(PageUrls.SecondFactor(LinkReturnUrl, Way, sent: true, again));
            default:
                return SeeOther(PageUrls.SecondFactor(LinkReturnUrl));
        }
    }

    public IActionResult OnPostDecline()
    {
        cookies.DeleteHalf(HttpContext);
        return Declined();
    }

    private async Task<IActionResult> FinishAsync(FactorProof proof, string? field, CancellationToken cancellationToken)
    {
        switch (await signIn.FinishAsync(Ticket, proof, Remember, await SigningInAsync(browser), cancellationToken))
        {
            case SecondStep.Succeeded succeeded:
                cookies.DeleteHalf(HttpContext);
                await browser.StartAsync(HttpContext, succeeded.Session);
                if (succeeded.RememberedToken is { } token)
                {
                    cookies.Remember(HttpContext, succeeded.Account.Id, token);
                }

                return SeeOther(ReturnUrl);
            case SecondStep.RateLimited limited:
                return Wait(limited.RetryAfter);
            case SecondStep.Unanswered:
                return SeeOther(PageUrls.SecondFactor(LinkReturnUrl, FactorKinds.Push));
            case SecondStep.Expired:
                return StartOver();
            default:
                Problem(field, T["SecondFactor.Wrong." + Way]);
                return Invalid();
        }
    }

    private IActionResult StartOver()
    {
        cookies.DeleteHalf(HttpContext);
        return SeeOther(PageUrls.SignIn(LinkReturnUrl, done: "expired"));
    }

    private async Task<bool> LoadAsync(bool mayBegin, CancellationToken cancellationToken)
    {
        Ticket = cookies.ReadHalf(HttpContext);
        var half = await signIn.FindAsync(Ticket, cancellationToken);
        if (half is null && mayBegin && await browser.FindAsync(HttpContext) is { } session)
        {
            half = await BeginStepUpAsync(session, cancellationToken);
        }

        if (half is not var (account, methods) || methods.Count == 0)
        {
            return false;
        }

        (Ways, Who) = (methods, account.Email);
        Way = RequestedWay is { } way && methods.Contains(way, StringComparer.Ordinal) ? way : methods[0];
        PasskeyChallenge = Way == FactorKinds.Passkey ? await signIn.BeginPasskeyAsync(Ticket, cancellationToken) : null;
        Push = Way == FactorKinds.Push ? await signIn.ReadPushAsync(Ticket, cancellationToken) : null;
        return true;
    }

    // The authorize endpoint sends somebody here who is signed in, and from whom it wants more.
    private async Task<(Account Account, IReadOnlyList<string> Methods)?> BeginStepUpAsync(Session session, CancellationToken cancellationToken)
    {
        if (await accounts.FindAsync(session.AccountId, cancellationToken) is not { IsActive: true } account)
        {
            return null;
        }

        var half = await policy.BeginStepUpAsync(account, session, cancellationToken);
        Ticket = half.Ticket;
        cookies.WriteHalf(HttpContext, half.Ticket);
        return (account, half.Methods);
    }
}
