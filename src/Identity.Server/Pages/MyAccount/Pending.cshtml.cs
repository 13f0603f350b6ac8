// OWASP ASVS 5.0 §6.3.7: a new address or number is in force once a code that came there proves it.
using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Accounts.OneTimeCodes;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages.MyAccount;

/// <summary>Confirms, sends again or drops the address (email) or number (phone) that waits.</summary>
public sealed class PendingModel(PageServices services, BrowserSession browser, AccountChangeService changes, OneTimeCodeService codes, IOptions<AccountsOptions> options) : AccountPageModel(services, browser, changes)
{
    [FromRoute(Name = "what")]
    public string? What { get; set; }

    [BindProperty]
    public string? Code { get; set; }

    [BindProperty(SupportsGet = true, Name = "again")]
    public string? Again { get; set; }

    private bool IsEmail => What == "email";

    /// <summary>What the code is sent by.</summary>
    public string Channel => IsEmail ? "email" : "sms";

    public string TitleKey => IsEmail ? "Pending.Email" : "Pending.Phone";

    public string? Waiting => IsEmail ? Person.PendingEmail : What == "phone" ? Person.PendingPhoneNumber : null;

    public string CodeLife => HumanTime.Length(T, options.Value.OneTimeCodeLifetime);

    protected override bool KeepsInput => true;

    public override Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next) =>
        base.OnPageHandlerExecutionAsync(context, () =>
        {
            if (Waiting is null)
            {
                // Confirmed or dropped in another tab meanwhile.
                context.Result = SeeOther(PageUrls.AccountPath);
                return Task.FromResult(new PageHandlerExecutedContext(PageContext, context.Filters, context.HandlerMethod, context.HandlerInstance));
            }

            return next();
        });

    public void OnGet()
    {
    }

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        if (AccountRules.Code(Code) is not { } code)
        {
            Problem(nameof(Code), T[IsEmail ? "Code.Malformed" : "Code.MalformedSms"]);
            return Invalid();
        }

        // By id: somebody else may wait for the same address.
        switch (await codes.VerifyAsync(new CodeRecipient(Person.Id, null, null), OneTimeCodePurposes.Verification, code, Caller with { AccountId = Person.Id }, cancellationToken))
        {
            case TriedCode.Verified:
                return SeeOther(PageUrls.AccountPath + (IsEmail ? "?done=EmailConfirmed" : "?done=PhoneConfirmed"));
            case TriedCode.RateLimited limited:
                return Wait(limited.RetryAfter);
            default:
                Problem(nameof(Code), T["Code.Wrong"]);
                return Invalid();
        }
    }

    public async Task<IActionResult> OnPostSendAsync(CancellationToken cancellationToken) =>
        await codes.GenerateAsync(new CodeRecipient(Person.Id, null, null), Channel, OneTimeCodePurposes.Verification, Caller with { AccountId = Person.Id }, cancellationToken) is GeneratedCode.RateLimited limited
            ? Wait(limited.RetryAfter, "Code.Wait")
            : SeeOther(Request.Path + "?again=1");

    public async Task<IActionResult> OnPostCancelAsync(CancellationToken cancellationToken)
    {
        await Changes.ChangeAsync(Person.Id, new AccountChange { DropsPending = true }, expectedVersion: null, Caller, cancellationToken);
        return SeeOther(PageUrls.AccountPath + (IsEmail ? "?done=EmailKept" : "?done=PhoneKept"));
    }
}
