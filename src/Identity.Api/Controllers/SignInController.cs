using Identity.Accounts;
using Identity.Accounts.Profile;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;
using Identity.Api.Authentication;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.Api.OpenApi;
using Identity.OAuth.DPoP;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Resources;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ModelBinding;

namespace Identity.Api.Controllers;

/// <summary>POST /login, /refresh-token, /logout.</summary>
[Route("api/identity")]
[Tags("Sign-in")]
public sealed class SignInController(
    ISignIn signIn,
    SecondFactorSignIn secondFactors,
    FirstFactor firstFactor,
    SessionService sessions,
    ISessionStore sessionStore,
    FirstPartyTokens tokens,
    TokenAnswers answers,
    IMetadataStore metadata,
    ResourceCatalog resources) : ContractController
{
    private const string WrongCredentials = "The credentials are not valid.";
    private const string WrongSecondFactor = "The second factor is not valid.";
    private const string UnverifiedEmail = "The email address must be verified first.";
    private const string FirstPasskey = "Passkey";
    private const string WrongRefreshToken = "The refresh token is not valid.";

    [HttpPost("login", Name = "login")]
    [EndpointSummary("Sign in with a password")]
    [EndpointDescription("Takes a password and one of email, userName (or username) and phoneNumber. Unknown user, wrong password, disabled and locked accounts are answered alike. Where a second factor is due the answer is 401 mfa_required with mfaToken (one use, five minutes) and methods; the second request brings mfaToken and code (or passkeyToken and credential, of login/passkey, or method push after login/push) and is answered with tokens. Where the account must have a second factor and has none, mfa_required says enrol instead of methods (mfaToken: one use, ten minutes): the second request brings mfaToken with enrolmentToken and code (of login/enrol/totp), or with passkeyToken, credential and name (of login/enrol/passkey), and is answered with tokens and recoveryCodes.")]
    [RequestExample("""{"email":"ada@example.com","password":"correct horse battery","deviceId":"phone-1"}""")]
    [ProducesResponseType<TokensResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "password should not be empty")]
    [Fails(401, ErrorCodes.InvalidCredentials, WrongCredentials)]
    [Fails(401, ErrorCodes.MfaRequired, "A second factor is required.")]
    [Fails(401, ErrorCodes.InvalidMfaCode, WrongSecondFactor)]
    [Fails(401, ErrorCodes.InvalidMfaToken, SecondStepController.WrongToken)]
    [Fails(401, ErrorCodes.PushPending, FactorAnswers.Pending)]
    [Fails(401, ErrorCodes.PushDenied, FactorAnswers.Denied)]
    [Fails(401, ErrorCodes.PushExpired, FactorAnswers.Expired)]
    [Fails(403, ErrorCodes.EmailNotVerified, UnverifiedEmail)]
    [Fails(429, ErrorCodes.TooManyRequests, "Too many requests. Try again later.")]
    public async Task<IActionResult> LoginAsync([FromBody] LoginRequest request, CancellationToken cancellationToken)
    {
        if (request.Proof is { } proof)
        {
            return await FinishAsync(request, proof, cancellationToken);
        }

        var (kind, login) = request switch
        {
            { Email: { Length: > 0 } email } => (LoginKind.Email, email),
            { UserName: { Length: > 0 } userName } => (LoginKind.UserName, userName),
            _ => (LoginKind.PhoneNumber, request.PhoneNumber!),
        };
        return await signIn.WithPasswordAsync(kind, login, request.Password!, Caller() with { DeviceId = request.DeviceId }, cancellationToken) switch
        {
            SignInAttempt.Succeeded succeeded => await answers.ForNewSessionAsync(succeeded.Account, succeeded.Session, cancellationToken),
            SignInAttempt.Refused => new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.InvalidCredentials, WrongCredentials),
            SignInAttempt.SecondFactorDue due => Failure.MfaRequired(due.Half),
            SignInAttempt.EmailNotVerified => new Failure(StatusCodes.Status403Forbidden, ErrorCodes.EmailNotVerified, UnverifiedEmail),
            SignInAttempt.RateLimited limited => Failure.TooManyRequests(limited.RetryAfter),
            _ => throw new InvalidOperationException("An unknown result."),
        };
    }

    private async Task<IActionResult> FinishAsync(LoginRequest request, FactorProof proof, CancellationToken cancellationToken)
    {
        var caller = Caller() with { DeviceId = request.DeviceId };
        if (request.MfaToken is not null && (request.EnrolmentToken is not null || proof is FactorProof.Passkey))
        {
            var first = await firstFactor.FinishAsync(request.MfaToken, request.EnrolmentToken, proof, request.Name ?? FirstPasskey, caller, cancellationToken);
            if (first is not null || request.EnrolmentToken is not null)
            {
                return await AnswerAsync(request, first?.Step ?? new SecondStep.Expired(), first?.RecoveryCodes, cancellationToken);
            }
        }

        var step = request.MfaToken is null && proof is FactorProof.Passkey passkey
            ? await secondFactors.WithPasskeyAsync(passkey.Ticket, passkey.Credential, caller, cancellationToken)
            : await secondFactors.FinishAsync(request.MfaToken, proof, remember: false, caller, cancellationToken);
        return await AnswerAsync(request, step, recoveryCodes: null, cancellationToken);
    }

    private async Task<IActionResult> AnswerAsync(LoginRequest request, SecondStep step, IReadOnlyList<string>? recoveryCodes, CancellationToken cancellationToken) =>
        step switch
        {
            SecondStep.Succeeded succeeded => await answers.ForNewSessionAsync(succeeded.Account, succeeded.Session, cancellationToken, succeeded.AtMost, recoveryCodes),
            SecondStep.Expired => new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.InvalidMfaToken, SecondStepController.WrongToken),
            SecondStep.RateLimited limited => Failure.TooManyRequests(limited.RetryAfter),
            SecondStep.Unanswered unanswered => FactorAnswers.Unanswered(unanswered.Answer, StatusCodes.Status401Unauthorized),
            _ when request.MfaToken is null => new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.InvalidCredentials, WrongCredentials),
            _ => new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.InvalidMfaCode, WrongSecondFactor),
        };

    [HttpPost("refresh-token", Name = "refreshToken")]
    [EndpointSummary("Get new tokens for a refresh token")]
    [EndpointDescription("Each refresh token is worth one refresh. One that was used before ends the session.")]
    [RequestExample("""{"refreshToken":"AZqg8r5ycX6m1kQyGk3vJQAAAAFmY2hKk0l1c3RhbmV4YW1wbGVvZmFyZWZyZXNodG9r"}""")]
    [ProducesResponseType<TokensResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "refreshToken should not be empty")]
    [Fails(401, ErrorCodes.InvalidRefreshToken, WrongRefreshToken)]
    public async Task<IActionResult> RefreshAsync([FromBody] RefreshTokenRequest request, CancellationToken cancellationToken) =>
        await tokens.RefreshAsync(request.RefreshToken, ReadMetadataAsync, cancellationToken) is { } issue
            ? new TokensResult(issue)
            : new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.InvalidRefreshToken, WrongRefreshToken);

    private async Task ReadMetadataAsync(Account account, CancellationToken cancellationToken) =>
        HttpContext.Features.Set(new MetadataOfAnswer(await metadata.FindAsync(account.Id, cancellationToken)));

    /// <summary>RFC 7009 §2.2 in spirit: a token that is worth nothing any more needs no ending, so its logout succeeds.</summary>
    [HttpPost("logout", Name = "logout")]
    [EndpointSummary("End the session")]
    [EndpointDescription("Takes the access token as Bearer, expired or not, or the refresh token, or both, and ends the session with all its tokens at once. Succeeds again when repeated.")]
    [RequestExample("""{"refreshToken":"AZqg8r5ycX6m1kQyGk3vJQAAAAFmY2hKk0l1c3RhbmV4YW1wbGVvZmFyZWZyZXNodG9r","allSessions":false}""")]
    [ProducesResponseType<SuccessResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "allSessions must be a boolean value")]
    [Fails(401, ErrorCodes.Unauthorized, "An access token or a refresh token is required.")]
    public async Task<IActionResult> LogoutAsync([FromBody(EmptyBodyBehavior = EmptyBodyBehavior.Allow)] LogoutRequest? request, CancellationToken cancellationToken)
    {
        // A success that ended nothing would leave a live session behind.
        if (AccessTokenHandler.IsSentTwice(Request))
        {
            await HttpContext.ChallengeAsync(AccessTokenHandler.SchemeName);
            return new EmptyResult();
        }

        var shown = await HttpContext.AuthenticateAsync(AccessTokenHandler.SchemeName);
        if (shown.None && string.IsNullOrEmpty(request?.RefreshToken))
        {
            Response.Headers.WWWAuthenticate = AccessTokenHandler.Challenge(resources, byDPoP: false);
            return new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.Unauthorized, "An access token or a refresh token is required.");
        }

        var ids = new HashSet<string>(StringComparer.Ordinal);
        if (shown.Succeeded)
        {
            if (CallerToken.Of(HttpContext) is { IsFirstParty: true, Token.SessionId: { } own })
            {
                ids.Add(own);
            }
        }
        else if (PresentedToken.Read(Request.Headers.Authorization.ToString()) is { ByDPoP: false } bearer && await tokens.FindSessionOfAccessTokenAsync(bearer.Value, cancellationToken) is { } expired)
        {
            // An hour after the sign-in the access token is over, and the session is not.
            ids.Add(expired);
        }

        if (request?.RefreshToken is { Length: > 0 } refreshToken && await tokens.FindSessionAsync(refreshToken, cancellationToken) is { } found)
        {
            ids.Add(found);
        }

        foreach (var id in ids)
        {
            if (await sessionStore.FindAsync(id, cancellationToken) is not { EndedAt: null } session)
            {
                continue;
            }

            if (request?.AllSessions == true)
            {
                await sessions.EndAllAsync(session.AccountId, SessionEndReasons.Logout, Caller() with { SessionId = id }, cancellationToken);
            }
            else
            {
                await sessions.EndAsync(id, SessionEndReasons.Logout, Caller(), cancellationToken);
            }
        }

        return Posted(new SuccessResponse(true));
    }
}
