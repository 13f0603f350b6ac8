using Identity.Accounts;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Registration;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages;

/// <summary>Proves an address with the code that was sent there. It says nothing about whether there is an account.</summary>
public sealed class VerifyEmailModel(PageServices services, IOneTimeCodes codes, IBrowserSession browser, IOptions<AccountsOptions> options) : IdentityPageModel(services)
{
    [BindProperty(SupportsGet = true, Name = "Email")]
    public string? Email { get; set; }

    [BindProperty]
    public string? Code { get; set; }

    /// <summary>A code is on its way.</summary>
    [BindProperty(SupportsGet = true, Name = "sent")]
    public string? Sent { get; set; }

    [BindProperty(SupportsGet = true, Name = "again")]
    public string? Again { get; set; }

    public string CodeLife => HumanTime.Length(T, options.Value.OneTimeCodeLifetime);

    /// <summary>Where signing in does not wait for a verified address.</summary>
    public bool MaySkip => !options.Value.RequireVerifiedEmail;

    public void OnGet()
    {
    }

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        if (!ReadEmail(out var email))
        {
            return Invalid();
        }

        if (FieldRules.Code(Code) is not { } code)
        {
            Problem(nameof(Code), T["Code.Malformed"]);
            return Invalid();
        }

        switch (await codes.VerifyAsync(new CodeRecipient(null, email, null), OneTimeCodePurposes.Verification, code, Caller, cancellationToken))
        {
            case TriedCode.Verified:
                return SeeOther(await browser.FindAsync(HttpContext) is not null ? ReturnUrl : PageUrls.SignIn(LinkReturnUrl, email, "verified"));
            case TriedCode.RateLimited limited:
                return Wait(limited.RetryAfter);
            default:
                Problem(nameof(Code), T["Code.Wrong"]);
                return Invalid();
        }
    }

    public async Task<IActionResult> OnPostSendAsync(CancellationToken cancellationToken)
    {
        if (!ReadEmail(out var email))
        {
            return Invalid();
        }

        return await codes.GenerateAsync(new CodeRecipient(null, email, null), "email", OneTimeCodePurposes.Verification, Caller, cancellationToken) switch
        {
            GeneratedCode.RateLimited limited => Wait(limited.RetryAfter),
            GeneratedCode.Sent => SeeOther(PageUrls.VerifyEmail(email, LinkReturnUrl, sent: true) + "&again=1"),
            var other => throw new InvalidOperationException($"Asking for a code by mail came to {other.GetType().Name}."),
        };
    }

    private bool ReadEmail(out string email)
    {
        email = Email?.Trim() ?? "";
        if (EmailAddress.IsWellFormed(email))
        {
            return true;
        }

        Problem(nameof(Email), T["Problem.Email"]);
        return false;
    }
}
