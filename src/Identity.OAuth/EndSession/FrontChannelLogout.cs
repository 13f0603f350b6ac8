// OpenID Connect Front-Channel Logout 1.0 §2 and §3: the addresses of clients that a browser opens when the session of its person has ended.
using Identity.Accounts.Sessions;
using Identity.OAuth.Clients;
using Microsoft.Extensions.Options;

namespace Identity.OAuth.EndSession;

/// <summary>Whom a browser has to tell of a session that ended, and where.</summary>
public sealed class FrontChannelLogout(ISessionStore sessions, ClientStore clients, IOptions<OAuthOptions> options)
{
    /// <summary>One address for each client of the session that registered one, always with <c>iss</c> and <c>sid</c>.</summary>
    public async Task<IReadOnlyList<Uri>> FindAsync(string sessionId, CancellationToken cancellationToken)
    {
        var addresses = new List<Uri>();
        foreach (var clientId in (await sessions.FindAsync(sessionId, cancellationToken))?.ClientIds ?? [])
        {
            if (await clients.FindAsync(clientId, cancellationToken) is { Disabled: false, FrontChannelLogoutUri: { } uri })
            {
                addresses.Add(new Uri(uri + (uri.Contains('?', StringComparison.Ordinal) ? '&' : '?') + "iss=" + Uri.EscapeDataString(options.Value.Issuer) + "&sid=" + Uri.EscapeDataString(sessionId)));
            }
        }

        return addresses;
    }
}
