// OpenID Connect Core §5.1: the standard claims, as their owner edits them.
using System.Globalization;
using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Accounts.Credentials;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.SignIn;
using Identity.Server.External;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;

namespace Identity.Server.Pages.MyAccount;

/// <summary>The profile.</summary>
public sealed class ProfileModel(PageServices services, BrowserSession browser, AccountChangeService changes, OneTimeCodeService codes, AccountRules rules, FreshProof proof, SecondFactorPolicy secondFactors, ProfileChoices choices, ICredentialStore credentials, ExternalButtons providers, TimeProvider time) : AccountPageModel(services, browser, changes)
{
    private const int LongestText = 200;
    private const int LongestUrl = 2000;
    private static readonly string[] Channels = [FactorKinds.Email, FactorKinds.Sms];

    /// <summary>Of the person, where their sign-in is not of the last minutes.</summary>
    [BindProperty]
    public string? CurrentPassword { get; set; }

    public ProfileChoices Choices => choices;

    public bool AsksForPassword => !proof.IsFresh(Session);

    /// <summary>Where to prove a second step, whose codes go to what stands here; null: there is none, or it is proven.</summary>
    public string? StepUrl { get; private set; }

    [BindProperty]
    public ProfileForm Form { get; set; } = new();

    protected override bool KeepsInput => true;

