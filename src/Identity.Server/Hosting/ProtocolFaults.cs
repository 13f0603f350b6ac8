// RFC 6749 §5.2 and RFC 7009 §2.2.1: our own faults at the JSON endpoints. An outage is a 503, and nothing is let through because of it.
using Identity.OAuth;
using Identity.OAuth.Requests;
using Identity.OAuth.Storage;

namespace Identity.Server.Hosting;

/// <summary>Answers exceptions at the protocol's JSON endpoints. (People are told by the status page.)</summary>
internal sealed partial class ProtocolFaults(RequestDelegate next, OutageTraces traces, ILogger<ProtocolFaults> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        if (ProtocolEndpoints.KindOf(context.Request.Path) is null or EndpointKind.Page && !context.Request.Path.StartsWithSegments("/.well-known", StringComparison.OrdinalIgnoreCase))
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
            if (StoreOutage.Is(exception) && !StoreOutage.IsBusy(exception) && OutageTraces.Kind(exception) is var kind && !traces.IsDue(kind))
            {
                LogRefused(context.Request.Path, kind);
            }
            else if (!StoreOutage.IsBusy(exception))
            {
                LogFault(exception, context.Request.Path);
            }

            context.Response.StartOver();
            var outage = StoreOutage.Is(exception);
            if (outage)
            {
                context.Response.Headers.RetryAfter = StoreOutage.RetryAfter;
            }

            await ProtocolAnswers.WriteAsync(context, outage
                ? new OAuthError(OAuthErrors.TemporarilyUnavailable, "The service cannot answer now. Try again later.", StatusCodes.Status503ServiceUnavailable)
                : new OAuthError(OAuthErrors.ServerError, "Something went wrong on our side.", StatusCodes.Status500InternalServerError));
        }
    }

    [LoggerMessage(5002, LogLevel.Error, "A request to {Path} failed")]
    private partial void LogFault(Exception exception, string path);

    [LoggerMessage(5014, LogLevel.Error, "A request to {Path} was refused, as others before it whose stack trace was told: {Kind}")]
    private partial void LogRefused(string path, string kind);
}
