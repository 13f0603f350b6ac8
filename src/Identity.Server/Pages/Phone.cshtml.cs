using Identity.Accounts.PushSignIn;
using Identity.Accounts.SecondFactors;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages;

/// <summary>Waits for a person's phone to let them in without the password. Whether any phone was asked does not show: no answer, a no and nobody look alike.</summary>
public sealed class PhoneModel(PageServices services, PhoneSignIn phone, BrowserSession browser, SignInCookies cookies) : IdentityPageModel(services), IPushForm
{
    /// <summary>As it was typed on the page before, to ask once more.</summary>
    public string? Login => cookies.ReadLogin(HttpContext);

    public PushPrompt? Push { get; private set; }

    public async Task<IActionResult> OnGetAsync(CancellationToken cancellationToken) => await LoadAsync(cancellationToken) ? Page() : StartOver();

    public async Task<IActionResult> OnGetStateAsync(CancellationToken cancellationToken) => PushStates.Json(await LoadAsync(cancellationToken) ? Push : null);

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        switch (await phone.FinishAsync(cookies.ReadHalf(HttpContext), await SigningInAsync(browser), cancellationToken))
        {
            case SecondStep.Succeeded succeeded:
                cookies.DeleteHalf(HttpContext);
                await browser.StartAsync(HttpContext, succeeded.Session);
                return SeeOther(ReturnUrl);
            case SecondStep.Unanswered:
                return SeeOther(PageUrls.Phone(LinkReturnUrl));
            default:
                return StartOver();
        }
    }

    public IActionResult OnPostDecline()
    {
        cookies.DeleteHalf(HttpContext);
        return Declined();
    }

    /// <summary>Signed in in another tab meanwhile: that is what this form was for.</summary>
    public override async ValueTask<IActionResult?> OldFormAsync(string? handler) =>
        handler is null && await browser.FindAsync(HttpContext) is not null ? SeeOther(ReturnUrl) : await base.OldFormAsync(handler);

    private IActionResult StartOver()
    {
        cookies.DeleteHalf(HttpContext);
        return SeeOther(PageUrls.SignIn(LinkReturnUrl, done: "expired"));
    }

    private async Task<bool> LoadAsync(CancellationToken cancellationToken) => (Push = await phone.ReadAsync(cookies.ReadHalf(HttpContext), cancellationToken)) is not null;
}

/// <summary>How a request to a device stands, for the script.</summary>
internal static class PushStates
{
    public static JsonResult Json(PushPrompt? prompt) => new(new
    {
        state = prompt?.Answer switch
        {
            PushAnswer.Waiting => "waiting",
            PushAnswer.Approved => "approved",
            _ => "over",
        },
    });
}
