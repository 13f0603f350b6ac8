using Identity.Api.Json;
using Microsoft.AspNetCore.Mvc.ModelBinding.Validation;

namespace Identity.Api.Contracts;

/// <summary>Body of POST /refresh-token.</summary>
[ValidateNever]
public sealed record RefreshTokenRequest
{
    /// <summary>The newest one.</summary>
    public required string RefreshToken { get; init; }

    internal static RefreshTokenRequest Read(JsonBody body) => new() { RefreshToken = body.Required("refreshToken", 4096) };
}

/// <summary>Body of POST /logout; none is needed beside a Bearer token.</summary>
[ValidateNever]
public sealed record LogoutRequest
{
    /// <summary>The newest one.</summary>
    public string? RefreshToken { get; init; }

    /// <summary>End all sessions of the user, not only this one.</summary>
    public bool AllSessions { get; init; }

    internal static LogoutRequest Read(JsonBody body) => new() { RefreshToken = body.Text("refreshToken", 4096), AllSessions = body.Flag("allSessions") ?? false };
}
