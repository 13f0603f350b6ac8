// NIST SP 800-63B-4 §4.2.1.1 (saved recovery codes): shown once, which means until they are saved: a page that is reloaded or comes in another language shows the same ones.
using System.Text;
using Identity.Accounts.Changes;
using Identity.Accounts.SecondFactors;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;

namespace Identity.Server.Pages.MyAccount;

/// <summary>The recovery codes that were made just now, out of the browser's own cookie: no store knows them.</summary>
public sealed class RecoveryCodesModel(PageServices services, BrowserSession browser, AccountChangeService changes, SignInCookies cookies) : AccountPageModel(services, browser, changes)
{
    [BindProperty(SupportsGet = true, Name = "added")]
    public string? AddedKind { get; set; }

    /// <summary>What they came with; null: they were renewed.</summary>
    public string? Added => AddedKind is FactorKinds.Totp or FactorKinds.Passkey or FactorKinds.Push or FactorKinds.Email or FactorKinds.Sms ? AddedKind : null;

    public IReadOnlyList<string> Codes { get; private set; } = [];

    /// <summary>Where somebody goes who has written them down.</summary>
    public string SavedUrl => RequestedReturnUrl is not null ? ReturnUrl : PageUrls.SecurityPath + "?done=FactorAdded";

    public override Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next) =>
        base.OnPageHandlerExecutionAsync(context, () =>
        {
            Codes = cookies.ReadRecoveryCodes(HttpContext, Person.Id);
            if (Codes.Count > 0)
            {
                return next();
            }

            // Saved, or too long ago.
            context.Result = SeeOther(CanDecline ? ReturnUrl : PageUrls.SecurityPath);
            return Task.FromResult(new PageHandlerExecutedContext(PageContext, context.Filters, context.HandlerMethod, context.HandlerInstance));
        });

    public void OnGet()
    {
    }

    public IActionResult OnGetFile() => File(Encoding.UTF8.GetBytes(string.Concat(Codes.Select(code => code + "\n"))), "text/plain", "recovery-codes.txt");
}
