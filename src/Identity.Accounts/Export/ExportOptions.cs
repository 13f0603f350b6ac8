namespace Identity.Accounts.Export;

/// <summary>Section <c>Exports</c>.</summary>
public sealed class ExportOptions
{
    public const string Section = "Exports";

    /// <summary>
    /// A pdf of more users is made by a job: nothing of it can be sent before its last page is drawn, and a caller or a proxy in between would
    /// give up. The other formats are sent as they are made, however long.
    /// </summary>
    public int DirectPdfRows { get; set; } = 20_000;

    /// <summary>How long the media service may neither take a line nor send a byte.</summary>
    public TimeSpan MediaTimeout { get; set; } = TimeSpan.FromSeconds(30);
}
