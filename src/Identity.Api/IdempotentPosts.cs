// draft-ietf-httpapi-idempotency-key-header: a POST that is sent again makes and sends nothing twice.
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.Api.Authentication;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.OAuth.Storage;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Identity.Api;

/// <summary>
/// The route takes an Idempotency-Key. Every POST that makes or sends something has this, and so does every one that changes an account; which have not, and
/// why, is in docs/operations.md.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class IdempotentAttribute : Attribute, IAsyncActionFilter
{
    /// <summary>A member that is shown once, and null in a repeat: it is kept nowhere.</summary>
    public string? ShownOnce { get; init; }

    public Task OnActionExecutionAsync(ActionExecutingContext context, ActionExecutionDelegate next)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.HttpContext.RequestServices.GetRequiredService<IdempotentPosts>().RunAsync(context, next, this);
    }
}

/// <summary>A body whose metadata the answer repeats: up to 16 KB that need not be kept, as an equal request brings them again.</summary>
internal interface IBringsMetadata
{
    JsonObject? Metadata { get; }
}

/// <summary>SHA-256 of the body, in hexadecimal.</summary>
internal sealed record RequestDigest(string Value);

/// <summary>
/// Remembers for a day what a POST with an Idempotency-Key was answered. Only what succeeded is remembered: what failed may be tried again.
/// Request (as a hash) and answer are kept encrypted, in a row that only the key finds.
/// </summary>
public sealed partial class IdempotentPosts(IProcessedMessages requests, IDataProtectionProvider protection, TimeProvider timeProvider, ILogger<IdempotentPosts> logger)
{
    internal const string Header = "Idempotency-Key";
    internal const string WrongKey = "Idempotency-Key must be sent once, with 1 to 255 characters; without an access token with 16 to 255.";
    internal const string InProgress = "A request with this Idempotency-Key is being answered.";
    internal const string Reused = "This Idempotency-Key came before, with another request.";

    private const string NotKept = "A request with this Idempotency-Key was done before; its answer was too long to be kept.";
    private const int LongestKey = 255;

    // Where nobody is signed in the key is all that tells two callers apart, so it must not be guessed or met by chance.
    private const int ShortestKeyOfAnybody = 16;

    // What the column takes.
    private const int LongestAnswer = 2000;

    private static readonly TimeSpan Kept = TimeSpan.FromHours(24);

    // Longer than any of these requests takes; after that its node was killed.
    private static readonly TimeSpan Claim = TimeSpan.FromMinutes(2);

    internal async Task RunAsync(ActionExecutingContext context, ActionExecutionDelegate next, IdempotentAttribute route)
    {
        var http = context.HttpContext;
        var header = http.Request.Headers[Header];
        if (header.Count == 0)
        {
            await next();
            return;
        }

        var key = header.ToString();
        var caller = http.Features.Get<CallerToken>();
        if (header.Count > 1 || key.Length > LongestKey || key.Length < (caller is null ? ShortestKeyOfAnybody : 1))
        {
            context.Result = new Failure(StatusCodes.Status400BadRequest, ErrorCodes.InvalidRequest, WrongKey);
            return;
        }

        // A key is its sender's own, for one address. Whoever loses a role or is disabled is signed out by that, and so gets no answer again either.
        var name = $"idempotency\n{caller?.Token.ClientId}\n{caller?.Token.Subject}\n{http.Request.Path.Value}\n{key}";
        var asked = http.Features.Get<RequestDigest>()?.Value ?? http.Request.ContentLength?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "";
        var metadata = context.ActionArguments.Values.OfType<IBringsMetadata>().FirstOrDefault();
        var (claim, now) = (Guid.NewGuid(), timeProvider.GetUtcNow());
        var found = await requests.ClaimAsync(name, claim, now, now + Claim, now + Kept, http.RequestAborted);
        if (found.State == MessageState.Busy)
        {
            context.Result = new Failure(StatusCodes.Status409Conflict, ErrorCodes.RequestInProgress, InProgress);
            return;
        }

        if (found is { State: MessageState.Done, Answer: { } answer })
        {
            context.Result = Repeat(http, name, answer, asked, metadata);
            return;
        }

        var wasDone = false;
        try
        {
            // Before the answer is written: whoever has it and asks again finds it.
            var executed = await next();
            if (executed is { Exception: null, Result: ContentResult { StatusCode: >= 200 and < 300 } made })
            {
                wasDone = true;
                await KeepAsync(name, claim, Seal(http, name, asked, made, route, metadata), now + Kept);
            }
        }
        finally
        {
            if (!wasDone)
            {
                await requests.ForgetAsync(name, claim, CancellationToken.None);
            }
        }
    }

