// draft-ietf-httpapi-idempotency-key-header: a POST that is sent again makes nothing twice.
using System.Security.Cryptography;
using System.Text;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.Api.Authentication;
using Identity.Api.Failures;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Api;

/// <summary>
/// Remembers for a day what a POST with an Idempotency-Key made. Only what succeeded is remembered: what failed may be tried again.
/// Of the request a hash is kept, of the answer the id of what was made.
/// </summary>
public sealed class IdempotentPosts(IProcessedMessages requests, TimeProvider timeProvider)
{
    private const string Header = "Idempotency-Key";
    private const int LongestKey = 255;

    private static readonly TimeSpan Kept = TimeSpan.FromHours(24);

    // Longer than any of these requests takes; after that its node was killed.
    private static readonly TimeSpan Claim = TimeSpan.FromMinutes(2);

    /// <param name="context">The request, authenticated.</param>
    /// <param name="fingerprint">What the request asks for, without secrets.</param>
    /// <param name="make">Makes it: the answer, and the id of what was made; null where it failed.</param>
    /// <param name="repeat">The answer for what was made before.</param>
    internal async Task<IActionResult> RunAsync(HttpContext context, string fingerprint, Func<Task<(IActionResult Answer, string? Made)>> make, Func<string, Task<IActionResult>> repeat)
    {
        var header = context.Request.Headers[Header];
        if (header.Count == 0)
        {
            return (await make()).Answer;
        }

        var key = header.ToString();
        if (header.Count > 1 || key.Length is 0 or > LongestKey)
        {
            return new Failure(StatusCodes.Status400BadRequest, ErrorCodes.InvalidRequest, "Idempotency-Key must be sent once, with 1 to 255 characters.");
        }

        // A key is its sender's own, for one address.
        var token = CallerToken.Of(context).Token;
        var name = $"idempotency\n{token.ClientId}\n{token.Subject}\n{context.Request.Path.Value}\n{key}";
        var asked = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(fingerprint)));
        var (claim, now) = (Guid.NewGuid(), timeProvider.GetUtcNow());
        var found = await requests.ClaimAsync(name, claim, now, now + Claim, now + Kept, context.RequestAborted);
        if (found.State == MessageState.Busy)
        {
            return new Failure(StatusCodes.Status409Conflict, ErrorCodes.RequestInProgress, "A request with this Idempotency-Key is being answered.");
        }

        if (found is { State: MessageState.Done, Answer: { } answer })
        {
            var parts = answer.Split(' ', 2);
            return parts[0] == asked
                ? await repeat(parts[1])
                : new Failure(StatusCodes.Status422UnprocessableEntity, ErrorCodes.IdempotencyKeyReused, "This Idempotency-Key came before, with another request.");
        }

        string? made = null;
        try
        {
            (var result, made) = await make();
            if (made is not null)
            {
                await requests.TryCommitAsync(name, claim, $"{asked} {made}", now + Kept, CancellationToken.None);
            }

            return result;
        }
        finally
        {
            if (made is null)
            {
                await requests.ForgetAsync(name, claim, CancellationToken.None);
            }
        }
    }
}
