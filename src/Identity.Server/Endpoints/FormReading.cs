// RFC 6749 §3.1, §3.2 and appendix B: parameters come form-encoded, within bounds.
using Identity.OAuth;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;

namespace Identity.Server.Endpoints;

/// <summary>Reads the parameters of a protocol request.</summary>
internal static class FormReading
{
    /// <summary>No honest request comes near.</summary>
    private const int MaximumBody = 256 * 1024;

    private static readonly FormOptions Limits = new() { ValueCountLimit = RequestParameters.MaximumCount + 60, KeyLengthLimit = 2048, ValueLengthLimit = 64 * 1024, BufferBodyLengthLimit = MaximumBody, MemoryBufferThreshold = MaximumBody };

    public static Outcome<RequestParameters> ReadQuery(HttpRequest request) => RequestParameters.Read(request.Query.Select(pair => KeyValuePair.Create(pair.Key, (IReadOnlyList<string?>)pair.Value.ToArray())));

    public static async Task<Outcome<RequestParameters>> ReadFormAsync(HttpRequest request)
    {
        // application/x-www-form-urlencoded and nothing else: a JSON or multipart body is a mistake that must be told.
        if (request.ContentType is not { } type || !type.Split(';')[0].Trim().Equals("application/x-www-form-urlencoded", StringComparison.OrdinalIgnoreCase))
        {
            return new OAuthError(OAuthErrors.InvalidRequest, "The body must be application/x-www-form-urlencoded.");
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
            var form = await new FormFeature(request, Limits).ReadFormAsync(request.HttpContext.RequestAborted);
            return RequestParameters.Read(form.Select(pair => KeyValuePair.Create(pair.Key, (IReadOnlyList<string?>)pair.Value.ToArray())));
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
    public static bool HasReadableCharset(HttpRequest request) =>
        !MediaTypeHeaderValue.TryParse(request.ContentType, out var type)
        || !type.Charset.HasValue
        || type.Charset.Value!.Trim('"').ToUpperInvariant() is "UTF-8" or "UTF8" or "US-ASCII";

    /// <summary>False where two Authorization headers were sent.</summary>
    public static bool TryReadAuthorization(HttpRequest request, out string? authorization)
    {
        var values = request.Headers.Authorization;
        authorization = values.Count == 1 ? values[0] : null;
        return values.Count <= 1;
    }
}
