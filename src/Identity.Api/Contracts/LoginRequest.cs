using Identity.Api.Json;
using Microsoft.AspNetCore.Mvc.ModelBinding.Validation;

namespace Identity.Api.Contracts;

/// <summary>Body of POST /login: a password and one of email, username, userName, phoneNumber.</summary>
[ValidateNever]
public sealed record LoginRequest
{
    private const int LongestIdentifier = 254;

    public string? Email { get; init; }

    /// <summary>Or <c>username</c>, as older clients spell it.</summary>
    public string? UserName { get; init; }

    public string? PhoneNumber { get; init; }

    public required string Password { get; init; }

    /// <summary>What the caller calls its device; kept with the session.</summary>
    public string? DeviceId { get; init; }

    internal static LoginRequest Read(JsonBody body)
    {
        var request = new LoginRequest
        {
            Email = body.Text("email", LongestIdentifier),
            UserName = body.Text("userName", LongestIdentifier) is { Length: > 0 } userName ? userName : body.Text("username", LongestIdentifier),
            PhoneNumber = body.Text("phoneNumber", LongestIdentifier),
            Password = body.Required("password", Formats.LongestPassword),
            DeviceId = body.Text("deviceId", 200),
        };
        if (body.Problems.Count == 0 && request is { Email: null or "", UserName: null or "", PhoneNumber: null or "" })
        {
            body.Problem("one of email, username, userName, phoneNumber should not be empty");
        }

        return request;
    }
}
