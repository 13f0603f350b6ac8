using System.Text.Json.Nodes;
using Identity.Accounts.SecondFactors;
using Identity.Api.Json;
using Microsoft.AspNetCore.Mvc.ModelBinding.Validation;

namespace Identity.Api.Contracts;

/// <summary>
/// Body of POST /login: a password and one of email, username, userName, phoneNumber; or the second step of a sign-in, mfaToken and
/// code, passkey or method push; or a passkey alone; or the second step of somebody who adds their first factor in it.
/// </summary>
[ValidateNever]
public sealed record LoginRequest
{
    private const int LongestIdentifier = 254;

    /// <summary>The e-mail address.</summary>
    public string? Email { get; init; }

    /// <summary>Or <c>username</c>, as older clients spell it.</summary>
    public string? UserName { get; init; }

    /// <summary>E.164.</summary>
    public string? PhoneNumber { get; init; }

    /// <summary>The password.</summary>
    public string? Password { get; init; }

    /// <summary>What the caller calls its device; kept with the session.</summary>
    public string? DeviceId { get; init; }

    /// <summary>Of the answer <c>mfa_required</c>.</summary>
    public string? MfaToken { get; init; }

    /// <summary>The second factor.</summary>
    public string? Code { get; init; }

    /// <summary>totp, email, sms or recovery_code; by default what the code looks like. push goes without a code: with what a device answered that was asked by login/push.</summary>
    public string? Method { get; init; }

    /// <summary>Of POST /login/passkey.</summary>
    public string? PasskeyToken { get; init; }

    /// <summary>PublicKeyCredential as JSON.</summary>
    public JsonObject? Credential { get; init; }

    /// <summary>Of POST /login/enrol/totp: the code is the new app's first one.</summary>
    public string? EnrolmentToken { get; init; }

    /// <summary>What a passkey that is added in this step is called.</summary>
    public string? Name { get; init; }

    /// <summary>What is brought besides or instead of a password.</summary>
    internal FactorProof? Proof => PasskeyToken is { } token && Credential is { } credential
        ? new FactorProof.Passkey(token, credential.ToJsonString())
        : Method == FactorKinds.Push ? new FactorProof.Push()
        : Code is { } code ? new FactorProof.Code(Method, code) : null;

    internal static LoginRequest Read(JsonBody body)
    {
        var mfaToken = body.Text("mfaToken", FactorMembers.LongestTicket) is { Length: > 0 } half ? half : null;
        var passkeyToken = body.Text("passkeyToken", FactorMembers.LongestTicket) is { Length: > 0 } passkey ? passkey : null;
        var byPassword = mfaToken is null && passkeyToken is null;
        var request = new LoginRequest
        {
            Email = body.Text("email", LongestIdentifier),
            UserName = body.Text("userName", LongestIdentifier) is { Length: > 0 } userName ? userName : body.Text("username", LongestIdentifier),
            PhoneNumber = body.Text("phoneNumber", LongestIdentifier),
            Password = byPassword ? body.Required("password", Formats.LongestPassword) : null,
            DeviceId = body.Text("deviceId", 200) is { Length: > 0 } device ? device : null,
            MfaToken = mfaToken,
            PasskeyToken = passkeyToken,
            Credential = byPassword ? null : body.Object("credential"),
            Code = byPassword ? null : body.Code("code") is { Length: > 0 } code ? code : null,
            Method = byPassword ? null : FactorMembers.Method(body),
            EnrolmentToken = mfaToken is null ? null : body.Text("enrolmentToken", FactorMembers.LongestTicket) is { Length: > 0 } enrolment ? enrolment : null,
            Name = mfaToken is null || passkeyToken is null ? null : FactorName.ReadOptional(body),
        };
        if (body.Problems.Count > 0)
        {
            return request;
        }

        if (byPassword && request is { Email: null or "", UserName: null or "", PhoneNumber: null or "" })
        {
            body.Problem("one of email, username, userName, phoneNumber should not be empty");
        }
        else if (passkeyToken is not null && request.Credential is null)
        {
            body.Problem("credential should not be empty");
        }
        else if (!byPassword && request.Proof is null)
        {
            body.Problem("code should not be empty");
        }

        return request;
    }
}
