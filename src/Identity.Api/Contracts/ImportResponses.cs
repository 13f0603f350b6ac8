using Identity.Accounts.Import;

namespace Identity.Api.Contracts;

/// <summary>An import and how far it is.</summary>
/// <param name="Id">Where to ask again.</param>
/// <param name="State">receiving, waiting, running or done.</param>
/// <param name="Lines">Received.</param>
/// <param name="Processed">Of them.</param>
/// <param name="Created">Accounts made.</param>
/// <param name="Existing">Were there already, and stay as they are.</param>
/// <param name="Refused">See /imports/{id}/refusals.</param>
/// <param name="CreatedAt">When it was received.</param>
/// <param name="FinishedAt">Null: it is not done.</param>
public sealed record ImportResponse(Guid Id, string State, long Lines, long Processed, long Created, long Existing, long Refused, DateTimeOffset CreatedAt, DateTimeOffset? FinishedAt)
{
    internal static ImportResponse Of(ImportStatus status) =>
        new(status.Id, status.State, status.Lines, status.Processed, status.Created, status.Existing, status.Refused, status.CreatedAt, status.FinishedAt);
}

/// <summary>A page of the lines that were refused.</summary>
/// <param name="Items">By line.</param>
/// <param name="NextCursor">For the next page; null: this is the last so far.</param>
public sealed record ImportRefusalsResponse(IReadOnlyList<ImportRefusalResponse> Items, string? NextCursor);

/// <summary>A line that was refused.</summary>
/// <param name="Line">From 1.</param>
/// <param name="Reasons">What is wrong with it.</param>
public sealed record ImportRefusalResponse(long Line, IReadOnlyList<string> Reasons);
