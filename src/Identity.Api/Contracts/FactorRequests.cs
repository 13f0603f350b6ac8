using System.Text.Json.Nodes;
using Identity.Accounts.SecondFactors;
using Identity.Api.Json;
using Microsoft.AspNetCore.Mvc.ModelBinding.Validation;

namespace Identity.Api.Contracts;

/// <summary>What several bodies have in common.</summary>
internal static class FactorMembers
{
    public const int LongestTicket = 8192;

    private static readonly string[] CodeMethods = [FactorKinds.Totp, FactorKinds.Email, FactorKinds.Sms, FactorKinds.RecoveryCode, FactorKinds.Push];
    private static readonly string[] Channels = [FactorKinds.Email, FactorKinds.Sms];

    public static string? Method(JsonBody body) => OneOf(body, CodeMethods, required: false);

    public static string Channel(JsonBody body) => OneOf(body, Channels, required: true) ?? "";

    private static string? OneOf(JsonBody body, string[] known, bool required)
    {
        var method = required ? body.Required("method", 20) : body.Text("method", 20);
        if (!string.IsNullOrEmpty(method) && !known.Contains(method, StringComparer.Ordinal))
        {
            body.Problem("method must be one of the following values: " + string.Join(", ", known));
        }

        return string.IsNullOrEmpty(method) ? null : method;
    }
}

/// <summary>Body of POST /login/code and /factors/proof/code.</summary>
[ValidateNever]
public sealed record FactorCodeRequest
{
    /// <summary>Of login; not needed with a Bearer token.</summary>
    public string? MfaToken { get; init; }

    /// <summary>email or sms.</summary>
    public required string Method { get; init; }

    internal static FactorCodeRequest Read(JsonBody body) => new() { MfaToken = body.Text("mfaToken", FactorMembers.LongestTicket), Method = FactorMembers.Channel(body) };
}

/// <summary>Body of POST /login/passkey: nothing, or the mfaToken of a half-done sign-in.</summary>
[ValidateNever]
public sealed record PasskeyChallengeRequest
{
    /// <summary>Of the answer <c>mfa_required</c>.</summary>
    public string? MfaToken { get; init; }

    internal static PasskeyChallengeRequest Read(JsonBody body) => new() { MfaToken = body.Text("mfaToken", FactorMembers.LongestTicket) };
}

/// <summary>Body of POST /login/enrol/totp and /login/enrol/passkey.</summary>
[ValidateNever]
public sealed record EnrolRequest
{
    /// <summary>Of the answer <c>mfa_required</c> that says <c>enrol</c>.</summary>
    public required string MfaToken { get; init; }

    internal static EnrolRequest Read(JsonBody body) => new() { MfaToken = body.Required("mfaToken", FactorMembers.LongestTicket) };
}

/// <summary>Body of POST /factors/proof: currentPassword, or code, or passkeyToken and credential, or method push.</summary>
[ValidateNever]
public sealed record FactorProofRequest
{
    /// <summary>The password that is still in force.</summary>
    public string? CurrentPassword { get; init; }

    /// <summary>As the person typed it.</summary>
    public string? Code { get; init; }

    /// <summary>totp, email, sms or recovery_code; by default what the code looks like. push goes without a code: with what a device answered that was asked by factors/proof/push.</summary>
    public string? Method { get; init; }

    /// <summary>Of the challenge.</summary>
    public string? PasskeyToken { get; init; }

    /// <summary>PublicKeyCredential as JSON.</summary>
    public JsonObject? Credential { get; init; }

    internal static FactorProofRequest Read(JsonBody body)
    {
        var request = new FactorProofRequest
        {
            CurrentPassword = body.Text("currentPassword", Formats.LongestPassword),
            Code = body.Code("code"),
            Method = FactorMembers.Method(body),
            PasskeyToken = body.Text("passkeyToken", FactorMembers.LongestTicket),
            Credential = body.Object("credential"),
        };
        if (body.Problems.Count == 0 && request is { CurrentPassword: null or "", Code: null or "" } && request.Method != FactorKinds.Push && (request.PasskeyToken is null || request.Credential is null))
        {
            body.Problem("one of currentPassword, code, passkeyToken with credential should not be empty");
        }

        return request;
    }
}

/// <summary>Body of POST /factors/totp/confirm.</summary>
[ValidateNever]
public sealed record ConfirmTotpRequest
{
    /// <summary>Of the answer before.</summary>
    public required string EnrolmentToken { get; init; }

    /// <summary>As the person typed it.</summary>
    public required string Code { get; init; }

    internal static ConfirmTotpRequest Read(JsonBody body) => new() { EnrolmentToken = body.Required("enrolmentToken", FactorMembers.LongestTicket), Code = body.RequiredCode("code") };
}

/// <summary>Body of POST /factors/passkeys.</summary>
[ValidateNever]
public sealed record AddPasskeyRequest
{
    /// <summary>Of the challenge.</summary>
    public required string PasskeyToken { get; init; }

    /// <summary>PublicKeyCredential as JSON.</summary>
    public required JsonObject Credential { get; init; }

    /// <summary>What its owner calls it.</summary>
    public required string Name { get; init; }

    internal static AddPasskeyRequest Read(JsonBody body)
    {
        var token = body.Required("passkeyToken", FactorMembers.LongestTicket);
        var credential = body.Object("credential");
        if (credential is null && body.Problems.Count == 0)
        {
            body.Problem("credential should not be empty");
        }

        return new() { PasskeyToken = token, Credential = credential ?? [], Name = FactorName.Read(body) };
    }
}

/// <summary>Body of PUT /factors/{id}.</summary>
[ValidateNever]
public sealed record RenameFactorRequest
{
    /// <summary>What its owner calls it.</summary>
    public required string Name { get; init; }

    internal static RenameFactorRequest Read(JsonBody body) => new() { Name = FactorName.Read(body) };
}

internal static class FactorName
{
    public const int Longest = 60;

    public static string Read(JsonBody body)
    {
        var before = body.Problems.Count;
        return Checked(body, body.Required("name", Longest), before);
    }

    public static string? ReadOptional(JsonBody body)
    {
        var before = body.Problems.Count;
        return body.Text("name", Longest) is { Length: > 0 } name ? Checked(body, name, before) : null;
    }

    private static string Checked(JsonBody body, string given, int before)
    {
        var name = given.Trim();
        if (body.Problems.Count == before && (name.Length == 0 || name.Any(char.IsControl)))
        {
            body.Problem("name must hold a character that can be seen, and no control characters");
        }

        return name;
    }
}
