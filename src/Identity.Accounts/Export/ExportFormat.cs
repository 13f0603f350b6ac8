// RFC 9110 §8.3: the files that an export can be.
namespace Identity.Accounts.Export;

/// <summary>A kind of file.</summary>
/// <param name="Name">As callers write it, and the end of the file's name.</param>
/// <param name="MediaType">Without parameters.</param>
public sealed record ExportFormat(string Name, string MediaType)
{
    public static ExportFormat Xlsx { get; } = new("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");

    public static ExportFormat Pdf { get; } = new("pdf", "application/pdf");

    public static ExportFormat Csv { get; } = new("csv", "text/csv");

    /// <summary>Null: there is no such format.</summary>
    public static ExportFormat? Find(string? name) => name switch { "xlsx" => Xlsx, "pdf" => Pdf, "csv" => Csv, _ => null };
}

/// <summary>What somebody wants to have exported.</summary>
/// <param name="Format">As what.</param>
/// <param name="Filter">Which accounts.</param>
/// <param name="Language">Of the headings that people read (one of <see cref="Texts.Languages.All"/>); tables that programs read have the names of the members.</param>
public sealed record ExportOrder(ExportFormat Format, AccountFilter Filter, string Language);

/// <summary>What rendering came to.</summary>
public abstract record ExportOutcome
{
    private ExportOutcome()
    {
    }

    /// <param name="Rows">Accounts in the file.</param>
    public sealed record Done(long Rows) : ExportOutcome;

    /// <summary>The media service failed, for good, before anything was written: it may be told.</summary>
    public sealed record Unavailable(string Reason) : ExportOutcome;

    /// <summary>The media service failed in the middle: what was written is no whole file.</summary>
    public sealed record Broken(string Reason) : ExportOutcome;
}
