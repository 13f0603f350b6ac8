// RFC 8693 §2.1 with a token type of our own: an OpenAM session token for an access token of ours, for clients that may (`token_exchange_openam`).
using System.Security.Cryptography;
using System.Text;
using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.ExternalSignIn;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Resources;
using Identity.OAuth.Sessions;
using Microsoft.AspNetCore;
using Microsoft.Extensions.DependencyInjection;
using OpenIddict.Server;

namespace Identity.OAuth.Token;

/// <summary>
/// What POST /api/identity/sso/openam does, at the token endpoint: OpenAM is asked whose session it is, and the person signed in by the account's own state.
/// The session and the token live as long as the settings give one session token, at most. There is no refresh token: OpenAM is asked again,
/// and the session that came of the same token before goes on: a gateway that exchanges it for each call does not leave a session each time.
/// </summary>
public sealed class OpenAmExchange(ExternalSignInService signIn, ExternalSessions externalSessions, SignInSessions sessions, Subjects subjects, IServiceProvider services, TimeProvider timeProvider)
{
    /// <summary><c>subject_token_type</c> of the value of OpenAM's cookie.</summary>
    public const string TokenType = "urn:identity:params:oauth:token-type:openam-session";

    /// <summary>The session of whoever OpenAM says it is; else what to refuse the request with.</summary>
    /// <exception cref="StoreUnavailableException">OpenAM is away, slow, or answers what it should not: 503, and nobody is signed in.</exception>
    public async Task<Outcome<(SessionInfo Session, TimeSpan Lifetime)>> SignInAsync(string token, Client client, OpenIddictServerTransaction transaction, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(client);
        if (!client.TokenExchangeOpenAm || services.GetService<OpenAmSessionTokens>() is not { } openAm)
        {
            return Unacceptable("not open to the client, or no OpenAM is configured");
        }

        switch (await openAm.ProveAsync(token, cancellationToken))
        {
            case OpenAmProof.Unavailable unavailable:
                throw new StoreUnavailableException("OpenAM cannot be asked: " + unavailable.Reason);
            case OpenAmProof.Proved proved:
                var person = proved.Person with { UpstreamSession = "exchange/" + Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(token))) };
                var caller = new Caller(transaction.GetHttpRequest()?.HttpContext.Connection.RemoteIpAddress?.ToString(), UserAgent: null, client.ClientId)
                {
                    SessionId = await externalSessions.FindAsync(person.Subject, person.UpstreamSession, cancellationToken),
                };
                return await signIn.SignInAsync(person, caller, cancellationToken, openAm.Settings.Lifetime) switch
                {
                    ExternalSignInResult.SignedIn signedIn => (SessionInfo.Of(signedIn.Session), openAm.Settings.Lifetime),
                    ExternalSignInResult.SecondFactorDue => new OAuthError(OAuthErrors.InvalidRequest, "The account needs a second factor, which a person proves at the authorization endpoint.") { Detail = "exchange: second factor due" },
                    ExternalSignInResult.EmailNotVerified => new OAuthError(OAuthErrors.InvalidRequest, "The account's email address has to be verified first, which a person does at the sign-in page.") { Detail = "exchange: email not verified" },
                    ExternalSignInResult.NeedsProof or ExternalSignInResult.NoAccount or ExternalSignInResult.Taken =>
                        new OAuthError(OAuthErrors.InvalidRequest, "There is no account for this person yet, or its owner has to connect it first on the account page.") { Detail = "exchange: not linked" },
                    _ => Unacceptable("the account is disabled"),
                };
            case OpenAmProof.Refused refused:
                return Unacceptable("OpenAM: " + refused.Reason);
            default:
                throw new InvalidOperationException("An answer of OpenAM without a meaning.");
        }
    }

    /// <summary>An access token for the API, of the session.</summary>
    public async Task<Outcome<TokenIssue>> IssueAsync(SessionInfo session, TimeSpan lifetime, Client client, TokenTarget target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(target);
        if (await subjects.FindActiveAsync(session.Subject, cancellationToken) is not { } person || (session.Record is { } record && subjects.IsStopped(person.Account!, record)))
        {
            return Unacceptable("the account is disabled or locked");
        }

        var now = timeProvider.GetUtcNow();
        await sessions.AttachAsync(session.Id, client.ClientId, isTold: false, now + lifetime, cancellationToken);
        var grant = new AuthorizationGrant
        {
            GrantId = Guid.CreateVersion7(now),
            ClientId = client.ClientId,
            Subject = session.Subject,
            SessionId = session.Id,
            Scopes = target.Scopes,
            AuthTime = session.AuthTime,
            Acr = session.Acr,
            Amr = session.Amr,
            IdentityProvider = await sessions.FindProviderAsync(session, cancellationToken),
        };
        return new TokenIssue(client, target, grant.GrantId) { Grant = grant, Person = person, AtMost = lifetime };
    }

    private static OAuthError Unacceptable(string detail) =>
        new(OAuthErrors.InvalidRequest, "The subject token is not valid, or not acceptable from this client.") { Detail = "exchange: " + detail };
}
