using Identity.Accounts;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.PushSignIn;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Api.Authentication;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.Api.OpenApi;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Api.Controllers;

/// <summary>/factors: what a person proves themselves with besides the password. For the person's own token of /login only.</summary>
[Route("api/identity/factors")]
[Tags("Second factors")]
[Authorize(AuthenticationSchemes = AccessTokenHandler.SchemeName)]
public sealed class FactorsController(
    FactorEnrolment enrolment,
    FactorProver prover,
    Passkeys passkeys,
    IAccountStore accounts,
    SessionService sessions,
    TimeProvider timeProvider) : ContractController
{
    private const string NotLive = "The access token is not valid here: malformed, expired, revoked, or for another service.";
    private const string NotYours = "This is not yours to see or do.";
    private const string WrongCode = "The code is not valid.";
    private const string WrongPasskey = "The passkey's answer is not valid.";
    private const string ProofNeeded = "Prove again who you are first, with something as strong: POST /api/identity/factors/proof.";
    private const string NoFactor = "There is no such factor.";
    private const string NoDevice = "There is no device with a key that can be reached: register one first.";
    private const string Exists = "There is one already.";
    private const string Unverified = "The email address or phone number must be verified first.";
    private const string Wait = "Too many requests. Try again later.";

    [HttpGet(Name = "listFactors")]
    [EndpointSummary("List the second factors")]
    [EndpointDescription("With the number of recovery codes that are left, and the browsers that were remembered.")]
    [ProducesResponseType<FactorsResponse>(StatusCodes.Status200OK)]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    public Task<IActionResult> ListAsync(CancellationToken cancellationToken) => AsSelfAsync(
        async (account, _) => Success(FactorsResponse.Of(await enrolment.FindAsync(account, cancellationToken))),
        cancellationToken);

    [HttpPost("proof", Name = "prove")]
    [EndpointSummary("Prove again who you are")]
    [EndpointDescription("With a second factor; with the password where none is enrolled. The proof is fresh for ten minutes and opens what needs one of its strength: passkey and recovery code most, then authenticator and push, then codes by e-mail and SMS.")]
    [RequestExample("""{"code":"493817","method":"totp"}""")]
    [ProducesResponseType<SuccessResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.MfaInvalid, WrongCode)]
    [Fails(400, ErrorCodes.PushPending, FactorAnswers.Pending)]
    [Fails(400, ErrorCodes.PushDenied, FactorAnswers.Denied)]
    [Fails(400, ErrorCodes.PushExpired, FactorAnswers.Expired)]
    [Fails(400, ErrorCodes.ValidationFailed, "one of currentPassword, code, passkeyToken with credential should not be empty")]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(429, ErrorCodes.TooManyRequests, Wait)]
    public Task<IActionResult> ProveAsync([FromBody] FactorProofRequest request, CancellationToken cancellationToken) => AsSelfAsync(
        async (account, session) =>
        {
            var trial = request switch
            {
                { PasskeyToken: { } token, Credential: { } credential } => await enrolment.ProveAsync(account, session, new FactorProof.Passkey(token, credential.ToJsonString()), Caller(), cancellationToken),
                { Method: FactorKinds.Push } => await enrolment.ProveAsync(account, session, new FactorProof.Push(), Caller(), cancellationToken),
                { Code: { Length: > 0 } code } => await enrolment.ProveAsync(account, session, new FactorProof.Code(request.Method, code), Caller(), cancellationToken),
                _ => await enrolment.ProvePasswordAsync(account, session, request.CurrentPassword!, Caller(), cancellationToken),
            };
            return trial switch
            {
                null => Posted(new SuccessResponse(true)),
                FactorTrial.RateLimited limited => Failure.TooManyRequests(limited.RetryAfter),
                FactorTrial.Unanswered unanswered => FactorAnswers.Unanswered(unanswered.Answer, StatusCodes.Status400BadRequest),
                _ => new Failure(StatusCodes.Status400BadRequest, ErrorCodes.MfaInvalid, WrongCode),
            };
        },
        cancellationToken);

    [HttpPost("proof/code", Name = "sendProofCode")]
    [Idempotent]
    [EndpointSummary("Send a code for a proof")]
    [EndpointDescription("By a channel that is enrolled as a factor.")]
    [RequestExample("""{"method":"email"}""")]
    [ProducesResponseType<OtpResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ChannelUnavailable, "This channel is not available.")]
    [Fails(400, ErrorCodes.ValidationFailed, "method must be one of the following values: email, sms")]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(429, ErrorCodes.TooManyRequests, Wait)]
    public Task<IActionResult> SendAsync([FromBody] FactorCodeRequest request, CancellationToken cancellationToken) => AsSelfAsync(
        async (account, _) => FactorAnswers.Sent(await prover.SendCodeAsync(account, request.Method, firstChannel: null, Caller(), cancellationToken)) switch
        {
            OtpResponse sent => Posted(sent),
            var failure => (IActionResult)failure,
        },
        cancellationToken);

    [HttpPost("proof/passkey", Name = "challengeProofPasskey")]
    [EndpointSummary("Ask for a challenge to a passkey, for a proof")]
    [EndpointDescription("The answer goes to factors/proof.")]
    [ProducesResponseType<PasskeyChallengeResponse>(StatusCodes.Status200OK)]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    public Task<IActionResult> ChallengeAsync(CancellationToken cancellationToken) => AsSelfAsync(
        async (account, _) => Posted(PasskeyChallengeResponse.Of(await passkeys.BeginRequestAsync(account))),
        cancellationToken);

    [HttpPost("proof/push", Name = "askProofPush")]
    [EndpointSummary("Ask the person's devices for a proof")]
    [EndpointDescription("Show the number; the person picks it on a device, within a minute. Then factors/proof takes method push.")]
    [ProducesResponseType<PushPromptResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ChannelUnavailable, "This channel is not available.")]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(429, ErrorCodes.TooManyRequests, Wait)]
    public Task<IActionResult> AskAsync(CancellationToken cancellationToken) => AsSelfAsync(
        async (account, session) => FactorAnswers.Asked(await enrolment.AskPushAsync(account, session, clientName: null, Caller(), cancellationToken), timeProvider) switch
        {
            PushPromptResponse asked => Posted(asked),
            var failure => (IActionResult)failure,
        },
        cancellationToken);

    [HttpPost("push", Name = "addPushFactor")]
    [Idempotent]
    [EndpointSummary("Take a yes on a device as a second factor")]
    [EndpointDescription("A device with a key must be registered (POST /devices with publicKey). Signing that device out takes it away: recovery codes are for then.")]
    [ProducesResponseType<FactorAddedResponse>(StatusCodes.Status201Created)]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.ReauthenticationRequired, ProofNeeded)]
    [Fails(404, ErrorCodes.NotFound, NoDevice)]
    [Fails(409, ErrorCodes.FactorExists, Exists)]
    public Task<IActionResult> AddPushAsync(CancellationToken cancellationToken) => AsSelfAsync(
        async (account, session) => await enrolment.AddPushAsync(account, session, Caller(), cancellationToken) switch
        {
            FactorChange.NotFound => new Failure(StatusCodes.Status404NotFound, ErrorCodes.NotFound, NoDevice),
            var change => Answer(change),
        },
        cancellationToken);

    [HttpPut("push", Name = "setPushPreference")]
    [EndpointSummary("Allow sign-in by a device without the password, or forbid it")]
    [EndpointDescription("Off by default. Allowing it needs a proof as for adding the factor; forbidding it needs none.")]
    [RequestExample("""{"withoutPassword":true}""")]
    [ProducesResponseType<SuccessResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "withoutPassword should not be empty")]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.ReauthenticationRequired, ProofNeeded)]
    [Fails(404, ErrorCodes.NotFound, NoFactor)]
    public Task<IActionResult> SetPushAsync([FromBody] PushPreferenceRequest request, CancellationToken cancellationToken) => AsSelfAsync(
        async (account, session) => await enrolment.AllowWithoutPasswordAsync(account, session, request.WithoutPassword, Caller(), cancellationToken) switch
        {
            FactorChange.Done => Success(new SuccessResponse(true)),
            var change => Answer(change),
        },
        cancellationToken);

    [HttpPost("totp", Name = "startTotp")]
    [EndpointSummary("Begin to enrol an authenticator app")]
    [EndpointDescription("Answers with a secret that counts only once a code of it has come back (totp/confirm).")]
    [ProducesResponseType<TotpEnrolmentResponse>(StatusCodes.Status200OK)]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.ReauthenticationRequired, ProofNeeded)]
    public Task<IActionResult> BeginTotpAsync(CancellationToken cancellationToken) => AsSelfAsync(
        async (account, session) => await enrolment.BeginTotpAsync(account, session, cancellationToken) is var (ticket, key)
            ? Posted(new TotpEnrolmentResponse(ticket, key.Secret, key.Uri, key.QrSvg, (long)FactorTickets.Lifetime.TotalSeconds))
            : Answer(new FactorChange.ProofNeeded(FactorKinds.Strength(FactorKinds.Totp))),
        cancellationToken);

    [HttpPost("totp/confirm", Name = "confirmTotp")]
    [Idempotent(ShownOnce = "recoveryCodes")]
    [EndpointSummary("Finish enrolling an authenticator app")]
    [EndpointDescription("With the first factor of an account ten recovery codes are made, and shown this once.")]
    [RequestExample("""{"enrolmentToken":"CfDJ8…","code":"493817"}""")]
    [ProducesResponseType<FactorAddedResponse>(StatusCodes.Status201Created)]
    [Fails(400, ErrorCodes.MfaInvalid, WrongCode)]
    [Fails(400, ErrorCodes.ValidationFailed, "code should not be empty")]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.ReauthenticationRequired, ProofNeeded)]
    [Fails(409, ErrorCodes.FactorExists, Exists)]
    public Task<IActionResult> ConfirmTotpAsync([FromBody] ConfirmTotpRequest request, CancellationToken cancellationToken) => AsSelfAsync(
        async (account, session) => Answer(await enrolment.ConfirmTotpAsync(account, session, request.EnrolmentToken, request.Code, Caller(), cancellationToken)),
        cancellationToken);

    [HttpPost("email", Name = "addEmailFactor")]
    [Idempotent(ShownOnce = "recoveryCodes")]
    [EndpointSummary("Take codes by e-mail as a second factor")]
    [EndpointDescription("The address must be verified.")]
    [ProducesResponseType<FactorAddedResponse>(StatusCodes.Status201Created)]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.ReauthenticationRequired, ProofNeeded)]
    [Fails(404, ErrorCodes.NotFound, Unverified)]
    [Fails(409, ErrorCodes.FactorExists, Exists)]
    public Task<IActionResult> AddEmailAsync(CancellationToken cancellationToken) => AddChannelAsync(FactorKinds.Email, cancellationToken);

    [HttpPost("sms", Name = "addSmsFactor")]
    [Idempotent(ShownOnce = "recoveryCodes")]
    [EndpointSummary("Take codes by SMS as a second factor")]
    [EndpointDescription("The number must be verified.")]
    [ProducesResponseType<FactorAddedResponse>(StatusCodes.Status201Created)]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.ReauthenticationRequired, ProofNeeded)]
    [Fails(404, ErrorCodes.NotFound, Unverified)]
    [Fails(409, ErrorCodes.FactorExists, Exists)]
    public Task<IActionResult> AddSmsAsync(CancellationToken cancellationToken) => AddChannelAsync(FactorKinds.Sms, cancellationToken);

    [HttpPost("passkeys/options", Name = "startPasskey")]
    [EndpointSummary("Begin to enrol a passkey")]
    [EndpointDescription("Answers with the options for navigator.credentials.create.")]
    [ProducesResponseType<PasskeyChallengeResponse>(StatusCodes.Status200OK)]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.ReauthenticationRequired, ProofNeeded)]
    public Task<IActionResult> BeginPasskeyAsync(CancellationToken cancellationToken) => AsSelfAsync(
        async (account, session) => await enrolment.BeginPasskeyAsync(account, session, cancellationToken) is { } challenge
            ? Posted(PasskeyChallengeResponse.Of(challenge))
            : Answer(new FactorChange.ProofNeeded(FactorKinds.Strength(FactorKinds.Passkey))),
        cancellationToken);

    [HttpPost("passkeys", Name = "addPasskey")]
    [Idempotent(ShownOnce = "recoveryCodes")]
    [EndpointSummary("Finish enrolling a passkey")]
    [EndpointDescription("An account may have several, each with a name. With the first factor of an account ten recovery codes are made, and shown this once.")]
    [RequestExample("""{"passkeyToken":"CfDJ8…","name":"Laptop","credential":{"id":"AAAA","type":"public-key","rawId":"AAAA","response":{},"clientExtensionResults":{}}}""")]
    [ProducesResponseType<FactorAddedResponse>(StatusCodes.Status201Created)]
    [Fails(400, ErrorCodes.MfaInvalid, WrongPasskey)]
    [Fails(400, ErrorCodes.ValidationFailed, "name should not be empty")]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.ReauthenticationRequired, ProofNeeded)]
    [Fails(409, ErrorCodes.FactorExists, Exists)]
    public Task<IActionResult> AddPasskeyAsync([FromBody] AddPasskeyRequest request, CancellationToken cancellationToken) => AsSelfAsync(
        async (account, session) => Answer(await enrolment.ConfirmPasskeyAsync(account, session, request.PasskeyToken, request.Credential.ToJsonString(), request.Name, Caller(), cancellationToken)),
        cancellationToken);

    [HttpPut("{id}", Name = "renameFactor")]
    [EndpointSummary("Name a passkey")]
    [EndpointDescription("The name is its owner's; it shows in the list of factors.")]
    [RequestExample("""{"name":"Blue key"}""")]
    [ProducesResponseType<SuccessResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "name should not be empty")]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(404, ErrorCodes.NotFound, NoFactor)]
    public Task<IActionResult> RenameAsync(string id, [FromBody] RenameFactorRequest request, CancellationToken cancellationToken) => AsSelfAsync(
        async (account, _) => Guid.TryParseExact(id, "D", out var factor) && await enrolment.RenameAsync(account, factor, request.Name, cancellationToken)
            ? Success(new SuccessResponse(true))
            : Answer(new FactorChange.NotFound()),
        cancellationToken);

    [HttpDelete("{id}", Name = "removeFactor")]
    [EndpointSummary("Remove a factor")]
    [EndpointDescription("Needs a proof of the last ten minutes that is as strong as the factor. With the last factor the recovery codes and remembered browsers go too.")]
    [ProducesResponseType(StatusCodes.Status204NoContent)]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.ReauthenticationRequired, ProofNeeded)]
    [Fails(404, ErrorCodes.NotFound, NoFactor)]
    public Task<IActionResult> RemoveAsync(string id, CancellationToken cancellationToken) => AsSelfAsync(
        async (account, session) => Guid.TryParseExact(id, "D", out var factor)
            ? await enrolment.RemoveAsync(account, session, factor, Caller(), cancellationToken) is var change && change is FactorChange.Done ? NoContent() : Answer(change)
            : Answer(new FactorChange.NotFound()),
        cancellationToken);

    [HttpPost("recovery-codes", Name = "renewRecoveryCodes")]
    [EndpointSummary("Make new recovery codes")]
    [EndpointDescription("Ten, each worth one use, in place of all earlier ones. They are shown this once.")]
    [ProducesResponseType<FactorAddedResponse>(StatusCodes.Status201Created)]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.ReauthenticationRequired, ProofNeeded)]
    [Fails(404, ErrorCodes.NotFound, NoFactor)]
    public Task<IActionResult> RenewRecoveryCodesAsync(CancellationToken cancellationToken) => AsSelfAsync(
        async (account, session) => Answer(await enrolment.RenewRecoveryCodesAsync(account, session, Caller(), cancellationToken)),
        cancellationToken);

    [HttpDelete("browsers/{id}", Name = "forgetBrowser")]
    [EndpointSummary("Forget a remembered browser")]
    [EndpointDescription("It needs a second factor again at its next sign-in.")]
    [ProducesResponseType(StatusCodes.Status204NoContent)]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(404, ErrorCodes.NotFound, "There is no such browser.")]
    public Task<IActionResult> ForgetAsync(string id, CancellationToken cancellationToken) => AsSelfAsync(
        async (account, _) => Guid.TryParseExact(id, "D", out var browser) && await enrolment.ForgetBrowserAsync(account, browser, Caller(), cancellationToken)
            ? NoContent()
            : new Failure(StatusCodes.Status404NotFound, ErrorCodes.NotFound, "There is no such browser."),
        cancellationToken);

    [HttpDelete("browsers", Name = "forgetBrowsers")]
    [EndpointSummary("Forget every remembered browser")]
    [EndpointDescription("Succeeds again when repeated.")]
    [ProducesResponseType(StatusCodes.Status204NoContent)]
    [Fails(401, ErrorCodes.InvalidToken, NotLive)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    public Task<IActionResult> ForgetAllAsync(CancellationToken cancellationToken) => AsSelfAsync(
        async (account, _) =>
        {
            await enrolment.ForgetBrowserAsync(account, id: null, Caller(), cancellationToken);
            return NoContent();
        },
        cancellationToken);

    private Task<IActionResult> AddChannelAsync(string channel, CancellationToken cancellationToken) => AsSelfAsync(
        async (account, session) => await enrolment.AddChannelAsync(account, session, channel, Caller(), cancellationToken) switch
        {
            FactorChange.NotFound => new Failure(StatusCodes.Status404NotFound, ErrorCodes.NotFound, Unverified),
            var change => Answer(change),
        },
        cancellationToken);

    // How people prove themselves is between them and us: no other client's token sees or changes it, whatever its scope.
    private async Task<IActionResult> AsSelfAsync(Func<Account, Session, Task<IActionResult>> act, CancellationToken cancellationToken)
    {
        if (CallerToken.Of(HttpContext) is not { IsFirstParty: true, AccountId: { } accountId, Token.SessionId: { } sessionId })
        {
            return Failure.OfStatus(StatusCodes.Status403Forbidden);
        }

        return await sessions.FindLiveAsync(sessionId, cancellationToken) is { } session && session.AccountId == accountId && await accounts.FindAsync(accountId, cancellationToken) is { } account
            ? await act(account, session)
            : new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.InvalidToken, NotLive);
    }

    private IActionResult Answer(FactorChange change) => change switch
    {
        FactorChange.Done done => MadeAt(done.Factor is null ? "/factors" : $"/factors/{done.Factor.Id:D}", new FactorAddedResponse(done.Factor is null ? null : FactorResponse.Of(done.Factor), done.RecoveryCodes)),
        FactorChange.ProofNeeded => new Failure(StatusCodes.Status403Forbidden, ErrorCodes.ReauthenticationRequired, ProofNeeded),
        FactorChange.Refused => new Failure(StatusCodes.Status400BadRequest, ErrorCodes.MfaInvalid, WrongCode),
        FactorChange.Taken => new Failure(StatusCodes.Status409Conflict, ErrorCodes.FactorExists, Exists),
        FactorChange.NotFound => new Failure(StatusCodes.Status404NotFound, ErrorCodes.NotFound, NoFactor),
        FactorChange.RateLimited limited => Failure.TooManyRequests(limited.RetryAfter),
        _ => throw new InvalidOperationException("An unknown result."),
    };
}

