using Identity.Accounts.SecondFactors;
using Identity.Api.Failures;

namespace Identity.Api.OpenApi;

/// <summary>A failure that a route can answer with, for the OpenAPI document.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class FailsAttribute(int statusCode, string errorCode, params string[] messages) : Attribute
{
    public int StatusCode { get; } = statusCode;

    public string ErrorCode { get; } = errorCode;

    /// <summary>What <c>message</c> says.</summary>
    public IReadOnlyList<string> Messages { get; } = messages;

    internal Failure Failure => ErrorCode == ErrorCodes.MfaRequired ? Failure.MfaRequired(new HalfSignIn("CfDJ8…", ["totp", "recovery_code"])) : new(StatusCode, ErrorCode, Messages);
}

/// <summary>A success that is a file, for the OpenAPI document.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SendsFileAttribute(params string[] mediaTypes) : Attribute
{
    /// <summary>What it can be.</summary>
    public IReadOnlyList<string> MediaTypes { get; } = mediaTypes;
}

/// <summary>An example of a request body, as JSON.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RequestExampleAttribute(string json) : Attribute
{
    public string Json { get; } = json;
}

/// <summary>A body that is read as it arrives, and is not JSON.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RawBodyAttribute(string contentType, string description, string example) : Attribute
{
    public string ContentType { get; } = contentType;

    public string Description { get; } = description;

    public string Example { get; } = example;
}
