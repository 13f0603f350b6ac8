using System.Globalization;
using System.Text.Json.Nodes;
using Identity.Accounts.SecondFactors;
using Identity.Api.Contracts;
using Identity.Api.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Identity.Api.Failures;

/// <summary>A failure as every path under /api/identity answers it: statusCode, message, error, errorCode.</summary>
/// <param name="StatusCode">The HTTP status.</param>
/// <param name="ErrorCode">One of <see cref="ErrorCodes"/>.</param>
/// <param name="Messages">Plain English without a piece of the request.</param>
internal sealed record Failure(int StatusCode, string ErrorCode, IReadOnlyList<string> Messages) : IActionResult
{
    public Failure(int statusCode, string errorCode, string message) : this(statusCode, errorCode, [message])
    {
    }

    /// <summary>Sent with 429 and 503.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Members beside the usual ones.</summary>
    public JsonObject? More { get; init; }

    /// <summary>What finds our own fault in the log.</summary>
    public string? TraceId { get; init; }

    /// <summary><c>message</c> is an array only for a body that does not validate.</summary>
    public static Failure Validation(IReadOnlyList<string> problems) => new(StatusCodes.Status400BadRequest, ErrorCodes.ValidationFailed, problems);

    public static Failure EmptyBody() => Validation(["the body should not be empty"]);

    public static Failure TooManyRequests(TimeSpan retryAfter) =>
        new(StatusCodes.Status429TooManyRequests, ErrorCodes.TooManyRequests, "Too many requests. Try again later.") { RetryAfter = retryAfter };

    /// <summary>The first factor was right, and one of the methods has to follow; there is none where the account has to get one first, and then <c>enrol</c> says which.</summary>
    public static Failure MfaRequired(HalfSignIn half)
    {
        var more = new JsonObject { ["mfaToken"] = half.Ticket, ["methods"] = new JsonArray([.. half.Methods.Select(method => JsonValue.Create(method))]) };
        if (half.Enrols)
        {
            more["enrol"] = new JsonArray([.. FirstFactor.Kinds.Select(kind => JsonValue.Create(kind))]);
        }

        return new(StatusCodes.Status401Unauthorized, ErrorCodes.MfaRequired, half.Enrols ? "A second factor is required, and the account has none yet: add one with login/enrol/totp or login/enrol/passkey, or in a browser." : "A second factor is required.")
        {
            More = more,
        };
    }

    /// <summary>Says how much is taken at that address.</summary>
    public static Failure BodyTooLarge(long maximumBytes) =>
        new(StatusCodes.Status413PayloadTooLarge, ErrorCodes.BodyTooLarge, string.Create(CultureInfo.InvariantCulture, $"The body is larger than {(maximumBytes >> 30 > 0 ? $"{maximumBytes >> 30} GB" : $"{maximumBytes >> 10} KB")}."));

    /// <summary>What a status alone says.</summary>
    public static Failure OfStatus(int statusCode) => statusCode switch
    {
        400 => new(400, ErrorCodes.InvalidRequest, "The request cannot be understood."),
        401 => new(401, ErrorCodes.Unauthorized, "An access token is required."),
        403 => new(403, ErrorCodes.Forbidden, "This is not yours to see or do."),
        404 => new(404, ErrorCodes.NotFound, "There is nothing at this address."),
        405 => new(405, ErrorCodes.MethodNotAllowed, "This address does not answer this method."),
        406 => new(406, ErrorCodes.NotAcceptable, "Only application/json is answered."),
        413 => BodyTooLarge(ContractInputFormatter.MaximumBytes),
        415 => new(415, ErrorCodes.UnsupportedMediaType, "Expected a body of type application/json in UTF-8."),
        429 => TooManyRequests(TimeSpan.FromMinutes(1)),
        503 => new(503, ErrorCodes.ServiceUnavailable, "The service cannot answer now. Try again later.") { RetryAfter = TimeSpan.FromSeconds(5) },
        >= 400 and < 500 => new(statusCode, ErrorCodes.InvalidRequest, "The request was refused."),
        _ => new(statusCode, ErrorCodes.InternalError, "Something went wrong on our side."),
    };

    public Task ExecuteResultAsync(ActionContext context) => WriteAsync(context.HttpContext);

    public async Task WriteAsync(HttpContext context)
    {
        var response = context.Response;
        response.StatusCode = StatusCode;
        response.ContentType = "application/json; charset=utf-8";
        response.Headers.CacheControl = "no-store";
        if (RetryAfter is { } wait)
        {
            response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        }

        if (StatusCode == StatusCodes.Status401Unauthorized && !response.Headers.ContainsKey(HeaderNames.WWWAuthenticate))
        {
            // RFC 9110 §15.5.2: every 401 names a way in. A challenge that says more was set before.
            response.Headers.WWWAuthenticate = "Bearer";
        }

        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.WriteAsync(ToJson().ToJsonString(ContractJson.Options), context.RequestAborted);
        }
    }

    public JsonObject ToJson()
    {
        var json = new JsonObject
        {
            ["statusCode"] = StatusCode,
            ["message"] = string.Equals(ErrorCode, ErrorCodes.ValidationFailed, StringComparison.Ordinal) ? new JsonArray([.. Messages.Select(message => JsonValue.Create(message))]) : Messages[0],
            ["error"] = ReasonPhrases.GetReasonPhrase(StatusCode),
            ["errorCode"] = ErrorCode,
        };
        foreach (var (name, value) in More ?? [])
        {
            json[name] = value?.DeepClone();
        }

        if (TraceId is not null)
        {
            json["traceId"] = TraceId;
        }

        return json;
    }
}
