using System.Text.Json.Serialization;
using Identity.Accounts.Devices;
using Identity.Api.Json;
using Microsoft.AspNetCore.Mvc.ModelBinding.Validation;

namespace Identity.Api.Contracts;

/// <summary>Body of POST /devices.</summary>
[ValidateNever]
public sealed record RegisterDeviceRequest
{
    /// <summary>android or ios.</summary>
    public required string Platform { get; init; }

    /// <summary>The registration token of Firebase, or the device token of APNs in hexadecimal.</summary>
    public required string Token { get; init; }

    /// <summary>What the app calls the device: a new token of the same device takes the old one's place.</summary>
    public string? DeviceId { get; init; }

    /// <summary>Android package name, or iOS bundle id.</summary>
    public string? AppId { get; init; }

    /// <summary>Of iOS: sandbox or production (the default). Android has none, and what is sent is left aside: apps for both send one body.</summary>
    public string? Environment { get; init; }

    /// <summary>P-256, base64: SubjectPublicKeyInfo or uncompressed point. With it the device may approve sign-ins, and gets codes that sign in.</summary>
    public string? PublicKey { get; init; }

    [JsonIgnore]
    internal byte[]? Key { get; init; }

    internal static RegisterDeviceRequest Read(JsonBody body)
    {
        var platform = body.Required("platform", 16);
        var token = body.Required("token", 4096);
        var deviceId = Named(body, "deviceId");
        var appId = Named(body, "appId");
        var environment = body.Text("environment", 16);
        var publicKey = body.Text("publicKey", 400);
        var key = string.IsNullOrEmpty(publicKey) ? null : DevicePublicKey.Parse(publicKey);
        if (body.Problems.Count == 0)
        {
            Check(body, platform, token, environment);
        }

        if (!string.IsNullOrEmpty(publicKey) && key is null)
        {
            body.Problem("publicKey must be a P-256 public key in base64: SubjectPublicKeyInfo or an uncompressed point");
        }

        return new()
        {
            Platform = platform,
            // Tokens of APNs are hexadecimal: written in capitals it is the same device.
            Token = platform == DevicePlatforms.Ios ? token.ToLowerInvariant() : token,
            DeviceId = deviceId,
            AppId = appId,
            Environment = platform == DevicePlatforms.Ios ? (string.IsNullOrEmpty(environment) ? "production" : environment) : null,
            PublicKey = publicKey,
            Key = key,
        };
    }

    private static void Check(JsonBody body, string platform, string token, string? environment)
    {
        if (platform is not (DevicePlatforms.Android or DevicePlatforms.Ios))
        {
            body.Problem("platform must be one of the following values: android, ios");
        }
        else if (platform == DevicePlatforms.Ios && !(token.Length is >= 32 and <= 200 && token.Length % 2 == 0 && token.All(char.IsAsciiHexDigit)))
        {
            body.Problem("token must be hexadecimal, as APNs gives it");
        }
        else if (platform == DevicePlatforms.Android && !token.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or ':' or '.' or '%' or '~'))
        {
            body.Problem("token must be a registration token, as Firebase gives it");
        }

        if (platform == DevicePlatforms.Ios && !string.IsNullOrEmpty(environment) && environment is not ("sandbox" or "production"))
        {
            body.Problem("environment must be one of the following values: sandbox, production");
        }
    }

    private static string? Named(JsonBody body, string name)
    {
        var text = body.Text(name, 200);
        if (text?.Any(char.IsControl) == true)
        {
            body.Problem($"{name} must not contain control characters");
        }

        return string.IsNullOrEmpty(text) ? null : text;
    }
}

/// <summary>A device, as every route shows it: without its token.</summary>
/// <param name="Id">For DELETE.</param>
/// <param name="Platform">android or ios.</param>
/// <param name="DeviceId">What the app calls it.</param>
/// <param name="AppId">The app on it.</param>
/// <param name="Environment">iOS only.</param>
/// <param name="CanApprove">Whether it brought a key to approve sign-ins with.</param>
/// <param name="Current">Whether the session that asks registered it.</param>
/// <param name="CreatedAt">First registration.</param>
/// <param name="LastSeenAt">Last sign of life; a device not seen for 270 days is removed.</param>
public sealed record DeviceResponse(
    Guid Id,
    string Platform,
    string? DeviceId,
    string? AppId,
    string? Environment,
    bool CanApprove,
    bool Current,
    DateTimeOffset CreatedAt,
    DateTimeOffset LastSeenAt)
{
    internal static DeviceResponse Of(Device device, string? sessionId) => new(
        device.Id,
        device.Platform,
        device.DeviceId,
        device.AppId,
        device.Environment,
        device.CanApprove,
        device.SessionId == sessionId,
        device.CreatedAt,
        device.LastSeenAt);
}
