using Identity.Accounts;
using Identity.Api.Json;
using Microsoft.AspNetCore.Mvc.ModelBinding.Validation;

namespace Identity.Api.Contracts;

/// <summary>Body of POST /otp/generate: one of userId, email, phoneNumber.</summary>
[ValidateNever]
public sealed record GenerateOtpRequest
{
    private static readonly string[] Channels = ["email", "sms", "push"];

    /// <summary>The id of the user.</summary>
    public Guid? UserId { get; init; }

    /// <summary>The e-mail address.</summary>
    public string? Email { get; init; }

    /// <summary>E.164.</summary>
    public string? PhoneNumber { get; init; }

    /// <summary>email, sms or push; by default the one that fits the identifier.</summary>
    public string? Channel { get; init; }

    /// <summary>verification, login, password_reset, transaction, or a word of the caller's.</summary>
    public string? Purpose { get; init; }

    internal static GenerateOtpRequest Read(JsonBody body)
    {
        var request = new GenerateOtpRequest
        {
            UserId = body.Id("userId"),
            Email = body.Email("email"),
            PhoneNumber = body.PhoneNumber("phoneNumber"),
            Channel = body.Text("channel", 16) is { Length: > 0 } channel ? channel : null,
            Purpose = OtpMembers.Purpose(body),
        };
        if (request.Channel is not null && !Channels.Contains(request.Channel, StringComparer.Ordinal))
        {
            body.Problem("channel must be one of the following values: email, sms, push");
        }

        if (body.Problems.Count == 0)
        {
            OtpMembers.OneIdentifier(body, request.UserId, request.Email, request.PhoneNumber);
        }

        return request;
    }
}

/// <summary>Body of POST /otp/verify: otpId, or one of userId, email, phoneNumber and the purpose; and the code.</summary>
[ValidateNever]
public sealed record VerifyOtpRequest
{
    /// <summary>Of the answer of otp/generate.</summary>
    public Guid? OtpId { get; init; }

    /// <summary>The id of the user.</summary>
    public Guid? UserId { get; init; }

    /// <summary>The e-mail address.</summary>
    public string? Email { get; init; }

    /// <summary>E.164.</summary>
    public string? PhoneNumber { get; init; }

    /// <summary>What the code was asked for.</summary>
    public string? Purpose { get; init; }

    /// <summary>As the person typed it.</summary>
    public string? Code { get; init; }

    /// <summary>The same as <c>code</c>.</summary>
    public string? Otp { get; init; }

    internal static VerifyOtpRequest Read(JsonBody body)
    {
        var request = new VerifyOtpRequest
        {
            OtpId = body.Id("otpId"),
            UserId = body.Id("userId"),
            Email = body.Email("email"),
            PhoneNumber = body.PhoneNumber("phoneNumber"),
            Purpose = OtpMembers.Purpose(body),
            Code = body.Code("code"),
            Otp = body.Code("otp"),
        };
        if (body.Problems.Count == 0 && string.IsNullOrEmpty(request.Code) && string.IsNullOrEmpty(request.Otp))
        {
            body.Problem("code should not be empty");
        }

        if (body.Problems.Count == 0 && request.OtpId is null)
        {
            OtpMembers.OneIdentifier(body, request.UserId, request.Email, request.PhoneNumber, "otpId, ");
        }

        return request;
    }
}

internal static class OtpMembers
{
    public static string? Purpose(JsonBody body)
    {
        var before = body.Problems.Count;
        var purpose = body.Text("purpose", int.MaxValue)?.Trim();
        if (body.Problems.Count == before && !string.IsNullOrEmpty(purpose) && !AccountRules.IsPurpose(purpose))
        {
            body.Problem("purpose " + AccountRules.PurposeRule);
        }

        return string.IsNullOrEmpty(purpose) ? null : purpose;
    }

    public static void OneIdentifier(JsonBody body, Guid? userId, string? email, string? phoneNumber, string orElse = "")
    {
        var count = (userId is null ? 0 : 1) + (email is null ? 0 : 1) + (phoneNumber is null ? 0 : 1);
        if (count != 1)
        {
            body.Problem(count == 0 ? $"one of {orElse}userId, email, phoneNumber should not be empty" : "only one of userId, email, phoneNumber should be given");
        }
    }
}
