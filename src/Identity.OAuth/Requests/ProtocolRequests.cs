// RFC 6749 §3.1, §3.2 and appendix B, RFC 9110 §9.3.2 and §15.5.6: what is told of a request before OpenIddict reads it, which takes GET where it should not,
// keeps the last of two parameters, and throws over forms that are none.
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Identity.OAuth.Requests;

/// <summary>Reads the parameters of a protocol request once, by one rule everywhere, and puts them where OpenIddict looks. Before <c>UseAuthentication</c>.</summary>
public sealed class ProtocolRequests(RequestDelegate next, ILoggerFactory loggers)
{
    /// <summary>No honest request comes near.</summary>
    private const int MaximumBody = 256 * 1024;

    private static readonly FormOptions Limits = new() { ValueCountLimit = RequestParameters.MaximumCount + 60, KeyLengthLimit = 2048, ValueLengthLimit = 64 * 1024, BufferBodyLengthLimit = MaximumBody, MemoryBufferThreshold = MaximumBody };

    /// <summary>Whether clients prove themselves at this address (RFC 6749 §2.3).</summary>
    public static bool IsForClients(HttpRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return ProtocolEndpoints.KindOf(request.Path) == EndpointKind.Form;
    }

    public async Task InvokeAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (ProtocolEndpoints.KindOf(context.Request.Path) is not { } kind)
        {
            await next(context);
            return;
        }

        var method = context.Request.Method;
        if (kind != EndpointKind.Page)
        {
            NameRoute(context, context.Request.Path.Value!.ToLowerInvariant());
        }

        if (HttpMethods.IsOptions(method) && ProtocolEndpoints.IsForScripts(context.Request.Path))
        {
            await next(context);
            return;
        }

        var isRead = HttpMethods.IsGet(method) || HttpMethods.IsHead(method);
        if (!(HttpMethods.IsPost(method) ? kind != EndpointKind.Document : isRead && kind != EndpointKind.Form))
        {
            context.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            context.Response.Headers.Allow = kind switch { EndpointKind.Form => "POST", EndpointKind.Document => "GET, HEAD", _ => "GET, HEAD, POST" };
            return;
        }

        if (await ReadAsync(context, kind) is { } error)
        {
            await RefuseAsync(context, kind, error);
            return;
        }

        if (HttpMethods.IsHead(method))
        {
            // RFC 9110 §9.3.2: as GET, without a body.
            context.Request.Method = HttpMethods.Get;
            context.Response.Body = Stream.Null;
        }

        await next(context);
    }

    // OpenIddict's own endpoints are no routes: without this, traces and metrics would call all of them by their method.
    private static void NameRoute(HttpContext context, string route)
    {
        if (context.Features.Get<IHttpActivityFeature>()?.Activity is { } activity)
        {
            activity.DisplayName = $"{context.Request.Method} {route}";
            activity.SetTag("http.route", route);
        }

        context.Features.Get<IHttpMetricsTagsFeature>()?.Tags.Add(new KeyValuePair<string, object?>("http.route", route));
    }

    private static async Task<OAuthError?> ReadAsync(HttpContext context, EndpointKind kind)
    {
        var request = context.Request;
        if (request.Headers.Authorization.Count > 1)
        {
            return new OAuthError(OAuthErrors.InvalidRequest, "More than one Authorization header was sent.");
        }

        if (kind == EndpointKind.Document)
        {
            return null;
        }

        if (HttpMethods.IsPost(request.Method) && (kind != EndpointKind.Resource || request.HasFormContentType))
        {
            return await ReadFormAsync(context);
        }

        if (kind != EndpointKind.Page)
        {
            return null;
        }

        if (!RequestParameters.Read(request.Query.Select(pair => KeyValuePair.Create(pair.Key, (IReadOnlyList<string?>)pair.Value.ToArray()))).TryGet(out var query, out var error))
        {
            return error;
        }

        request.Query = new QueryCollection(query.Names.ToDictionary(name => name, name => new StringValues([.. query.All(name)]), StringComparer.Ordinal));
        return null;
    }

    private static async Task<OAuthError?> ReadFormAsync(HttpContext context)
    {
        // application/x-www-form-urlencoded and nothing else: a JSON or multipart body is a mistake that must be told.
        var request = context.Request;
        if (request.ContentType is not { } type || !type.Split(';')[0].Trim().Equals("application/x-www-form-urlencoded", StringComparison.OrdinalIgnoreCase))
        {
            return new OAuthError(OAuthErrors.InvalidRequest, "The body must be application/x-www-form-urlencoded.");
        }

        if (BodyCoding.IsCompressed(request))
        {
            return new OAuthError(OAuthErrors.InvalidRequest, "The body must come as it is: without Content-Encoding.");
        }

        if (!HasReadableCharset(request))
        {
            return new OAuthError(OAuthErrors.InvalidRequest, "The body must be UTF-8.");
        }

        if (request.ContentLength > MaximumBody)
        {
            return new OAuthError(OAuthErrors.InvalidRequest, "The body is too large.");
        }

        try
        {
            var form = await new FormFeature(request, Limits).ReadFormAsync(context.RequestAborted);
            if (!RequestParameters.Read(form.Select(pair => KeyValuePair.Create(pair.Key, (IReadOnlyList<string?>)pair.Value.ToArray()))).TryGet(out var parameters, out var error))
            {
                return error;
            }

            context.Features.Set<IFormFeature>(new FormFeature(new FormCollection(parameters.Names.ToDictionary(name => name, name => new StringValues([.. parameters.All(name)]), StringComparer.Ordinal))));
            return null;
        }
        catch (Exception exception) when (exception is InvalidDataException or BadHttpRequestException)
        {
            return new OAuthError(OAuthErrors.InvalidRequest, "The body is too large or malformed.");
        }
    }

    /// <summary>
    /// False for a form in another encoding than UTF-8 (RFC 6749 appendix B), which the platform would read as it says, so that we saw
    /// something else than what checked it before us; and for UTF-7 it throws.
    /// </summary>
    public static bool HasReadableCharset(HttpRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return !MediaTypeHeaderValue.TryParse(request.ContentType, out var type)
            || !type.Charset.HasValue
            || type.Charset.Value!.Trim('"').ToUpperInvariant() is "UTF-8" or "UTF8" or "US-ASCII";
    }

    private Task RefuseAsync(HttpContext context, EndpointKind kind, OAuthError error)
    {
        RefusalLog.Refused(loggers.CreateLogger("Identity.OAuth"), context.Request.Path, "an unknown client", error.Code, error.Description);
        context.Response.StatusCode = error.Status;
        if (kind == EndpointKind.Page)
        {
            // The host shows a page for a status without a body.
            context.Features.Set(error);
            return Task.CompletedTask;
        }

        return ProtocolAnswers.WriteAsync(context, error);
    }
}

/// <summary>RFC 6749 §5.2: errors that are told before OpenIddict has a say, in the same form.</summary>
public static class ProtocolAnswers
{
    public static Task WriteAsync(HttpContext context, OAuthError error)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(error);
        context.Response.StatusCode = error.Status;
        context.Response.ContentType = "application/json;charset=UTF-8";
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.Pragma = "no-cache";
        if (error.Challenge is not null)
        {
            context.Response.Headers.WWWAuthenticate = error.Challenge;
        }

        return context.Response.WriteAsync(new JsonObject { ["error"] = error.Code, ["error_description"] = error.Description }.ToJsonString(), context.RequestAborted);
    }
}