/// <summary>What the routes of sign-in and of factors answer alike.</summary>
internal static class FactorAnswers
{
    public const string Pending = "Nobody has answered on a device yet.";
    public const string Denied = "The answer on the device was no, or a wrong number.";
    public const string Expired = "No device was asked, or none answered in time.";

    /// <summary>How an answer stands that is no yes.</summary>
    public static Failure Unanswered(PushAnswer answer, int statusCode) => answer switch
    {
        PushAnswer.Waiting => new(statusCode, ErrorCodes.PushPending, Pending),
        PushAnswer.Denied or PushAnswer.WrongNumber => new(statusCode, ErrorCodes.PushDenied, Denied),
        _ => new(statusCode, ErrorCodes.PushExpired, Expired),
    };

    /// <summary>A <see cref="PushPromptResponse"/> or a <see cref="Failure"/>.</summary>
    public static object Asked(PushAsked? asked, TimeProvider timeProvider) => asked switch
    {
        PushAsked.Asked { Prompt: var prompt } => PushPromptResponse.Of(prompt, timeProvider),
        PushAsked.RateLimited limited => Failure.TooManyRequests(limited.RetryAfter),
        _ => new Failure(StatusCodes.Status400BadRequest, ErrorCodes.ChannelUnavailable, "This channel is not available."),
    };

    /// <summary>An <see cref="OtpResponse"/> or a <see cref="Failure"/>.</summary>
    public static object Sent(GeneratedCode? code) => code switch
    {
        GeneratedCode.Sent sent => new OtpResponse(sent.Id, sent.Channel, sent.MaskedDestination, sent.ExpiresAt, (long)sent.Lifetime.TotalSeconds),
        GeneratedCode.RateLimited limited => Failure.TooManyRequests(limited.RetryAfter),
        _ => new Failure(StatusCodes.Status400BadRequest, ErrorCodes.ChannelUnavailable, "This channel is not available."),
    };
}
