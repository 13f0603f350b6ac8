using Identity.Accounts;
using Identity.Accounts.OneTimeCodes;
using Identity.Api.Authentication;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.Api.OpenApi;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Api.Controllers;

/// <summary>POST /otp/generate, /otp/verify.</summary>
[Route("api/identity/otp")]
[Tags("One-time codes")]
public sealed class OneTimeCodesController(OneTimeCodeService codes, TokenAnswers answers, RegistrationProof registered) : ContractController
{
    private const string WrongCode = "The code is not valid.";
    private const string NoChannel = "This channel is not available.";

    [HttpPost("generate", Name = "sendOtp")]
    [Idempotent]
    [EndpointSummary("Send a one-time code")]
    [EndpointDescription("Takes one of userId, email and phoneNumber. The answer is the same for an unknown user. A new code replaces the one before.")]
    [RequestExample("""{"email":"ada@example.com","channel":"email","purpose":"verification"}""")]
    [ProducesResponseType<OtpResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "one of userId, email, phoneNumber should not be empty")]
    [Fails(400, ErrorCodes.ChannelUnavailable, NoChannel)]
    [Fails(429, ErrorCodes.TooManyRequests, "Too many requests. Try again later.")]
    public async Task<IActionResult> GenerateAsync([FromBody] GenerateOtpRequest request, CancellationToken cancellationToken) =>
        await codes.GenerateAsync(
            new CodeRecipient(request.UserId, request.Email, request.PhoneNumber),
            request.Channel,
            request.Purpose ?? OneTimeCodePurposes.Verification,
            await ShownCallerAsync(),
            cancellationToken) switch
        {
            GeneratedCode.Sent sent => Posted(new OtpResponse(
                sent.Id,
                sent.Channel,
                sent.MaskedDestination,
                sent.ExpiresAt,
                (long)sent.Lifetime.TotalSeconds)),
            GeneratedCode.ChannelUnavailable => new Failure(StatusCodes.Status400BadRequest, ErrorCodes.ChannelUnavailable, NoChannel),
            GeneratedCode.RateLimited limited => Failure.TooManyRequests(limited.RetryAfter),
            _ => throw new InvalidOperationException("An unknown result."),
        };

    [HttpPost("verify", Name = "verifyOtp")]
    [EndpointSummary("Try a one-time code")]
    [EndpointDescription("Takes otpId, or the identifier and purpose that the code was made for. Five guesses, one success. A code of purpose login that signs in (Accounts:AllowCodeSignIn) answers with the members of login as well. Send the access token of whoever is signed in, or the Registration-Ticket of their registration, along with it: else nobody knows that who has the mailbox is who set the password, and a later reset by the mailbox takes second factors away.")]
    [RequestExample("""{"otpId":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d","code":"493817"}""")]
    [ProducesResponseType<VerifiedAndSignedInResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.OtpInvalid, WrongCode)]
    [Fails(400, ErrorCodes.ValidationFailed, "code should not be empty")]
    [Fails(401, ErrorCodes.MfaRequired, "A second factor is required.")]
    [Fails(429, ErrorCodes.TooManyRequests, "Too many requests. Try again later.")]
    public async Task<IActionResult> VerifyAsync([FromBody] VerifyOtpRequest request, CancellationToken cancellationToken)
    {
        var code = string.IsNullOrEmpty(request.Code) ? request.Otp! : request.Code;
        var caller = await ShownCallerAsync();
        var tried = request.OtpId is { } id
            ? await codes.VerifyAsync(id, request.Purpose, code, caller, cancellationToken)
            : await codes.VerifyAsync(
                new CodeRecipient(request.UserId, request.Email, request.PhoneNumber),
                request.Purpose ?? OneTimeCodePurposes.Verification,
                code,
                caller,
                cancellationToken);
        return tried switch
        {
            TriedCode.Verified { Session: { } session } verified => await answers.ForNewSessionAsync(verified.Account, session, cancellationToken),
            TriedCode.Verified => Posted(new VerifiedResponse(true)),
            TriedCode.SecondFactorDue due => Failure.MfaRequired(due.Half),
            TriedCode.Invalid => new Failure(StatusCodes.Status400BadRequest, ErrorCodes.OtpInvalid, WrongCode),
            TriedCode.RateLimited limited => Failure.TooManyRequests(limited.RetryAfter),
            _ => throw new InvalidOperationException("An unknown result."),
        };
    }

    /// <summary>A token is not asked for; where one comes along, or the ticket of the registration, it is somebody who has the account already.</summary>
    private async Task<Caller> ShownCallerAsync() =>
        Request.Headers.Authorization.Count > 0 && (await HttpContext.AuthenticateAsync(AccessTokenHandler.SchemeName)).Succeeded && CallerToken.Of(HttpContext) is { IsFirstParty: true, AccountId: { } own }
            ? Caller() with { AccountId = own }
            : Caller() with { AccountId = registered.Read(Request) };
}
