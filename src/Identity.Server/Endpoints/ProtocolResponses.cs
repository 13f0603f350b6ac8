// RFC 6749 §5.1 and §5.2: how the JSON endpoints answer.
using System.Text.Json.Nodes;
using Identity.OAuth;

namespace Identity.Server.Endpoints;

/// <summary>Writes answers: JSON, in no cache, errors with their status and challenge.</summary>
internal static partial class ProtocolResponses
{
    private static readonly JsonNode Empty = new JsonObject();

    public static Task WriteAsync(HttpContext context, JsonNode body, int status = StatusCodes.Status200OK)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.Pragma = "no-cache";
        return context.Response.WriteAsync(body.ToJsonString(), context.RequestAborted);
    }

    public static Task WriteAsync(HttpContext context, OAuthError error)
    {
        LogRefused(context.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger("Identity.Server.Endpoints"), context.Request.Path, error.Code, error.Detail ?? error.Description);
        if (error.Challenge is not null)
        {
            context.Response.Headers.WWWAuthenticate = error.Challenge;
        }

        return WriteAsync(context, new JsonObject { ["error"] = error.Code, ["error_description"] = error.Description }, error.Status);
    }

    public static OAuthError TwoAuthorizations { get; } = new(OAuthErrors.InvalidRequest, "More than one Authorization header was sent.");

    public static JsonNode EmptyObject => Empty.DeepClone();

    [LoggerMessage(5101, LogLevel.Information, "{Endpoint} refused a request: {Error} ({Detail})")]
    private static partial void LogRefused(ILogger logger, string endpoint, string error, string detail);
}
