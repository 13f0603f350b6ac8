using Identity.Accounts.Passwords;
using Identity.Api.Authentication;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.Api.OpenApi;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Api.Controllers;

/// <summary>POST /password/change, /password/forgot, /password/reset.</summary>
[Route("api/identity/password")]
[Tags("Passwords")]
public sealed class PasswordController(PasswordService passwords) : ContractController
{
    private const string WrongPassword = "The current password is not right.";
    private const string WrongCode = "The code is not valid.";

    [HttpPost("change", Name = "changePassword")]
    [Idempotent]
    [Authorize(AuthenticationSchemes = AccessTokenHandler.SchemeName)]
    [EndpointSummary("Change the password")]
    [EndpointDescription("For the user's own token of /login. All sessions of the user end, this one too.")]
    [RequestExample("""{"currentPassword":"correct horse battery","newPassword":"staple of another colour"}""")]
    [ProducesResponseType<SuccessResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.InvalidCurrentPassword, WrongPassword)]
    [Fails(400, ErrorCodes.ValidationFailed, "newPassword must be at least 8 characters long")]
    [Fails(401, ErrorCodes.InvalidToken, "The access token is not valid here: malformed, expired, revoked, or for another service.")]
    [Fails(403, ErrorCodes.Forbidden, "This is not yours to see or do.")]
    [Fails(429, ErrorCodes.TooManyRequests, "Too many requests. Try again later.")]
    public async Task<IActionResult> ChangeAsync([FromBody] ChangePasswordRequest request, CancellationToken cancellationToken)
    {
        // A password is between the user and us: no other client's token changes it, whatever its scope.
        if (CallerToken.Of(HttpContext) is not { IsFirstParty: true, AccountId: { } accountId })
        {
            return Failure.OfStatus(StatusCodes.Status403Forbidden);
        }

        return await passwords.ChangeAsync(accountId, request.CurrentPassword, request.NewPassword, Caller(), cancellationToken) switch
        {
            PasswordChange.WrongProof => new Failure(StatusCodes.Status400BadRequest, ErrorCodes.InvalidCurrentPassword, WrongPassword),
            var result => Answer(result),
        };
    }

    [HttpPost("forgot", Name = "forgotPassword")]
    [Idempotent]
    [EndpointSummary("Ask for a code to reset a forgotten password")]
    [EndpointDescription("The same answer, in the same time, whether or not there is an account.")]
    [RequestExample("""{"email":"ada@example.com"}""")]
    [ProducesResponseType<SuccessResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "email must be an email")]
    [Fails(429, ErrorCodes.TooManyRequests, "Too many requests. Try again later.")]
    public async Task<IActionResult> ForgotAsync([FromBody] ForgotPasswordRequest request, CancellationToken cancellationToken) =>
        await passwords.ForgotAsync(request.Email, Caller(), cancellationToken) is { } retryAfter
            ? Failure.TooManyRequests(retryAfter)
            : Posted(new SuccessResponse(true));

    [HttpPost("reset", Name = "resetPassword")]
    [Idempotent]
    [EndpointSummary("Set a new password with a code")]
    [EndpointDescription("All sessions of the user end.")]
    [RequestExample("""{"email":"ada@example.com","code":"493817","newPassword":"staple of another colour"}""")]
    [ProducesResponseType<SuccessResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.OtpInvalid, WrongCode)]
    [Fails(400, ErrorCodes.ValidationFailed, "newPassword must be at least 8 characters long")]
    [Fails(429, ErrorCodes.TooManyRequests, "Too many requests. Try again later.")]
    public async Task<IActionResult> ResetAsync([FromBody] ResetPasswordRequest request, CancellationToken cancellationToken) =>
        await passwords.ResetAsync(request.Email, request.Code, request.NewPassword, Caller(), cancellationToken) switch
        {
            PasswordChange.WrongProof => new Failure(StatusCodes.Status400BadRequest, ErrorCodes.OtpInvalid, WrongCode),
            var result => Answer(result),
        };

    private IActionResult Answer(PasswordChange result) => result switch
    {
        PasswordChange.Changed => Posted(new SuccessResponse(true)),
        PasswordChange.Refused refused => Failure.Validation([.. refused.Problems.Select(problem => "newPassword " + problem)]),
        PasswordChange.RateLimited limited => Failure.TooManyRequests(limited.RetryAfter),
        _ => throw new InvalidOperationException("An unknown result."),
    };
}
