using Identity.Accounts.Devices;
using Identity.Accounts.Profile;
using Identity.Api.Authentication;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.Api.OpenApi;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Api.Controllers;

/// <summary>POST, GET and DELETE /devices.</summary>
[Route("api/identity/devices")]
[Tags("Devices")]
[Authorize(AuthenticationSchemes = AccessTokenHandler.SchemeName)]
public sealed class DevicesController(DeviceRegistry devices, DeviceWithdrawal withdrawal, AccessNotices notices) : ContractController
{
    private const string BadToken = "The access token is not valid here: malformed, expired, revoked, or for another service.";
    private const string NotYours = "This is not yours to see or do.";
    private const string NoDevice = "There is no such device.";
    private const string StaleSignIn = "A key that approves sign-ins is taken within ten minutes of a sign-in: sign in again.";

    [HttpPost(Name = "registerDevice")]
    [Idempotent]
    [EndpointSummary("Register a device for push messages")]
    [EndpointDescription("For the user's own token of /login. A token has one owner: registering it again moves it. It is detached when its session is signed out. With publicKey, taken within ten minutes of a sign-in, the device may approve sign-ins, and gets codes that sign in; its person is told by mail. A new token without the key drops it.")]
    [RequestExample("""{"platform":"ios","token":"740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad","deviceId":"phone-1","appId":"com.example.app","environment":"production"}""")]
    [ProducesResponseType<DeviceResponse>(StatusCodes.Status201Created)]
    [Fails(400, ErrorCodes.ValidationFailed, "platform must be one of the following values: android, ios")]
    [Fails(401, ErrorCodes.Unauthorized, "An access token is required.")]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(403, ErrorCodes.ReauthenticationRequired, StaleSignIn)]
    public async Task<IActionResult> PostAsync([FromBody] RegisterDeviceRequest request, CancellationToken cancellationToken)
    {
        if (CallerToken.Of(HttpContext) is not { IsFirstParty: true, AccountId: { } accountId, Token.SessionId: { } sessionId })
        {
            return Failure.OfStatus(StatusCodes.Status403Forbidden);
        }

        var device = new NewDevice(request.Platform, request.Token, request.DeviceId, request.AppId, request.Environment, request.Key);
        return await devices.RegisterAsync(accountId, sessionId, device, Caller(), (account, change, platform) => notices.Write(account, change, _ => DevicePlatforms.NameOf(platform)), cancellationToken) switch
        {
            DeviceRegistration.Registered registered => MadeAt($"/devices/{registered.Device.Id:D}", DeviceResponse.Of(registered.Device, sessionId)),
            DeviceRegistration.SessionOver => new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.InvalidToken, BadToken),
            DeviceRegistration.ReauthenticationRequired => new Failure(StatusCodes.Status403Forbidden, ErrorCodes.ReauthenticationRequired, StaleSignIn),
            _ => throw new InvalidOperationException("An unknown result."),
        };
    }

    [HttpGet(Name = "listDevices")]
    [EndpointSummary("List the user's devices")]
    [EndpointDescription("For the user's own token of /login. Newest first; tokens are never shown.")]
    [ProducesResponseType<IReadOnlyList<DeviceResponse>>(StatusCodes.Status200OK)]
    [Fails(401, ErrorCodes.Unauthorized, "An access token is required.")]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    public async Task<IActionResult> GetAsync(CancellationToken cancellationToken)
    {
        if (CallerToken.Of(HttpContext) is not { IsFirstParty: true, AccountId: { } accountId, Token.SessionId: var sessionId })
        {
            return Failure.OfStatus(StatusCodes.Status403Forbidden);
        }

        return Success((await devices.ListAsync(accountId, sessionId, cancellationToken)).Select(device => DeviceResponse.Of(device, sessionId)).ToArray());
    }

    [HttpDelete("{id}", Name = "removeDevice")]
    [EndpointSummary("Remove a device")]
    [EndpointDescription("For the user's own token of /login. It gets no more push messages and approves nothing any more.")]
    [ProducesResponseType(StatusCodes.Status204NoContent)]
    [Fails(401, ErrorCodes.Unauthorized, "An access token is required.")]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(404, ErrorCodes.DeviceNotFound, NoDevice)]
    public async Task<IActionResult> DeleteAsync(string id, CancellationToken cancellationToken)
    {
        if (CallerToken.Of(HttpContext) is not { IsFirstParty: true, AccountId: { } accountId, Token.SessionId: var sessionId })
        {
            return Failure.OfStatus(StatusCodes.Status403Forbidden);
        }

        // Another's device is answered like none: ids tell nothing.
        if (!Guid.TryParseExact(id, "D", out var deviceId) || !await withdrawal.RemoveAsync(accountId, deviceId, Caller() with { SessionId = sessionId }, cancellationToken))
        {
            return new Failure(StatusCodes.Status404NotFound, ErrorCodes.DeviceNotFound, NoDevice);
        }

        Response.Headers.CacheControl = "no-store";
        return NoContent();
    }
}
