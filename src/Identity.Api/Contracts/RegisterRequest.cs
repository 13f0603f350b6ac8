using System.Text.Json.Nodes;
using Identity.Api.Json;
using Microsoft.AspNetCore.Mvc.ModelBinding.Validation;

namespace Identity.Api.Contracts;

/// <summary>Body of POST /register.</summary>
[ValidateNever]
public sealed record RegisterRequest
{
    public required string Email { get; init; }

    public required string Password { get; init; }

    public string? UserName { get; init; }

    /// <summary>E.164.</summary>
    public string? PhoneNumber { get; init; }

    public string? FirstName { get; init; }

    public string? LastName { get; init; }

    /// <summary>Free members, at most 16 KB.</summary>
    public JsonObject? Metadata { get; init; }

    internal static RegisterRequest Read(JsonBody body) => new()
    {
        Email = body.RequiredEmail("email"),
        Password = body.NewPassword("password", Formats.LongestPassword),
        UserName = body.UserName("userName"),
        PhoneNumber = body.PhoneNumber("phoneNumber"),
        FirstName = body.PersonName("firstName"),
        LastName = body.PersonName("lastName"),
        Metadata = body.Metadata("metadata"),
    };
}
