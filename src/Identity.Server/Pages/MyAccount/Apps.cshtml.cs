using Identity.Accounts.Changes;
using Identity.OAuth.Consents;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages.MyAccount;

/// <summary>An application and what it was allowed.</summary>
public sealed record AppLine(RequestClient Client, string Since, IReadOnlyList<ScopeLine> Scopes);

/// <summary>Connected applications, and how to disconnect them.</summary>
public sealed class AppsModel(PageServices services, BrowserSession browser, AccountChangeService changes, ConsentService consents, RequestContexts contexts, ScopeWords words, TimeProvider time) : AccountPageModel(services, browser, changes)
{
    public IReadOnlyList<AppLine> Apps { get; private set; } = [];

    private string Subject => Person.Id.ToString("D");

    public async Task OnGetAsync(CancellationToken cancellationToken)
    {
        var lines = new List<AppLine>();
        foreach (var consent in (await consents.ListAsync(Subject, cancellationToken)).OrderByDescending(consent => consent.GrantedAt))
        {
            var client = await contexts.FindAsync(consent.ClientId, cancellationToken) ?? new RequestClient(consent.ClientId, consent.ClientId, null, null, null, null, null);
            lines.Add(new AppLine(client, HumanTime.Ago(T, time.GetUtcNow(), consent.GrantedAt), await words.DescribeAsync(ScopeWords.Ordered(consent.Scopes), [], cancellationToken)));
        }

        Apps = lines;
    }

    public async Task<IActionResult> OnPostRevokeAsync(string? clientId, CancellationToken cancellationToken)
    {
        if (clientId is { Length: > 0 and <= 200 })
        {
            await consents.RevokeAsync(Subject, clientId, cancellationToken);
        }

        return SeeOther("/account/apps?done=AppRevoked");
    }
}
