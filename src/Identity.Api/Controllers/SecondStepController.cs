using Identity.Accounts.SecondFactors;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.Api.OpenApi;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ModelBinding;

namespace Identity.Api.Controllers;

/// <summary>POST /login/code, /login/passkey, /login/push, /login/enrol/totp, /login/enrol/passkey: what the second step of a sign-in may need. The step itself is POST /login.</summary>
[Route("api/identity/login")]
[Tags("Sign-in")]
public sealed class SecondStepController(SecondFactorSignIn secondFactors, FirstFactor firstFactor, Passkeys passkeys, TimeProvider timeProvider) : ContractController
{
    internal const string WrongToken = "The mfaToken is not valid any more: sign in anew.";

    [HttpPost("code", Name = "sendLoginCode")]
    [Idempotent]
    [EndpointSummary("Send a code for the second step")]
    [EndpointDescription("By e-mail or SMS, where login named it among its methods.")]
    [RequestExample("""{"mfaToken":"CfDJ8…","method":"email"}""")]
    [ProducesResponseType<OtpResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ChannelUnavailable, "This channel is not available.")]
    [Fails(400, ErrorCodes.ValidationFailed, "method must be one of the following values: email, sms")]
    [Fails(401, ErrorCodes.InvalidMfaToken, WrongToken)]
    [Fails(429, ErrorCodes.TooManyRequests, "Too many requests. Try again later.")]
    public async Task<IActionResult> SendAsync([FromBody] FactorCodeRequest request, CancellationToken cancellationToken) =>
        await secondFactors.FindAsync(request.MfaToken, cancellationToken) is null
            ? new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.InvalidMfaToken, WrongToken)
            : FactorAnswers.Sent(await secondFactors.SendCodeAsync(request.MfaToken, request.Method, Caller(), cancellationToken)) switch
            {
                OtpResponse sent => Posted(sent),
                var failure => (IActionResult)failure,
            };

    [HttpPost("push", Name = "askLoginPush")]
    [EndpointSummary("Ask the person's devices for the second step")]
    [EndpointDescription("Where login named push among its methods. Show the number; the person picks it on a device, within a minute. Meanwhile send login with mfaToken and method push every interval seconds: push_pending until there is an answer. Asked again while one waits, the same number is answered.")]
    [RequestExample("""{"mfaToken":"CfDJ8…"}""")]
    [ProducesResponseType<PushPromptResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ChannelUnavailable, "This channel is not available.")]
    [Fails(400, ErrorCodes.ValidationFailed, "mfaToken should not be empty")]
    [Fails(401, ErrorCodes.InvalidMfaToken, WrongToken)]
    [Fails(429, ErrorCodes.TooManyRequests, "Too many requests. Try again later.")]
    public async Task<IActionResult> AskAsync([FromBody] PushLoginRequest request, CancellationToken cancellationToken) =>
        await secondFactors.FindAsync(request.MfaToken, cancellationToken) is null
            ? new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.InvalidMfaToken, WrongToken)
            : FactorAnswers.Asked(await secondFactors.AskPushAsync(request.MfaToken, clientName: null, Caller(), cancellationToken), timeProvider) switch
            {
                PushPromptResponse asked => Posted(asked),
                var failure => (IActionResult)failure,
            };

    [HttpPost("passkey", Name = "challengeLoginPasskey")]
    [EndpointSummary("Ask for a challenge to a passkey")]
    [EndpointDescription("With an mfaToken: for the second step. Without: to sign in by a passkey alone. The answer goes to login.")]
    [RequestExample("""{"mfaToken":"CfDJ8…"}""")]
    [ProducesResponseType<PasskeyChallengeResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "mfaToken must be a string")]
    [Fails(401, ErrorCodes.InvalidMfaToken, WrongToken)]
    public async Task<IActionResult> ChallengeAsync([FromBody(EmptyBodyBehavior = EmptyBodyBehavior.Allow)] PasskeyChallengeRequest? request, CancellationToken cancellationToken)
    {
        var challenge = request?.MfaToken is { Length: > 0 } token ? await secondFactors.BeginPasskeyAsync(token, cancellationToken) : await passkeys.BeginRequestAsync(account: null);
        return challenge is null
            ? new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.InvalidMfaToken, WrongToken)
            : Posted(PasskeyChallengeResponse.Of(challenge));
    }

    [HttpPost("enrol/totp", Name = "startLoginTotp")]
    [EndpointSummary("Begin to add an authenticator app in a sign-in")]
    [EndpointDescription("For the mfaToken of a mfa_required that says enrol: the account must have a second factor and has none. The secret counts only once a code of it has come back, with mfaToken and enrolmentToken, to login.")]
    [RequestExample("""{"mfaToken":"CfDJ8…"}""")]
    [ProducesResponseType<TotpEnrolmentResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "mfaToken should not be empty")]
    [Fails(401, ErrorCodes.InvalidMfaToken, WrongToken)]
    public async Task<IActionResult> EnrolTotpAsync([FromBody] EnrolRequest request, CancellationToken cancellationToken) =>
        await firstFactor.BeginTotpAsync(request.MfaToken, cancellationToken) is var (ticket, key)
            ? Posted(new TotpEnrolmentResponse(ticket, key.Secret, key.Uri, key.QrSvg, (long)FactorTickets.Lifetime.TotalSeconds))
            : new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.InvalidMfaToken, WrongToken);

    [HttpPost("enrol/passkey", Name = "startLoginPasskey")]
    [EndpointSummary("Begin to add a passkey in a sign-in")]
    [EndpointDescription("For the mfaToken of a mfa_required that says enrol. Answers with the options for navigator.credentials.create; the new passkey's answer goes to login, with mfaToken, passkeyToken, credential and name.")]
    [RequestExample("""{"mfaToken":"CfDJ8…"}""")]
    [ProducesResponseType<PasskeyChallengeResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "mfaToken should not be empty")]
    [Fails(401, ErrorCodes.InvalidMfaToken, WrongToken)]
    public async Task<IActionResult> EnrolPasskeyAsync([FromBody] EnrolRequest request, CancellationToken cancellationToken) =>
        await firstFactor.BeginPasskeyAsync(request.MfaToken, cancellationToken) is { } challenge
            ? Posted(PasskeyChallengeResponse.Of(challenge))
            : new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.InvalidMfaToken, WrongToken);
}
