// The wire contract's POST /users/import: JSON Lines in, a job out.
using System.Globalization;
using Identity.Accounts.Audit;
using Identity.Accounts.Import;
using Identity.Api.Authentication;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.Api.OpenApi;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Net.Http.Headers;

namespace Identity.Api.Controllers;

/// <summary>POST /users/import, GET /imports/{id}, GET /imports/{id}/refusals.</summary>
[Route("api/identity")]
[Tags("Administration")]
[Authorize(AuthenticationSchemes = AccessTokenHandler.SchemeName)]
public sealed class UserImportController(ImportJobs jobs, UserAccess access, AuditTrail audit) : ContractController
{
    /// <summary>A million users and more.</summary>
    internal const long MaximumBytes = 1024L * 1024 * 1024;

    private const string NoImport = "There is no such import.";
    private const string BadToken = "The access token is not valid here: malformed, expired, revoked, or for another service.";
    private const string NotYours = "This is not yours to see or do.";
    private const int LargestLimit = 1000;

    private static readonly HashSet<string> Types = new(StringComparer.OrdinalIgnoreCase) { "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/json" };

    [HttpPost("users/import", Name = "importUsers")]
    [Idempotent]
    [EndpointSummary("Import users")]
    [EndpointDescription("For administrators. JSON Lines (application/x-ndjson): a user a line, as POST /users takes it, with id, phoneNumberVerified, createdAt, updatedAt and lastLoginAt beside; a passwordHash instead of a password. The answer is a job to ask for. Users who are there already, by id or else by email, stay as they are: an import may be run again. With an Idempotency-Key, two imports are told apart by their length: the lines are not held to compare them.")]
    [RawBody("application/x-ndjson", "JSON Lines: a user a line.", """{"email":"ada@example.com","passwordHash":"$2b$10$qPdd.SX5B0W4crLYo60HAO9oVhTR1rWySATmvIGcF9mrmqVUrL5yC"}""")]
    [ProducesResponseType<ImportResponse>(StatusCodes.Status202Accepted)]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(413, ErrorCodes.BodyTooLarge, "The body is larger than 1 GB.")]
    [Fails(415, ErrorCodes.UnsupportedMediaType, "Expected a body of type application/x-ndjson in UTF-8.")]
    public async Task<IActionResult> ImportAsync(CancellationToken cancellationToken)
    {
        if (await access.CheckAdminAsync(HttpContext) is { } failure)
        {
            return failure;
        }

        if (!MediaTypeHeaderValue.TryParse(Request.ContentType, out var type)
            || !Types.Contains(type.MediaType.Value!)
            || (type.Charset.HasValue && !type.Charset.Value!.Trim('"').Equals("utf-8", StringComparison.OrdinalIgnoreCase)))
        {
            return new Failure(StatusCodes.Status415UnsupportedMediaType, ErrorCodes.UnsupportedMediaType, "Expected a body of type application/x-ndjson in UTF-8.");
        }

        var id = await jobs.ReceiveAsync(Request.Body, cancellationToken);
        await audit.WriteAsync("import", "received", accountId: null, Actor(), sessionId: null, CancellationToken.None);
        return await AcceptedAsync(id, CancellationToken.None);
    }

    [HttpGet("imports/{id:guid}", Name = "getImport")]
    [EndpointSummary("Read how far an import is")]
    [EndpointDescription("For administrators. Kept for 30 days.")]
    [ProducesResponseType<ImportResponse>(StatusCodes.Status200OK)]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(404, ErrorCodes.ImportNotFound, NoImport)]
    public async Task<IActionResult> GetAsync(Guid id, CancellationToken cancellationToken)
    {
        if (await access.CheckAdminAsync(HttpContext) is { } failure)
        {
            return failure;
        }

        return await jobs.FindAsync(id, cancellationToken) is { } status
            ? Success(ImportResponse.Of(status))
            : new Failure(StatusCodes.Status404NotFound, ErrorCodes.ImportNotFound, NoImport);
    }

    [HttpGet("imports/{id:guid}/refusals", Name = "listImportRefusals")]
    [EndpointSummary("Read which lines of an import were refused, and why")]
    [EndpointDescription("For administrators. By line; limit is 1 to 1000, else 100; cursor is the nextCursor of the page before.")]
    [ProducesResponseType<ImportRefusalsResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "limit must be a number from 1 to 1000")]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(404, ErrorCodes.ImportNotFound, NoImport)]
    public async Task<IActionResult> GetRefusalsAsync(Guid id, [FromQuery] string? cursor, [FromQuery] string? limit, CancellationToken cancellationToken)
    {
        if (await access.CheckAdminAsync(HttpContext) is { } failure)
        {
            return failure;
        }

        var (after, most, problems) = (0L, 100, new List<string>());
        if (cursor is not null && !long.TryParse(cursor, NumberStyles.None, CultureInfo.InvariantCulture, out after))
        {
            problems.Add("cursor must be the nextCursor of an earlier answer");
        }

        if (limit is not null && !(int.TryParse(limit, NumberStyles.None, CultureInfo.InvariantCulture, out most) && most is >= 1 and <= LargestLimit))
        {
            problems.Add("limit must be a number from 1 to 1000");
        }

        if (problems.Count > 0)
        {
            return Failure.Validation(problems);
        }

        if (await jobs.FindAsync(id, cancellationToken) is null)
        {
            return new Failure(StatusCodes.Status404NotFound, ErrorCodes.ImportNotFound, NoImport);
        }

        var found = await jobs.ListRefusalsAsync(id, after, most + 1, cancellationToken);
        var page = found.Take(most).Select(refusal => new ImportRefusalResponse(refusal.Line, refusal.Reasons)).ToList();
        return Success(new ImportRefusalsResponse(page, found.Count > most ? page[^1].Line.ToString(CultureInfo.InvariantCulture) : null));
    }

    private async Task<IActionResult> AcceptedAsync(Guid id, CancellationToken cancellationToken)
    {
        if (await jobs.FindAsync(id, cancellationToken) is not { } status)
        {
            return new Failure(StatusCodes.Status404NotFound, ErrorCodes.ImportNotFound, NoImport);
        }

        Response.Headers.Location = $"{Request.PathBase}{IdentityApiExtensions.Prefix}/imports/{id:D}";
        return Success(ImportResponse.Of(status), StatusCodes.Status202Accepted);
    }
}
