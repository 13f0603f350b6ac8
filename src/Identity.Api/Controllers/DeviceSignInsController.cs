// RFC 7518 §3.4 (ES256); docs/decisions/0013-push-sign-in.md: the device's side of sign-in by push.
using System.Globalization;
using Identity.Accounts.PushSignIn;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.Api.OpenApi;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Api.Controllers;

/// <summary>GET /devices/sign-ins, POST /devices/sign-ins/{id}/approve and /deny: by the device's key, and by nothing else.</summary>
[Route("api/identity/devices/sign-ins")]
[Tags("Devices")]
public sealed class DeviceSignInsController(DeviceApprovals approvals) : ContractController
{
    private const string BadSignature = "The signature is not that of a device with a key, or not over what it has to be.";
    private const string NoSignIn = "There is no such sign-in.";
    private const string Over = "The sign-in was answered before, or too late.";
    private const string NotTheNumber = "That was not the number: the sign-in is over.";
    private const string Unverified = "This sign-in takes the place of a password: verify who holds the device first.";
    private const string Wait = "Too many requests. Try again later.";

    [HttpGet(Name = "listDeviceSignIns")]
    [EndpointSummary("List the sign-ins that wait for an answer")]
    [EndpointDescription("For a device that brought a key, which signs the lines `identity-sign-ins-v1`, deviceId and time, a line feed between them and none at the end (ES256, as 64 bytes or DER, in base64 or base64url). No access token is needed: the app's may have run out. Show app and place, and let the person pick one of the numbers.")]
    [ProducesResponseType<IReadOnlyList<PendingSignInResponse>>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "deviceId must be a UUID")]
    [Fails(403, ErrorCodes.InvalidSignature, BadSignature)]
    [Fails(429, ErrorCodes.TooManyRequests, Wait)]
    public async Task<IActionResult> ListAsync([FromQuery] string? deviceId, [FromQuery] string? time, [FromQuery] string? signature, CancellationToken cancellationToken)
    {
        var problems = new List<string>();
        if (!Guid.TryParseExact(deviceId, "D", out var device))
        {
            problems.Add("deviceId must be a UUID");
        }

        if (!long.TryParse(time, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
        {
            problems.Add("time must be seconds since 1970");
        }

        if (signature is not { Length: > 0 and <= DeviceSignature.Longest })
        {
            problems.Add("signature should not be empty");
        }

        if (problems.Count > 0)
        {
            return Failure.Validation(problems);
        }

        return await approvals.ListAsync(device, seconds, signature!, Caller(), cancellationToken) switch
        {
            PendingSignIns.Found found => Success(found.SignIns.Select(PendingSignInResponse.Of).ToArray()),
            PendingSignIns.RateLimited limited => Failure.TooManyRequests(limited.RetryAfter),
            _ => new Failure(StatusCodes.Status403Forbidden, ErrorCodes.InvalidSignature, BadSignature),
        };
    }

    [HttpPost("{id}/approve", Name = "approveSignIn")]
    [EndpointSummary("Say yes to a sign-in")]
    [EndpointDescription("The device signs the lines `identity-sign-in-v1`, id, `approve`, number, `verified` or `unverified` (userVerified), deviceId and nonce, a line feed between them and none at the end. The first answer counts, whoever gives it. A wrong number ends the sign-in.")]
    [RequestExample("""{"deviceId":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4e","number":"57","userVerified":true,"signature":"MEUCIQDv…"}""")]
    [ProducesResponseType<SuccessResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "number must be two digits")]
    [Fails(403, ErrorCodes.InvalidSignature, BadSignature)]
    [Fails(403, ErrorCodes.UserVerificationRequired, Unverified)]
    [Fails(404, ErrorCodes.SignInNotFound, NoSignIn)]
    [Fails(409, ErrorCodes.SignInOver, Over)]
    [Fails(409, ErrorCodes.WrongNumber, NotTheNumber)]
    [Fails(429, ErrorCodes.TooManyRequests, Wait)]
    public Task<IActionResult> ApproveAsync(string id, [FromBody] ApproveSignInRequest request, CancellationToken cancellationToken) =>
        DecideAsync(id, new DeviceDecision(request.DeviceId, request.Number, request.UserVerified, request.Signature), cancellationToken);

    [HttpPost("{id}/deny", Name = "denySignIn")]
    [EndpointSummary("Say no to a sign-in")]
    [EndpointDescription("The device signs the lines `identity-sign-in-v1`, id, `deny`, `-`, `unverified`, deviceId and nonce, a line feed between them and none at the end. The account's devices are left alone for a while, and longer each time.")]
    [RequestExample("""{"deviceId":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4e","signature":"MEUCIQDv…"}""")]
    [ProducesResponseType<SuccessResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "signature should not be empty")]
    [Fails(403, ErrorCodes.InvalidSignature, BadSignature)]
    [Fails(404, ErrorCodes.SignInNotFound, NoSignIn)]
    [Fails(409, ErrorCodes.SignInOver, Over)]
    [Fails(429, ErrorCodes.TooManyRequests, Wait)]
    public Task<IActionResult> DenyAsync(string id, [FromBody] DenySignInRequest request, CancellationToken cancellationToken) =>
        DecideAsync(id, new DeviceDecision(request.DeviceId, Number: null, UserVerified: false, request.Signature), cancellationToken);

    private async Task<IActionResult> DecideAsync(string id, DeviceDecision decision, CancellationToken cancellationToken) =>
        !Guid.TryParseExact(id, "D", out var signIn)
            ? new Failure(StatusCodes.Status404NotFound, ErrorCodes.SignInNotFound, NoSignIn)
            : await approvals.DecideAsync(signIn, decision, Caller(), cancellationToken) switch
            {
                DecidedSignIn.Done => Posted(new SuccessResponse(true)),
                DecidedSignIn.WrongNumber => new Failure(StatusCodes.Status409Conflict, ErrorCodes.WrongNumber, NotTheNumber),
                DecidedSignIn.Over => new Failure(StatusCodes.Status409Conflict, ErrorCodes.SignInOver, Over),
                DecidedSignIn.NotFound => new Failure(StatusCodes.Status404NotFound, ErrorCodes.SignInNotFound, NoSignIn),
                DecidedSignIn.InvalidSignature => new Failure(StatusCodes.Status403Forbidden, ErrorCodes.InvalidSignature, BadSignature),
                DecidedSignIn.UserVerificationRequired => new Failure(StatusCodes.Status403Forbidden, ErrorCodes.UserVerificationRequired, Unverified),
                DecidedSignIn.RateLimited limited => Failure.TooManyRequests(limited.RetryAfter),
                _ => throw new InvalidOperationException("An unknown result."),
            };
}
