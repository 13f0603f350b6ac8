using Identity.Accounts.Changes;
using Identity.Accounts.Sessions;
using Identity.OAuth.Clients;
using Identity.Server.External;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages.MyAccount;

/// <summary>One sign-in, told by words a person knows.</summary>
public sealed record SessionLine(string Id, string Device, bool IsPhone, string? Place, string LastSeen, string Since, string? Apps, bool IsThis);

/// <summary>Where somebody is signed in, and how to end it.</summary>
public sealed class SessionsModel(PageServices services, BrowserSession browser, AccountChangeService changes, ISessionStore sessions, SessionService usable, SessionService ending, BrowserSignOut signOut, ClientStore clients, TimeProvider time) : AccountPageModel(services, browser, changes)
{
    public IReadOnlyList<SessionLine> Sessions { get; private set; } = [];

    public async Task OnGetAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var live = await usable.ListUsableAsync(Person.Id, cancellationToken);
        var lines = new List<SessionLine>(live.Count);
        foreach (var session in live.OrderByDescending(session => session.Id == Session.Id).ThenByDescending(session => session.LastSeenAt))
        {
            var names = new List<string>();
            foreach (var clientId in session.ClientIds)
            {
                names.Add((await clients.FindAsync(clientId, cancellationToken))?.ClientName ?? clientId);
            }

            lines.Add(new SessionLine(
                session.Id,
                DeviceNames.Describe(T, session.UserAgent),
                DeviceNames.IsPhone(session.UserAgent),
                session.Ip is null ? null : T["Sessions.Near", session.Ip].Value,
                HumanTime.Ago(T, now, session.LastSeenAt),
                HumanTime.Ago(T, now, session.CreatedAt),
                names.Count == 0 ? null : string.Join(", ", names),
                session.Id == Session.Id));
        }

        Sessions = lines;
    }

    public async Task<IActionResult> OnPostEndAsync(string? id, CancellationToken cancellationToken)
    {
        if (string.Equals(id, Session.Id, StringComparison.Ordinal))
        {
            return SeeOther(await signOut.EndAsync(HttpContext, PageUrls.SignedOutPath));
        }

        // Only one's own: the id in the form proves nothing.
        if (id is { Length: > 0 and <= 100 } && await sessions.FindAsync(id, cancellationToken) is { } session && session.AccountId == Person.Id)
        {
            await ending.EndAsync(id, SessionEndReasons.Revoked, Caller, cancellationToken);
        }

        return SeeOther("/account/sessions?done=SessionEnded");
    }

    public async Task<IActionResult> OnPostEndOthersAsync(CancellationToken cancellationToken)
    {
        await ending.EndOthersAsync(Person.Id, Session.Id, SessionEndReasons.Revoked, Caller, cancellationToken);
        return SeeOther("/account/sessions?done=OthersEnded");
    }
}
