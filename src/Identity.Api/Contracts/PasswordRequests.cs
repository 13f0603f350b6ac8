using Identity.Api.Json;
using Microsoft.AspNetCore.Mvc.ModelBinding.Validation;

namespace Identity.Api.Contracts;

/// <summary>Body of POST /password/change.</summary>
[ValidateNever]
public sealed record ChangePasswordRequest
{
    /// <summary>The password that is still in force.</summary>
    public required string CurrentPassword { get; init; }

    /// <summary>The password from now on.</summary>
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
    /// <summary>The e-mail address.</summary>
    public required string Email { get; init; }

    internal static ForgotPasswordRequest Read(JsonBody body) => new() { Email = body.RequiredEmail("email") };
}

/// <summary>Body of POST /password/reset.</summary>
[ValidateNever]
public sealed record ResetPasswordRequest
{
    /// <summary>The e-mail address.</summary>
    public required string Email { get; init; }

    /// <summary>The code that the mail brought.</summary>
    public required string Code { get; init; }

    /// <summary>The password from now on.</summary>
    public required string NewPassword { get; init; }

    internal static ResetPasswordRequest Read(JsonBody body) => new()
    {
        Email = body.RequiredEmail("email"),
        Code = body.RequiredCode("code"),
        NewPassword = body.NewPassword("newPassword", Formats.LongestPassword),
    };
}
