using Identity.Accounts;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Registration;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages;

/// <summary>Signs in with a code sent by mail, where Accounts:AllowCodeSignIn lets it; elsewhere there is no such page.</summary>
public sealed class SignInWithCodeModel(PageServices services, OneTimeCodeService codes, BrowserSession browser, SignInCookies cookies, IOptions<AccountsOptions> options) : IdentityPageModel(services)
{
    [BindProperty(SupportsGet = true, Name = "Email")]
    public string? Email { get; set; }

    [BindProperty]
    public string? Code { get; set; }

    /// <summary>A code is on its way: the second step.</summary>
    [BindProperty(SupportsGet = true, Name = "sent")]
    public string? Sent { get; set; }

    [BindProperty(SupportsGet = true, Name = "again")]
    public string? Again { get; set; }

    public bool AsksForCode => Sent is not null && EmailAddress.IsWellFormed(Email);

    public string CodeLife => HumanTime.Length(T, options.Value.OneTimeCodeLifetime);

    public IActionResult OnGet()
    {
        if (!options.Value.AllowCodeSignIn)
        {
            return NotFound();
        }

        Email ??= EmailAddress.IsWellFormed(Context.LoginHint) ? Context.LoginHint : null;
        return Page();
    }

    public async Task<IActionResult> OnPostSendAsync(CancellationToken cancellationToken)
    {
        if (!options.Value.AllowCodeSignIn)
        {
            return NotFound();
        }

        var again = Sent is not null;
        Sent = null;
        if (!ReadEmail(out var email))
        {
            return Invalid();
        }

        switch (await codes.GenerateAsync(new CodeRecipient(null, email, null), "email", OneTimeCodePurposes.Login, Caller, cancellationToken))
        {
            case GeneratedCode.RateLimited limited:
                Sent = again ? "1" : null;
                return Wait(limited.RetryAfter, "Code.Wait");
            case GeneratedCode.Sent:
                return SeeOther(PageUrls.SignInWithCode(email, LinkReturnUrl, sent: true) + (again ? "&again=1" : ""));
            case var other:
                throw new InvalidOperationException($"Asking for a code by mail came to {other.GetType().Name}.");
        }
    }

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        if (!options.Value.AllowCodeSignIn)
        {
            return NotFound();
        }

        Sent = "1";
        if (!ReadEmail(out var email))
        {
            return Invalid();
        }

        if (AccountRules.Code(Code) is not { } code)
        {
            Problem(nameof(Code), T["Code.Malformed"]);
            return Invalid();
        }

        switch (await codes.VerifyAsync(new CodeRecipient(null, email, null), OneTimeCodePurposes.Login, code, await SigningInAsync(browser) with { RememberedTokens = cookies.ReadRemembered(HttpContext) }, cancellationToken))
        {
            case TriedCode.Verified { Session: { } session }:
                await browser.StartAsync(HttpContext, session);
                return SeeOther(ReturnUrl);
            case TriedCode.SecondFactorDue due:
                cookies.WriteHalf(HttpContext, due.Half.Ticket);
                return SeeOther(PageUrls.SecondHalf(due.Half, LinkReturnUrl));
            case TriedCode.RateLimited limited:
                return Wait(limited.RetryAfter);
            default:
                Problem(nameof(Code), T["Code.Wrong"]);
                return Invalid();
        }
    }

    public IActionResult OnPostDecline() => Declined();

    protected override bool KeepsInput => true;

    /// <summary>Signed in in another tab meanwhile: that is what this form was for.</summary>
    public override async ValueTask<IActionResult?> OldFormAsync(string? handler) =>
        handler is not "Decline" && await browser.FindAsync(HttpContext) is not null ? SeeOther(ReturnUrl) : null;

    private bool ReadEmail(out string email)
    {
        email = AccountRules.Email(Email) ?? "";
        if (email.Length > 0)
        {
            return true;
        }

        Problem(nameof(Email), T["Problem.Email"]);
        return false;
    }
}