    public override Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next) =>
        base.OnPageHandlerExecutionAsync(context, async () =>
        {
            await FindPasswordAsync(credentials, providers, PageUrls.AccountPath, HttpContext.RequestAborted);
            StepUrl = await secondFactors.FindNeedToMoveAsync(Person, Channels, Session.Id, HttpContext.RequestAborted) is { } strength ? PageUrls.Confirm(PageUrls.AccountPath, strength) : null;
            return await next();
        });

    public void OnGet() => Form = ProfileForm.Of(Person);

    public async Task<IActionResult> OnPostAsync(CancellationToken cancellationToken)
    {
        Check();
        if (!ModelState.IsValid)
        {
            return Invalid();
        }

        // A form opened before another change overwrites nothing: it keeps what was typed, and links to what there is now.
        var change = new AccountChange
        {
            ByPerson = new PersonProof(CurrentPassword, Session.Id),
            UserName = Clean(Form.UserName),
            Email = Form.Email!.Trim(),
            PhoneNumber = Clean(Form.PhoneNumber),
            FirstName = Clean(Form.FirstName),
            LastName = Clean(Form.LastName),
            Profile = Form.ToProfile(),
        };
        switch (await Changes.ChangeAsync(Person.Id, change, Form.Version, Caller, cancellationToken))
        {
            case AccountChangeResult.Changed changed:
                return changed.Account.PendingEmail is { } email && email != Person.PendingEmail ? SeeOther("/account/pending/email")
                    : changed.Account.PendingPhoneNumber is { } phone && phone != Person.PendingPhoneNumber ? SeeOther("/account/pending/phone")
                    : SeeOther(PageUrls.AccountPath + "?done=Saved");
            case AccountChangeResult.ReauthenticationRequired when !HasPassword:
                Problem(null, T["Account.ProofProviderMissing"]);
                return Invalid();
            case AccountChangeResult.ReauthenticationRequired:
                Problem(nameof(CurrentPassword), T[string.IsNullOrEmpty(CurrentPassword) ? "Account.ProofMissing" : "Password.CurrentWrong"]);
                return Invalid();
            case AccountChangeResult.SecondStepRequired:
                Problem(null, T["Account.StepMissing"]);
                return Invalid();
            case AccountChangeResult.UserNameIsNumber:
                Problem("Form.UserName", T["Account.UserNameIsNumber"]);
                return Invalid();
            case AccountChangeResult.RateLimited limited:
                return Wait(limited.RetryAfter);
            case AccountChangeResult.Taken { Member: AccountWrite.UserNameTaken }:
                Problem("Form.UserName", T["Account.UserNameTaken"]);
                return Invalid();
            case AccountChangeResult.Taken { Member: AccountWrite.PhoneNumberTaken }:
                Problem("Form.PhoneNumber", T["Account.PhoneTaken"]);
                return Invalid();
            case AccountChangeResult.Taken:
                Problem("Form.Email", T["Account.EmailTaken"]);
                return Invalid();
            case AccountChangeResult.Conflict:
                Problem(null, T["Account.Conflict"], PageUrls.AccountPath);
                return Invalid();
            default:
                return SeeOther(PageUrls.SignIn(PageUrls.AccountPath));
        }
    }

    public async Task<IActionResult> OnPostVerifyAsync(CancellationToken cancellationToken) =>
        await codes.GenerateAsync(new CodeRecipient(null, Person.Email, null), "email", OneTimeCodePurposes.Verification, Caller with { AccountId = Person.Id }, cancellationToken) switch
        {
            GeneratedCode.RateLimited limited => Reload(limited.RetryAfter),
            _ => SeeOther(PageUrls.VerifyEmail(Person.Email, PageUrls.AccountPath, sent: true)),
        };

    private IActionResult Reload(TimeSpan retryAfter)
    {
        Form = ProfileForm.Of(Person);
        ModelState.Clear();
        return Wait(retryAfter, "Code.Wait");
    }

    private void Check()
    {
        // In the order of the page: the summary is read beside it.
        CheckName("Form.FirstName", Form.FirstName, Person.FirstName);
        CheckName("Form.LastName", Form.LastName, Person.LastName);
        CheckText("Form.MiddleName", Form.MiddleName);
        CheckText("Form.Nickname", Form.Nickname);
        CheckText("Form.FullName", Form.FullName);
        if (AccountRules.Email(Form.Email) is null)
        {
            Problem("Form.Email", T["Problem.Email"]);
        }

        if (Clean(Form.UserName) is { } userName && userName != Person.UserName && AccountRules.UserName(userName) is null)
        {
            Problem("Form.UserName", T["Account.UserNameMalformed"]);
        }

        if (Clean(Form.PhoneNumber) is { } phone && phone != Person.PhoneNumber && rules.PhoneNumber(phone) is null)
        {
            Problem("Form.PhoneNumber", T["Account.PhoneMalformed"]);
        }

        CheckText("Form.Locale", Form.Locale);
        if (Clean(Form.ZoneInfo) is { } zone && ProfileChoices.FindZone(zone) is null)
        {
            Problem("Form.ZoneInfo", T["Account.ZoneMalformed"]);
        }

        if (Clean(Form.Birthdate) is { } birthdate && !(DateOnly.TryParseExact(birthdate, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date) && date.Year >= 1900 && date <= DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime)))
        {
            Problem("Form.Birthdate", T["Account.BirthdateMalformed"]);
        }

        CheckText("Form.Gender", Form.Gender);
        CheckUrl("Form.Website", Form.Website);
        CheckUrl("Form.Profile", Form.Profile);
        CheckUrl("Form.Picture", Form.Picture);
        CheckText("Form.Street", Form.Street);
        CheckText("Form.PostalCode", Form.PostalCode);
        CheckText("Form.Locality", Form.Locality);
        CheckText("Form.Region", Form.Region);
        CheckText("Form.Country", Form.Country);
    }

    // What came from elsewhere stays as it is until somebody changes it.
    private void CheckName(string field, string? value, string? before)
    {
        if (Clean(value) is { } name && name != before && FieldRules.PersonName(T, name) is { } problem)
        {
            Problem(field, problem);
        }
    }

    private void CheckText(string field, string? value)
    {
        if (Clean(value) is { Length: > LongestText })
        {
            Problem(field, T["Problem.TooLong", LongestText]);
        }
    }

    private void CheckUrl(string field, string? value)
    {
        if (Clean(value) is { } url && (url.Length > LongestUrl || !Uri.TryCreate(url, UriKind.Absolute, out var uri) || (uri.Scheme != Uri.UriSchemeHttps && uri.Scheme != Uri.UriSchemeHttp)))
        {
            Problem(field, T["Account.UrlMalformed"]);
        }
    }

    private static string? Clean(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();
}
