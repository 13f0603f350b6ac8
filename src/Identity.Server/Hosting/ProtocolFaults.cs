// RFC 6749 §5.2 and RFC 7009 §2.2.1: our own faults at the JSON endpoints. An outage is a 503, and nothing is let through because of it.
using System.Data.Common;
using Identity.OAuth;
using Identity.Server.Endpoints;

namespace Identity.Server.Hosting;

/// <summary>Answers exceptions at the protocol's JSON endpoints, and turns outages into 503 for the pages.</summary>
internal sealed partial class ProtocolFaults(RequestDelegate next, ILogger<ProtocolFaults> logger)
{
    private static readonly string[] JsonEndpoints = ["/connect/token", "/connect/introspect", "/connect/revoke", "/connect/revocation", "/connect/userinfo", "/connect/jwks", "/.well-known"];

    public async Task InvokeAsync(HttpContext context)
    {
        if (!JsonEndpoints.Any(path => context.Request.Path.StartsWithSegments(path, StringComparison.OrdinalIgnoreCase)))
        {
            await next(context);
            return;
        }

        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to be answered.
        }
        catch (Exception exception) when (!context.Response.HasStarted)
        {
            LogFault(exception, context.Request.Path);
            context.Response.Clear();
            var outage = IsOutage(exception);
            if (outage)
            {
                context.Response.Headers.RetryAfter = "5";
            }

            await ProtocolResponses.WriteAsync(context, outage
                ? new OAuthError(OAuthErrors.TemporarilyUnavailable, "The service cannot answer now. Try again later.", StatusCodes.Status503ServiceUnavailable)
                : new OAuthError(OAuthErrors.ServerError, "Something went wrong on our side.", StatusCodes.Status500InternalServerError));
        }
    }

    public static bool IsOutage(Exception exception) => exception is DbException or TimeoutException or IOException or InvalidOperationException { InnerException: DbException or TimeoutException } || exception.InnerException is DbException;

    [LoggerMessage(5002, LogLevel.Error, "A request to {Path} failed")]
    private partial void LogFault(Exception exception, string path);
}
