using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Passwords;
using Identity.Api.Json;
using Microsoft.AspNetCore.Mvc.ModelBinding.Validation;

namespace Identity.Api.Contracts;

/// <summary>Body of POST /users. A password, a hash of another system, or neither: then the person asks for a code to set one.</summary>
[ValidateNever]
public sealed record CreateUserRequest : IBringsMetadata
{
    /// <summary>The e-mail address.</summary>
    public required string Email { get; init; }

    /// <summary>The password.</summary>
    public string? Password { get; init; }

    /// <summary>bcrypt, Argon2, PBKDF2, scrypt or ASP.NET Core Identity's; stored anew at the first sign-in.</summary>
    public string? PasswordHash { get; init; }

    /// <summary>A name to sign in with.</summary>
    public string? UserName { get; init; }

    /// <summary>E.164.</summary>
    public string? PhoneNumber { get; init; }

    /// <summary>Given name.</summary>
    public string? FirstName { get; init; }

    /// <summary>Family name.</summary>
    public string? LastName { get; init; }

    /// <summary>Whether the address needs no proof any more.</summary>
    public bool? EmailVerified { get; init; }

    /// <summary>Whether the number needs no proof any more.</summary>
    public bool? PhoneNumberVerified { get; init; }

    /// <summary>True unless it is said.</summary>
    public bool? IsActive { get; init; }

    /// <summary>What tokens carry; each must exist.</summary>
    public IReadOnlyList<string>? Roles { get; init; }

    /// <summary>Free members, at most 16 KB.</summary>
    public JsonObject? Metadata { get; init; }

    internal static CreateUserRequest Read(JsonBody body)
    {
        var request = new CreateUserRequest
        {
            Email = body.RequiredEmail("email"),
            Password = body.HasValue("password") ? body.NewPassword("password", Formats.LongestPassword) : null,
            PasswordHash = body.Text("passwordHash", int.MaxValue) is { Length: > 0 } brought ? brought : null,
            UserName = body.UserName("userName"),
            PhoneNumber = body.PhoneNumber("phoneNumber"),
            FirstName = body.PersonName("firstName"),
            LastName = body.PersonName("lastName"),
            EmailVerified = body.Flag("emailVerified"),
            PhoneNumberVerified = body.Flag("phoneNumberVerified"),
            IsActive = body.Flag("isActive"),
            Roles = body.Texts("roles", AccountRules.MostRoles, AccountRules.LongestRole),
            Metadata = body.Metadata("metadata"),
        };
        if (request.PasswordHash is { } hash && BroughtHashes.FindProblem(hash) is { } problem)
        {
            body.Problem("passwordHash " + problem);
        }

        if (request is { Password: not null, PasswordHash: not null })
        {
            body.Problem("only one of password, passwordHash should be given");
        }

        return request;
    }
}

/// <summary>Body of POST /users/{id}/password.</summary>
[ValidateNever]
public sealed record SetPasswordRequest
{
    /// <summary>The password from now on.</summary>
    public required string NewPassword { get; init; }

    /// <summary>Of an administrator, for their own account; not needed within ten minutes of a sign-in.</summary>
    public string? CurrentPassword { get; init; }

    internal static SetPasswordRequest Read(JsonBody body) => new()
    {
        NewPassword = body.NewPassword("newPassword", Formats.LongestPassword),
        CurrentPassword = body.Text("currentPassword", Formats.LongestPassword),
    };
}

/// <summary>Body of DELETE /users/{id}, where the person deletes itself; nothing after a sign-in of the last minutes.</summary>
[ValidateNever]
public sealed record DeleteUserRequest
{
    /// <summary>The password that is still in force.</summary>
    public string? CurrentPassword { get; init; }

    internal static DeleteUserRequest Read(JsonBody body) => new() { CurrentPassword = body.Text("currentPassword", Formats.LongestPassword) };
}

/// <summary>Body of PUT /roles/{name}.</summary>
[ValidateNever]
public sealed record PutRoleRequest
{
    /// <summary>For people.</summary>
    public string? Description { get; init; }

    internal static PutRoleRequest Read(JsonBody body) => new() { Description = body.Text("description", 500) };
}
