// The wire contract's GET /users/export: a file out, or a job (RFC 7240 §4.1, respond-async).
using System.Globalization;
using Identity.Accounts;
using Identity.Accounts.Audit;
using Identity.Accounts.Export;
using Identity.Accounts.Texts;
using Identity.Api.Authentication;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.Api.OpenApi;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Net.Http.Headers;

namespace Identity.Api.Controllers;

/// <summary>GET /users/export, GET /exports/{id}, GET /exports/{id}/file.</summary>
[Route("api/identity")]
[Tags("Administration")]
[Authorize(AuthenticationSchemes = AccessTokenHandler.SchemeName)]
public sealed class UserExportController(UserExports exports, ExportJobs jobs, UserAccess access, AuditTrail audit, TimeProvider timeProvider) : ContractController
{
    private const string Scope = "identity.users.export";
    private const string NoScope = "The access token lacks the scope identity.users.export.";
    private const string NoExport = "There is no such export, or its hour is over.";
    private const string NotReady = "The file is not there: the export is not done, or failed.";
    private const string NoMedia = "The media service could not make the file. Try again later.";
    private const string BadToken = "The access token is not valid here: malformed, expired, revoked, or for another service.";
    private const string NotYours = "This is not yours to see or do.";

    private static readonly string[] Times = ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK"];

    [HttpGet("users/export", Name = "exportUsers")]
    [EndpointSummary("Export users")]
    [EndpointDescription("For an administrator, or a client with the scope identity.users.export. The answer is the file, as it is made. With `Prefer: respond-async`, and for a pdf that takes long (more than Exports:DirectPdfRows users, 20000 unless set), it is 202 with a job to ask for. All filters that are given must hold; createdAfter is a day or a time in ISO 8601, UTC unless it says otherwise. An answer that ends without its proper end is no whole file. In csv files an apostrophe stands before what a spreadsheet would take for a formula; the import takes it away again.")]
    [SendsFile("text/csv", "application/pdf", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")]
    [ProducesResponseType<ExportResponse>(StatusCodes.Status202Accepted)]
    [Fails(400, ErrorCodes.ValidationFailed, "format must be one of xlsx, pdf, csv")]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(403, ErrorCodes.InsufficientScope, NoScope)]
    [Fails(502, ErrorCodes.MediaServiceFailed, NoMedia)]
    public async Task<IActionResult> ExportAsync([FromQuery] string? format, [FromQuery] string? role, [FromQuery] string? isActive, [FromQuery] string? createdAfter, CancellationToken cancellationToken)
    {
        if (await access.CheckAdminAsync(HttpContext, Scope) is { } failure)
        {
            return failure;
        }

        var problems = new List<string>();
        var wanted = ExportFormat.Find(format);
        if (wanted is null)
        {
            problems.Add("format must be one of xlsx, pdf, csv");
        }

        if (role is not null && !AccountRules.IsRole(role))
        {
            problems.Add("role " + AccountRules.RoleRule);
        }

        bool? active = isActive switch { "true" => true, "false" => false, _ => null };
        if (isActive is not (null or "true" or "false"))
        {
            problems.Add("isActive must be true or false");
        }

        DateTimeOffset after = default;
        if (createdAfter is not null && !DateTimeOffset.TryParseExact(createdAfter, Times, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out after))
        {
            problems.Add("createdAfter must be a day or a time in ISO 8601");
        }

        if (problems.Count > 0)
        {
            return Failure.Validation(problems);
        }

        var filter = new AccountFilter(Search: null, role, active) { CreatedAfter = createdAfter is null ? null : after };
        var order = new ExportOrder(wanted!, filter, Language());
        var isAsync = PrefersAsync();
        var count = isAsync || wanted == ExportFormat.Pdf ? await exports.CountAsync(filter, cancellationToken) : 0;
        if (exports.FindProblem(wanted!, count) is { } problem)
        {
            return Failure.Validation([problem]);
        }

        Response.Headers.Vary = "Prefer, Accept-Language";
        if (isAsync || exports.NeedsJob(wanted!, count))
        {
            if (isAsync)
            {
                Response.Headers["Preference-Applied"] = "respond-async";
            }

            await AuditAsync(wanted!, "queued");
            var status = await jobs.AddAsync(order, count, cancellationToken);
            Response.Headers.Location = Address(status.Id);
            Response.Headers.RetryAfter = "1";
            return Success(ExportResponse.Of(status, Address(status.Id)), StatusCodes.Status202Accepted);
        }

        return await SendAsync(order, cancellationToken);
    }

    [HttpGet("exports/{id:guid}", Name = "getExport")]
    [EndpointSummary("Read how far an export is")]
    [EndpointDescription("For an administrator, or a client with the scope identity.users.export, at any node. Gone an hour after the export is done.")]
    [ProducesResponseType<ExportResponse>(StatusCodes.Status200OK)]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(403, ErrorCodes.InsufficientScope, NoScope)]
    [Fails(404, ErrorCodes.ExportNotFound, NoExport)]
    public async Task<IActionResult> GetAsync(Guid id, CancellationToken cancellationToken)
    {
        if (await access.CheckAdminAsync(HttpContext, Scope) is { } failure)
        {
            return failure;
        }

        if (await jobs.FindAsync(id, cancellationToken) is not { } status)
        {
            return new Failure(StatusCodes.Status404NotFound, ErrorCodes.ExportNotFound, NoExport);
        }

        if (status.FinishedAt is null)
        {
            Response.Headers.RetryAfter = "1";
        }

        return Success(ExportResponse.Of(status, Address(id)));
    }

