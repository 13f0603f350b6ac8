using System.Text.Json.Nodes;
using Identity.Api.Json;
using Microsoft.AspNetCore.Mvc.ModelBinding.Validation;

namespace Identity.Api.Contracts;

/// <summary>Body of POST /register.</summary>
[ValidateNever]
public sealed record RegisterRequest : IBringsMetadata
{
    /// <summary>The e-mail address.</summary>
    public required string Email { get; init; }

    /// <summary>The password.</summary>
    public required string Password { get; init; }

    /// <summary>A name to sign in with.</summary>
    public string? UserName { get; init; }

    /// <summary>E.164.</summary>
    public string? PhoneNumber { get; init; }

    /// <summary>Given name.</summary>
    public string? FirstName { get; init; }

    /// <summary>Family name.</summary>
    public string? LastName { get; init; }

    /// <summary>Free members, at most 16 KB.</summary>
    public JsonObject? Metadata { get; init; }

    internal static RegisterRequest Read(JsonBody body) => new()
    {
        Email = body.RequiredEmail("email"),
        Password = body.NewPassword("password", Formats.LongestPassword),
        UserName = body.ChosenUserName("userName"),
        PhoneNumber = body.PhoneNumber("phoneNumber"),
        FirstName = body.PersonName("firstName"),
        LastName = body.PersonName("lastName"),
        Metadata = body.Metadata("metadata"),
    };
}