    // It was done, so its caller is told so whether or not the answer can be kept; while the claim holds a repeat is told to wait.
    private async Task KeepAsync(string name, Guid claim, string answer, DateTimeOffset until)
    {
        try
        {
            await requests.TryCommitAsync(name, claim, answer, until, CancellationToken.None);
        }
        catch (Exception exception) when (StoreOutage.Is(exception))
        {
            LogNotKept(exception);
        }
    }

    private string Seal(HttpContext http, string name, string asked, ContentResult made, IdempotentAttribute route, IBringsMetadata? metadata)
    {
        var body = JsonNode.Parse(made.Content!)!.AsObject();
        if (route.ShownOnce is { } once)
        {
            body[once] = null;
        }

        if (metadata is not null)
        {
            body["metadata"] = null;
        }

        var kept = new KeptAnswer(asked, made.StatusCode!.Value, Text(http.Response.Headers.Location), Text(http.Response.Headers.ETag), body.ToJsonString(ContractJson.Options), Text(http.Response.Headers[RegistrationProof.Header]));
        var text = Protect(name, kept);
        return text.Length <= LongestAnswer ? text : Protect(name, kept with { Body = null });

        static string? Text(Microsoft.Extensions.Primitives.StringValues header) => header.Count == 0 ? null : header.ToString();
    }

    private IActionResult Repeat(HttpContext http, string name, string answer, string asked, IBringsMetadata? metadata)
    {
        if (Unprotect(name, answer) is not { } kept || kept.Asked != asked)
        {
            return new Failure(StatusCodes.Status422UnprocessableEntity, ErrorCodes.IdempotencyKeyReused, Reused);
        }

        if (kept.Body is null)
        {
            return new Failure(StatusCodes.Status409Conflict, ErrorCodes.Conflict, NotKept);
        }

        var body = JsonNode.Parse(kept.Body)!.AsObject();
        if (metadata is not null)
        {
            body["metadata"] = metadata.Metadata?.DeepClone() ?? new JsonObject();
        }

        http.Response.Headers.Location = kept.Location;
        http.Response.Headers.ETag = kept.ETag;

        // Whoever lost the answer to a registration lost this with it, and has the same claim to it: the key, and a request with the password in it.
        http.Response.Headers[RegistrationProof.Header] = kept.Ticket;
        http.Response.Headers.CacheControl = "no-store";
        return new ContentResult { StatusCode = kept.StatusCode, ContentType = "application/json; charset=utf-8", Content = body.ToJsonString(ContractJson.Options) };
    }

    // Under the name: a row is worth nothing in the place of another.
    private IDataProtector Protector(string name) => protection.CreateProtector("identity.idempotency.v1", name);

    private string Protect(string name, KeptAnswer kept)
    {
        using var packed = new MemoryStream();
        using (var brotli = new BrotliStream(packed, CompressionLevel.Fastest))
        {
            JsonSerializer.Serialize(brotli, kept);
        }

        return System.Buffers.Text.Base64Url.EncodeToString(Protector(name).Protect(packed.ToArray()));
    }

    // Null: not ours to read, as after a loss of the keys. It was done all the same, so it is not done again.
    private KeptAnswer? Unprotect(string name, string text)
    {
        try
        {
            using var brotli = new BrotliStream(new MemoryStream(Protector(name).Unprotect(System.Buffers.Text.Base64Url.DecodeFromChars(text))), CompressionMode.Decompress);
            return JsonSerializer.Deserialize<KeptAnswer>(brotli);
        }
        catch (Exception exception) when (exception is CryptographicException or FormatException or JsonException or InvalidDataException)
        {
            return null;
        }
    }

    [LoggerMessage(4001, LogLevel.Warning, "The answer to a request with an Idempotency-Key could not be kept: a repeat is refused for two minutes, and then done again")]
    private partial void LogNotKept(Exception exception);

    private sealed record KeptAnswer(string Asked, int StatusCode, string? Location, string? ETag, string? Body, string? Ticket = null);
}