    [HttpGet("exports/{id:guid}/file", Name = "getExportFile")]
    [EndpointSummary("Fetch the file of an export that is done")]
    [EndpointDescription("For an administrator, or a client with the scope identity.users.export, at any node, as often as wanted for an hour.")]
    [SendsFile("text/csv", "application/pdf", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(403, ErrorCodes.InsufficientScope, NoScope)]
    [Fails(404, ErrorCodes.ExportNotFound, NoExport)]
    [Fails(409, ErrorCodes.ExportNotReady, NotReady)]
    public async Task<IActionResult> GetFileAsync(Guid id, CancellationToken cancellationToken)
    {
        if (await access.CheckAdminAsync(HttpContext, Scope) is { } failure)
        {
            return failure;
        }

        if (await jobs.FindAsync(id, cancellationToken) is not { } status)
        {
            return new Failure(StatusCodes.Status404NotFound, ErrorCodes.ExportNotFound, NoExport);
        }

        if (status.State != ExportStates.Done)
        {
            return new Failure(StatusCodes.Status409Conflict, ErrorCodes.ExportNotReady, NotReady);
        }

        await AuditAsync(status.Format, "fetched");
        Describe(status.Format, status.CreatedAt);
        Response.ContentLength = status.Length;
        await foreach (var piece in jobs.ReadFileAsync(status, cancellationToken))
        {
            await Response.Body.WriteAsync(piece, cancellationToken);
        }

        return new EmptyResult();
    }

    // Told before the first byte leaves and after the last one: what leaves is on record whatever happens.
    private async Task<IActionResult> SendAsync(ExportOrder order, CancellationToken cancellationToken)
    {
        await AuditAsync(order.Format, "started");
        Describe(order.Format, timeProvider.GetUtcNow());
        HttpContext.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        var ended = "failed";
        try
        {
            switch (await exports.RenderAsync(order, Response.Body, progress: null, cancellationToken))
            {
                case ExportOutcome.Done:
                    ended = "success";
                    return new EmptyResult();
                case ExportOutcome.Unavailable:
                    Response.Headers.Remove(HeaderNames.ContentDisposition);
                    return new Failure(StatusCodes.Status502BadGateway, ErrorCodes.MediaServiceFailed, NoMedia);
                default:
                    // The answer has begun: only its missing end can tell now.
                    HttpContext.Abort();
                    return new EmptyResult();
            }
        }
        finally
        {
            await AuditAsync(order.Format, ended);
        }
    }

    private void Describe(ExportFormat format, DateTimeOffset time)
    {
        Response.ContentType = format == ExportFormat.Csv ? format.MediaType + "; charset=utf-8" : format.MediaType;
        Response.Headers.ContentDisposition = $"attachment; filename=\"users-{time.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}.{format.Name}\"";
        Response.Headers.CacheControl = "no-store";
    }

    private Task AuditAsync(ExportFormat format, string outcome) => audit.WriteAsync("users_export." + format.Name, outcome, accountId: null, Actor(), sessionId: null, CancellationToken.None);

    private string Address(Guid id) => $"{Request.PathBase}{IdentityApiExtensions.Prefix}/exports/{id:D}";

    private bool PrefersAsync() => Request.Headers["Prefer"]
        .SelectMany(value => (value ?? "").Split(','))
        .Any(preference => preference.Split(';', 2)[0].Trim().Equals("respond-async", StringComparison.OrdinalIgnoreCase));

    // The first that there are texts in; what is asked for last does not matter enough to weigh it.
    private string Language() => StringWithQualityHeaderValue.TryParseList(Request.Headers.AcceptLanguage, out var values)
        ? values.Where(value => value.Quality is not 0).OrderByDescending(value => value.Quality ?? 1).Select(value => Languages.Find(value.Value.ToString())).FirstOrDefault(found => found is not null)?.TwoLetterISOLanguageName ?? "en"
        : "en";
}
