// OWASP ASVS 5.0 §2.2.1: text that no store takes is refused at the door. PostgreSQL has no NUL in a text, and what it says of one looks like an outage.
using Identity.OAuth;
using Identity.OAuth.Requests;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.Extensions.Primitives;

namespace Identity.Server.Hosting;

/// <summary>Refuses a NUL in the query or the form of whatever people come to: 400. The protocol's endpoints, with the page among them, and the API read the body themselves, and refuse it in their own way.</summary>
internal static class ReadableText
{
    public static async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (IsForPeople(context) && (HasNul(context.Request.Query) || HasNul(await FormAsync(context.Request))))
        {
            context.Features.Set(new OAuthError(OAuthErrors.InvalidRequest, "A parameter holds a NUL character."));
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }

        await next(context);
    }

    // The page that tells of it is made from the same request.
    private static bool IsForPeople(HttpContext context) =>
        context.Features.Get<IStatusCodeReExecuteFeature>() is null
        && context.Features.Get<IExceptionHandlerFeature>() is null
        && !context.Request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase)
        && ProtocolEndpoints.KindOf(context.Request.Path) is null;

    private static async ValueTask<IEnumerable<KeyValuePair<string, StringValues>>> FormAsync(HttpRequest request)
    {
        if (!request.HasFormContentType)
        {
            return [];
        }

        try
        {
            return await request.ReadFormAsync(request.HttpContext.RequestAborted);
        }
        catch (Exception unreadable) when (unreadable is IOException or InvalidDataException or InvalidOperationException)
        {
            // Kept by the request, and thrown again where the form is needed: there it is told what is wrong with it.
            return [];
        }
    }

    private static bool HasNul(IEnumerable<KeyValuePair<string, StringValues>> fields) =>
        fields.Any(field => field.Key.Contains('\0', StringComparison.Ordinal) || field.Value.Any(value => value is not null && value.Contains('\0', StringComparison.Ordinal)));
}
