using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Accounts.Sessions;
using Identity.Api.Contracts;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Sessions;

namespace Identity.Api;

/// <summary>Puts tokens and their user together: the answer of login, refresh-token, and of a code that signs in.</summary>
public sealed class TokenAnswers(FirstPartyTokenIssuer issuer, IAccountChanges accounts)
{
    /// <summary>The first tokens of a session.</summary>
    public async Task<TokensResponse> ForNewSessionAsync(Account account, Session session, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(account);
        ArgumentNullException.ThrowIfNull(session);
        var issued = await issuer.IssueAsync(new SessionInfo(session.Id, account.Id.ToString("D"), session.AuthenticatedAt, session.Acr, session.Amr), cancellationToken);
        return await ForAsync(issued, cancellationToken) ?? throw new InvalidOperationException("The account that signed in is gone.");
    }

    /// <summary>Null where the account is gone.</summary>
    public async Task<TokensResponse?> ForAsync(FirstPartyTokens tokens, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        return Guid.TryParseExact(tokens.Subject, "D", out var id) && await accounts.FindAsync(id, cancellationToken) is { } found
            ? new TokensResponse(
                tokens.AccessToken,
                tokens.RefreshToken,
                "Bearer",
                (long)tokens.ExpiresIn.TotalSeconds,
                (long)tokens.RefreshExpiresIn.TotalSeconds,
                tokens.SessionId,
                UserResponse.Of(found.Account, found.Metadata))
            : null;
    }
}
