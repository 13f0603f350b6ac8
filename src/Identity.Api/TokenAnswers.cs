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
    /// <param name="account">Whose, as it was read after the sign-in was noted.</param>
    /// <param name="session">Stored.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="atMost">Where a provider's session sets a limit.</param>
    /// <param name="recoveryCodes">Made in the sign-in, and shown this once.</param>
    public async Task<IActionResult> ForNewSessionAsync(Account account, Session session, CancellationToken cancellationToken, TimeSpan? atMost = null, IReadOnlyList<string>? recoveryCodes = null)
    {
        ArgumentNullException.ThrowIfNull(account);
        ArgumentNullException.ThrowIfNull(session);
        return new TokensResult(await tokens.BeginAsync(SessionInfo.Of(session), account, cancellationToken, atMost), recoveryCodes);
    }
}
