using Identity.Accounts.Export;

namespace Identity.Api.Contracts;

/// <summary>An export that is made behind the answer, and how far it is.</summary>
/// <param name="Id">Where to ask again.</param>
/// <param name="State">waiting, running, done or failed.</param>
/// <param name="Format">xlsx, pdf or csv.</param>
/// <param name="Total">Users, when it was asked for.</param>
/// <param name="Processed">Of them; in the end those in the file.</param>
/// <param name="CreatedAt">When it was asked for.</param>
/// <param name="FinishedAt">Null: it is neither done nor failed.</param>
/// <param name="FileUrl">Where the file is, with the same rights; null until it is done.</param>
/// <param name="ExpiresAt">When the file, and the answer to this question, are gone; null until it is done or failed.</param>
public sealed record ExportResponse(Guid Id, string State, string Format, long Total, long Processed, DateTimeOffset CreatedAt, DateTimeOffset? FinishedAt, string? FileUrl, DateTimeOffset? ExpiresAt)
{
    internal static ExportResponse Of(ExportStatus status, string address) => new(
        status.Id,
        status.State,
        status.Format.Name,
        status.Total,
        status.Processed,
        status.CreatedAt,
        status.FinishedAt,
        status.State == ExportStates.Done ? address + "/file" : null,
        status.FinishedAt is null ? null : status.ExpiresAt);
}
