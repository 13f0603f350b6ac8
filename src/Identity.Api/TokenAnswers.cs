using Identity.Accounts;
using Identity.Accounts.Sessions;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Sessions;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Api;

/// <summary>The answer of every route that signs somebody in: login, otp/verify, sso/openam. OpenIddict makes the tokens, <see cref="TokensResult"/> writes them.</summary>
public sealed class TokenAnswers(FirstPartyTokens tokens)
{
    /// <summary>The first tokens of a session, which lives <paramref name="atMost"/> where that is given. Only on the routes of <see cref="FirstPartyClient.TokenRoutes"/>.</summary>
    public async Task<IActionResult> ForNewSessionAsync(Account account, Session session, CancellationToken cancellationToken, TimeSpan? atMost = null)
    {
        ArgumentNullException.ThrowIfNull(account);
        ArgumentNullException.ThrowIfNull(session);
        return new TokensResult(await tokens.BeginAsync(SessionInfo.Of(session), cancellationToken, atMost));
    }
}
