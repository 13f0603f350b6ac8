using Identity.Api.Json;
using Microsoft.AspNetCore.Mvc.ModelBinding.Validation;

namespace Identity.Api.Contracts;

/// <summary>Body of POST /sso/openam.</summary>
[ValidateNever]
public sealed record SsoRequest
{
    /// <summary>The value of OpenAM's session cookie.</summary>
    public required string SsoToken { get; init; }

    internal static SsoRequest Read(JsonBody body) => new() { SsoToken = body.Required("ssoToken", 4096) };
}
