using Identity.Api.Json;
using Microsoft.AspNetCore.Mvc.ModelBinding.Validation;

namespace Identity.Api.Contracts;

/// <summary>Body of POST /password/change.</summary>
[ValidateNever]
public sealed record ChangePasswordRequest
{
    public required string CurrentPassword { get; init; }

    public required string NewPassword { get; init; }

    internal static ChangePasswordRequest Read(JsonBody body) => new()
    {
        CurrentPassword = body.Required("currentPassword", Formats.LongestPassword),
        NewPassword = body.NewPassword("newPassword", Formats.LongestPassword),
    };
}

/// <summary>Body of POST /password/forgot.</summary>
[ValidateNever]
public sealed record ForgotPasswordRequest
{
    public required string Email { get; init; }

    internal static ForgotPasswordRequest Read(JsonBody body) => new() { Email = body.RequiredEmail("email") };
}

/// <summary>Body of POST /password/reset.</summary>
[ValidateNever]
public sealed record ResetPasswordRequest
{
    public required string Email { get; init; }

    /// <summary>The code that the mail brought.</summary>
    public required string Code { get; init; }

    public required string NewPassword { get; init; }

    internal static ResetPasswordRequest Read(JsonBody body) => new()
    {
        Email = body.RequiredEmail("email"),
        Code = body.RequiredCode("code"),
        NewPassword = body.NewPassword("newPassword", Formats.LongestPassword),
    };
}
