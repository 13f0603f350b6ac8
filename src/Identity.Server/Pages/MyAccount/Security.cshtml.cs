using Identity.Accounts.Changes;
using Identity.Accounts.PushSignIn;
using Identity.Accounts.SecondFactors;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages.MyAccount;

/// <summary>One factor, told by words a person knows.</summary>
public sealed record FactorLine(Guid Id, string Kind, string Name, string Added, string? LastUsed, bool WithoutPassword);

/// <summary>A browser that need not prove a second factor for a while.</summary>
public sealed record RememberedLine(Guid Id, string Device, bool IsPhone, string? Place, string LastUsed, string Until);

/// <summary>What an account proves itself with besides the password, and how to change it.</summary>
public sealed class SecurityModel(PageServices services, BrowserSession browser, AccountChangeService changes, FactorEnrolment enrolment, SecondFactorSignIn signIn, SignInCookies cookies, IOptions<PushSignInOptions> push, TimeProvider time) : SecurityPageModel(services, browser, changes, enrolment, signIn, cookies)
{
    public const int LongestName = 60;

    public IReadOnlyList<FactorLine> Factors { get; private set; } = [];

    public IReadOnlyList<RememberedLine> Browsers { get; private set; } = [];

    public int RecoveryCodesLeft { get; private set; }

    /// <summary>Whether a device could say yes; null: this server asks none.</summary>
    public bool? CanAddPush { get; private set; }

    /// <summary>Whether sign-in by phone without the password may be allowed here.</summary>
    public bool AllowsPhone => push.Value.AllowWithoutPassword;

    [BindProperty]
    public string? Name { get; set; }

    public bool Has(string kind) => Factors.Any(factor => factor.Kind == kind);

    public override async Task OnPageHandlerExecutionAsync(Microsoft.AspNetCore.Mvc.Filters.PageHandlerExecutingContext context, Microsoft.AspNetCore.Mvc.Filters.PageHandlerExecutionDelegate next) =>
        await base.OnPageHandlerExecutionAsync(context, async () =>
        {
            await LoadAsync(HttpContext.RequestAborted);
            return await next();
        });

    /// <summary>Whoever is here has left a sign-in that was not finished: what they add now is added to this account.</summary>
    public void OnGet()
    {
        if (Cookies.ReadHalf(HttpContext) is not null)
        {
            Cookies.DeleteHalf(HttpContext);
        }

        // Whoever is here has seen them.
        Cookies.DeleteRecoveryCodes(HttpContext);
    }

    public async Task<IActionResult> OnPostChannelAsync(string? kind, CancellationToken cancellationToken) =>
        kind is FactorKinds.Email or FactorKinds.Sms
            ? Answer(await Enrolment.AddChannelAsync(Person, Session, kind, Caller, cancellationToken), "FactorAdded", PageUrls.SecurityPath)
            : SeeOther(PageUrls.SecurityPath);

    public async Task<IActionResult> OnPostPushAsync(CancellationToken cancellationToken) =>
        Answer(await Enrolment.AddPushAsync(Person, Session, Caller, cancellationToken), "FactorAdded", PageUrls.SecurityPath);

    public async Task<IActionResult> OnPostPhoneAsync(bool allowed, CancellationToken cancellationToken) =>
        AllowsPhone || !allowed
            ? Answer(await Enrolment.AllowWithoutPasswordAsync(Person, Session, allowed, Caller, cancellationToken), allowed ? "PhoneAllowed" : "PhoneForbidden", PageUrls.SecurityPath)
            : SeeOther(PageUrls.SecurityPath);

    /// <summary>The factor that is taken away only once its owner says so again; null: none is.</summary>
    public FactorLine? Leaving { get; private set; }

    public async Task<IActionResult> OnPostRemoveAsync(Guid id, string? sure, CancellationToken cancellationToken)
    {
        if (sure is null && Factors is [var last] && last.Id == id)
        {
            // A proof that is missing is asked for first: nobody says yes twice.
            if (!await Enrolment.MayRemoveAsync(Person, Session, last.Kind, cancellationToken))
            {
                return await ProveFirstAsync(last.Kind, PageUrls.SecurityPath, cancellationToken);
            }

            Leaving = last;
            return Page();
        }

        return Answer(await Enrolment.RemoveAsync(Person, Session, id, Caller, cancellationToken), "FactorRemoved", PageUrls.SecurityPath);
    }

    public async Task<IActionResult> OnPostRenameAsync(Guid id, CancellationToken cancellationToken)
    {
        if (Name?.Trim() is not { Length: > 0 and <= LongestName } name || name.Any(char.IsControl))
        {
            Problem(null, T["Passkey.NameMissing", LongestName]);
            return Invalid();
        }

        await Enrolment.RenameAsync(Person, id, name, cancellationToken);
        return SeeOther(PageUrls.SecurityPath + "?done=FactorRenamed");
    }

    public async Task<IActionResult> OnPostRecoveryCodesAsync(CancellationToken cancellationToken) =>
        Answer(await Enrolment.RenewRecoveryCodesAsync(Person, Session, Caller, cancellationToken), "FactorAdded", PageUrls.SecurityPath);

    public async Task<IActionResult> OnPostForgetAsync(Guid? id, CancellationToken cancellationToken)
    {
        await Enrolment.ForgetBrowserAsync(Person, id, Caller, cancellationToken);
        return SeeOther(PageUrls.SecurityPath + "?done=BrowserForgotten");
    }

    private async Task LoadAsync(CancellationToken cancellationToken)
    {
        var found = await Enrolment.FindAsync(Person, cancellationToken);
        var now = time.GetUtcNow();
        Factors =
        [
            .. found.Factors.Select(factor => new FactorLine(
                factor.Id,
                factor.Kind,
                factor.Name.Length > 0 ? factor.Name : T["Security.Kind." + factor.Kind],
                HumanTime.Ago(T, now, factor.CreatedAt),
                factor.LastUsedAt is { } used ? HumanTime.Ago(T, now, used) : null,
                FactorKinds.IsAlone(factor))),
        ];
        Browsers =
        [
            .. found.Browsers.Select(browser => new RememberedLine(
                browser.Id,
                DeviceNames.Describe(T, browser.UserAgent),
                DeviceNames.IsPhone(browser.UserAgent),
                browser.Ip is null ? null : T["Sessions.Near", browser.Ip].Value,
                HumanTime.Ago(T, now, browser.LastUsedAt),
                HumanTime.Date(browser.ExpiresAt))),
        ];
        RecoveryCodesLeft = found.RecoveryCodesLeft;
        CanAddPush = await Enrolment.CanAddPushAsync(Person, cancellationToken);
    }
}
