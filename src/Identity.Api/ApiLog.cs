using Microsoft.Extensions.Logging;

namespace Identity.Api;

internal static partial class ApiLog
{
    [LoggerMessage(4000, LogLevel.Error, "A request to /api/identity failed on our side. Trace id {TraceId}.")]
    public static partial void RequestFailed(this ILogger logger, string traceId, Exception exception);

    [LoggerMessage(4002, LogLevel.Error, "A request to /api/identity was refused, as others before it whose stack trace was told: {Kind}. Trace id {TraceId}.")]
    public static partial void RequestRefused(this ILogger logger, string traceId, string kind);
}
