using Identity.Accounts;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Registration;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages;

/// <summary>Makes an account. Whether the address already had one is told to its owner by mail, never here.</summary>
public sealed class RegisterModel(PageServices services, RegistrationService registration, OneTimeCodeService codes, BrowserSession browser, RegistrationTicket ticket, IAccountStore accounts, IOptions<AccountsOptions> options) : IdentityPageModel(services)
{
    [BindProperty]
    public string? FirstName { get; set; }

    [BindProperty]
    public string? LastName { get; set; }

    [BindProperty(SupportsGet = true, Name = "Email")]
    public string? Email { get; set; }

    [BindProperty]
    public string? Password { get; set; }

    public string PasswordHint => T["Password.Hint", options.Value.MinimumPasswordLength, options.Value.MaximumPasswordLength];

    public async Task<IActionResult> OnGetAsync()
    {
        if (!ServesRequest && await browser.FindAsync(HttpContext) is not null)
        {
            return SeeOther(ReturnUrl);
        }

        Email ??= EmailAddress.IsWellFormed(Context.LoginHint) ? Context.LoginHint : null;
        return Page();
    }

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        var email = AccountRules.Email(Email) ?? "";
        if (email.Length == 0)
        {
            Problem(nameof(Email), T["Problem.Email"]);
        }

        foreach (var (field, name) in ((string, string?)[])[(nameof(FirstName), FirstName), (nameof(LastName), LastName)])
        {
            if (FieldRules.PersonName(T, Clean(name)) is { } wrong)
            {
                Problem(field, wrong);
            }
        }

        if (FieldRules.NewPassword(T, options.Value, Password) is { } problem)
        {
            Problem(nameof(Password), problem);
        }

        if (!ModelState.IsValid)
        {
            return Invalid();
        }

        var account = new NewAccount(email, Password!, FirstName: Clean(FirstName), LastName: Clean(LastName));
        switch (await registration.RegisterAsync(account, conceal: true, Caller, cancellationToken))
        {
            case RegistrationResult.Created created:
                // By id, not by address: a made-up account gets no code, and its address's owner was written to already.
                await codes.GenerateAsync(new CodeRecipient(created.Account.Id, null, null), "email", OneTimeCodePurposes.Verification, Caller, cancellationToken);

                // Twice in one browser: the account is the first one's, if that was made.
                if (ticket.Read(HttpContext, email) is not { } earlier || await accounts.FindAsync(earlier, cancellationToken) is null)
                {
                    ticket.Give(HttpContext, created.Account.Id, email);
                }

                return SeeOther(PageUrls.VerifyEmail(email, LinkReturnUrl, sent: true));
            case RegistrationResult.PasswordRefused refused:
                Problem(nameof(Password), T["Password.Refused", string.Join(" ", refused.Problems)]);
                return Invalid();
            case RegistrationResult.RateLimited limited:
                return Wait(limited.RetryAfter);
            case var other:
                throw new InvalidOperationException($"A registration that names neither user name nor metadata came to {other.GetType().Name}.");
        }
    }

    public IActionResult OnPostDecline() => Declined();

    protected override bool KeepsInput => true;

    /// <summary>Signed in in another tab meanwhile: that is what this form was for.</summary>
    public override async ValueTask<IActionResult?> OldFormAsync(string? handler) =>
        handler is null && await browser.FindAsync(HttpContext) is not null ? SeeOther(ReturnUrl) : null;

    private static string? Clean(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();
}
