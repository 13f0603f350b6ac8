using System.Diagnostics;
using Identity.Api.Controllers;
using Identity.Api.Json;
using Identity.OAuth.Requests;
using Identity.OAuth.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Identity.Api.Failures;

/// <summary>
/// Sees to it that whatever goes wrong under /api/identity is told in the contract's shape: what routing refused (404, 405, 415),
/// what the server refused (broken requests, bodies too large), a store that is away, and our own faults.
/// </summary>
internal sealed class FailureMiddleware(RequestDelegate next, OutageTraces traces, ILogger<FailureMiddleware> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        var maximumBytes = IsImport(context.Request) ? UserImportController.MaximumBytes : ContractInputFormatter.MaximumBytes;
        if (context.Request.ContentLength > maximumBytes)
        {
            await Failure.BodyTooLarge(maximumBytes).WriteAsync(context);
            return;
        }

        if (BodyCoding.IsCompressed(context.Request))
        {
            // RFC 9110 §12.5.3 and §15.5.16: what would be taken instead.
            context.Response.Headers.AcceptEncoding = "identity";
            await new Failure(StatusCodes.Status415UnsupportedMediaType, ErrorCodes.UnsupportedMediaType, "Bodies are taken as they are: without Content-Encoding.").WriteAsync(context);
            return;
        }

        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = maximumBytes;
        }

        // Error pages of the host are for people.
        if (context.Features.Get<Microsoft.AspNetCore.Diagnostics.IStatusCodePagesFeature>() is { } pages)
        {
            pages.Enabled = false;
        }

        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            if (!context.Response.HasStarted)
            {
                context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
            }

            return;
        }
        catch (BadHttpRequestException exception) when (!context.Response.HasStarted)
        {
            context.Response.StartOver();
            await (exception.StatusCode == StatusCodes.Status413PayloadTooLarge ? Failure.BodyTooLarge(maximumBytes) : Failure.OfStatus(exception.StatusCode)).WriteAsync(context);
            return;
        }
        catch (Exception exception) when (!context.Response.HasStarted)
        {
            var traceId = Activity.Current?.TraceId.ToString() ?? context.TraceIdentifier;
            if (StoreOutage.Is(exception) && !StoreOutage.IsBusy(exception) && OutageTraces.Kind(exception) is var kind && !traces.IsDue(kind))
            {
                logger.RequestRefused(traceId, kind);
            }
            else if (!StoreOutage.IsBusy(exception))
            {
                logger.RequestFailed(traceId, exception);
            }

            context.Response.StartOver();
            await (StoreOutage.Is(exception) ? Failure.OfStatus(StatusCodes.Status503ServiceUnavailable) : Failure.OfStatus(StatusCodes.Status500InternalServerError) with { TraceId = traceId }).WriteAsync(context);
            return;
        }

        var response = context.Response;
        if (response is { StatusCode: StatusCodes.Status405MethodNotAllowed, HasStarted: false } && response.Headers.Allow.ToString() is var allow && Methods(allow).Contains(HttpMethods.Get) && !Methods(allow).Contains(HttpMethods.Head))
        {
            // Routing does not know that HEAD is answered by the GET of the same address.
            response.Headers.Allow = allow + ", HEAD";
        }

        if (response is { StatusCode: >= 400, HasStarted: false, ContentType: null } && response.ContentLength is null or 0)
        {
            await Failure.OfStatus(response.StatusCode).WriteAsync(context);
        }
    }

    private static string[] Methods(string allow) => allow.Split(',', StringSplitOptions.TrimEntries);

    // The one body that is read as it arrives, by whom may send it.
    private static bool IsImport(HttpRequest request) =>
        HttpMethods.IsPost(request.Method) && request.Path.Equals(IdentityApiExtensions.Prefix + "/users/import", StringComparison.OrdinalIgnoreCase);
}
