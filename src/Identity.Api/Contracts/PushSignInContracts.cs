using Identity.Accounts.PushSignIn;
using Identity.Api.Json;
using Microsoft.AspNetCore.Mvc.ModelBinding.Validation;

namespace Identity.Api.Contracts;

/// <summary>Body of POST /login/push: the mfaToken of a half-done sign-in.</summary>
[ValidateNever]
public sealed record PushLoginRequest
{
    /// <summary>Of the answer <c>mfa_required</c>.</summary>
    public required string MfaToken { get; init; }

    internal static PushLoginRequest Read(JsonBody body) => new() { MfaToken = body.Required("mfaToken", FactorMembers.LongestTicket) };
}

/// <summary>Body of PUT /factors/push.</summary>
[ValidateNever]
public sealed record PushPreferenceRequest
{
    /// <summary>Whether a yes on a device is enough, without the password.</summary>
    public required bool WithoutPassword { get; init; }

    internal static PushPreferenceRequest Read(JsonBody body)
    {
        var before = body.Problems.Count;
        var isAllowed = body.Flag("withoutPassword");
        if (isAllowed is null && body.Problems.Count == before)
        {
            body.Problem("withoutPassword should not be empty");
        }

        return new() { WithoutPassword = isAllowed ?? false };
    }
}

/// <summary>Body of POST /devices/sign-ins/{id}/approve.</summary>
[ValidateNever]
public sealed record ApproveSignInRequest
{
    /// <summary>Of POST /devices.</summary>
    public required Guid DeviceId { get; init; }

    /// <summary>The one of the three that the person picked.</summary>
    public required string Number { get; init; }

    /// <summary>Whether the device asked for finger, face or PIN.</summary>
    public bool UserVerified { get; init; }

    /// <summary>ES256 over the challenge, in base64 or base64url.</summary>
    public required string Signature { get; init; }

    internal static ApproveSignInRequest Read(JsonBody body)
    {
        var device = DeviceSignature.DeviceId(body);
        var before = body.Problems.Count;
        var number = body.Required("number", 2);
        if (body.Problems.Count == before && !(number.Length == 2 && number.All(char.IsAsciiDigit)))
        {
            body.Problem("number must be two digits");
        }

        return new() { DeviceId = device, Number = number, UserVerified = body.Flag("userVerified") ?? false, Signature = body.Required("signature", DeviceSignature.Longest) };
    }
}

/// <summary>Body of POST /devices/sign-ins/{id}/deny.</summary>
[ValidateNever]
public sealed record DenySignInRequest
{
    /// <summary>Of POST /devices.</summary>
    public required Guid DeviceId { get; init; }

    /// <summary>ES256 over the challenge, in base64 or base64url.</summary>
    public required string Signature { get; init; }

    internal static DenySignInRequest Read(JsonBody body) => new() { DeviceId = DeviceSignature.DeviceId(body), Signature = body.Required("signature", DeviceSignature.Longest) };
}

/// <summary>What the device's routes have in common.</summary>
internal static class DeviceSignature
{
    public const int Longest = 200;

    public static Guid DeviceId(JsonBody body)
    {
        var before = body.Problems.Count;
        var id = body.Id("deviceId");
        if (id is null && body.Problems.Count == before)
        {
            body.Problem("deviceId should not be empty");
        }

        return id ?? Guid.Empty;
    }
}

/// <summary>Answer where the person's devices were asked: POST /login/push and /factors/proof/push.</summary>
/// <param name="Number">To be shown: the person picks it on the device.</param>
/// <param name="ExpiresAt">Until when they may.</param>
/// <param name="ExpiresIn">Seconds until then.</param>
/// <param name="Interval">Seconds between two attempts to go on (method push).</param>
public sealed record PushPromptResponse(string Number, DateTimeOffset ExpiresAt, long ExpiresIn, int Interval)
{
    private const int SecondsBetween = 2;

    internal static PushPromptResponse Of(PushPrompt prompt, TimeProvider time) =>
        new(prompt.Number, prompt.ExpiresAt, (long)Math.Round((prompt.ExpiresAt - time.GetUtcNow()).TotalSeconds), SecondsBetween);
}

/// <summary>A sign-in that waits for a device's answer.</summary>
/// <param name="Id">For approve and deny.</param>
/// <param name="App">The application that is signed in to; null: the service's own.</param>
/// <param name="Ip">From where.</param>
/// <param name="UserAgent">Of the browser or app that asks.</param>
/// <param name="Numbers">Three, one of which the sign-in shows.</param>
/// <param name="Nonce">To be signed over.</param>
/// <param name="NeedsUserVerification">No password was asked for: approving needs finger, face or PIN.</param>
/// <param name="CreatedAt">When it was asked.</param>
/// <param name="ExpiresAt">An answer after that is too late.</param>
public sealed record PendingSignInResponse(Guid Id, string? App, string? Ip, string? UserAgent, IReadOnlyList<string> Numbers, string Nonce, bool NeedsUserVerification, DateTimeOffset CreatedAt, DateTimeOffset ExpiresAt)
{
    internal static PendingSignInResponse Of(PendingSignIn found) =>
        new(found.Id, found.App, found.Ip, found.UserAgent, found.Numbers, found.Nonce, found.NeedsUserVerification, found.CreatedAt, found.ExpiresAt);
}
