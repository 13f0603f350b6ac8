// GDPR Art. 15, 17 and 20: one's own data, and the end of the account, as /api/identity/users/{id}/data and DELETE give them.
using System.Text.Encodings.Web;
using System.Text.Json;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Audit;
using Identity.Accounts.Changes;
using Identity.Accounts.Credentials;
using Identity.Accounts.SignIn;
using Identity.Server.External;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages.MyAccount;

/// <summary>Takes a copy of what is kept of a person, and deletes their account, each for who has just shown that it is theirs.</summary>
public sealed class DataModel(
    PageServices services,
    BrowserSession browser,
    AccountChangeService changes,
    PersonalData data,
    AccountDeletion deletion,
    BrowserSignOut signOut,
    FreshProof proof,
    AuditTrail audit,
    ICredentialStore credentials,
    ExternalButtons providers,
    IOptions<AccountsOptions> options) : AccountPageModel(services, browser, changes)
{
    // What people read: letters of every language as they are.
    private static readonly JsonSerializerOptions s_json = new() { WriteIndented = true, Encoder = JavaScriptEncoder.Create(System.Text.Unicode.UnicodeRanges.All) };

    /// <summary>In the form for the copy.</summary>
    [BindProperty]
    public string? CurrentPassword { get; set; }

    /// <summary>The same in the form for the end: two fields of one page have two names.</summary>
    [BindProperty]
    public string? DeletionPassword { get; set; }

    /// <summary>The account's own address, typed: nobody deletes by a slip.</summary>
    [BindProperty]
    public string? Confirmation { get; set; }

    public bool AsksForProof => !proof.IsFresh(Session);

    /// <summary>How long the account can be given back.</summary>
    public string Grace => HumanTime.Days(T, options.Value.DeletionGrace);

    protected override bool KeepsInput => true;

    public override Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next) =>
        base.OnPageHandlerExecutionAsync(context, async () =>
        {
            await FindPasswordAsync(credentials, providers, PageUrls.DataPath, HttpContext.RequestAborted);
            return await next();
        });

    public void OnGet()
    {
    }

    public async Task<IActionResult> OnPostExportAsync(CancellationToken cancellationToken)
    {
        if (!await proof.ProveAsync(Person.Id, new PersonProof(CurrentPassword, Session.Id), Caller, cancellationToken))
        {
            return Unproven(nameof(CurrentPassword), CurrentPassword);
        }

        if (await data.ReadAsync(Person.Id, cancellationToken) is not { } found)
        {
            return SeeOther(PageUrls.AccountPath);
        }

        await audit.WriteAsync("data_export", "success", Person.Id, Caller, Session.Id, CancellationToken.None);
        return File(JsonSerializer.SerializeToUtf8Bytes(found, s_json), "application/json", "account.json");
    }

    public async Task<IActionResult> OnPostDeleteAsync(CancellationToken cancellationToken)
    {
        if (!string.Equals(Confirmation?.Trim(), Person.Email, StringComparison.OrdinalIgnoreCase))
        {
            Problem(nameof(Confirmation), T["Data.Confirmation.Wrong", Person.Email]);
            return Invalid();
        }

        switch (await deletion.RequestAsync(Person.Id, Session.Id, string.IsNullOrEmpty(DeletionPassword) ? null : DeletionPassword, expectedVersion: null, Caller, cancellationToken))
        {
            case DeletionRequest.Done:
                return SeeOther(await signOut.EndAsync(HttpContext, PageUrls.AccountDeleted));
            case DeletionRequest.WrongPassword or DeletionRequest.ProofRequired:
                return Unproven(nameof(DeletionPassword), DeletionPassword);
            case DeletionRequest.LastAdmin:
                Problem(null, T["Data.LastAdmin"]);
                return Invalid();
            case DeletionRequest.Conflict:
                Problem(null, T["Account.Conflict"], PageUrls.DataPath);
                return Invalid();
            default:
                return SeeOther(PageUrls.AccountPath);
        }
    }

    private IActionResult Unproven(string field, string? password)
    {
        if (HasPassword)
        {
            Problem(field, T[string.IsNullOrEmpty(password) ? "Password.CurrentMissing" : "Password.CurrentWrong"]);
        }
        else
        {
            Problem(null, T["Connections.Prove"]);
        }

        return Invalid();
    }
}
