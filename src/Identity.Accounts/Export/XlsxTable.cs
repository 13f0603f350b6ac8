// ECMA-376 (Office Open XML): an export as a workbook.
using SpreadCheetah;
using SpreadCheetah.Styling;
using SpreadCheetah.Worksheets;

namespace Identity.Accounts.Export;

/// <summary>Texts are texts here, whatever they begin with; times are dates (UTC) and marks are booleans. A sheet holds a million rows, the next one the rest.</summary>
internal static class XlsxTable
{
    // Excel's own limit is 1,048,576 with the header.
    private const long MostRows = 1_000_000;

    private static readonly double[] Widths = [38, 32, 18, 18, 16, 16, 14, 14, 10, 20, 20, 20, 20];

    public static async Task<long> WriteAsync(IAsyncEnumerable<ExportedUser> users, Stream output, CancellationToken cancellationToken)
    {
        var held = new HeldStream(output);
        var options = new SpreadCheetahOptions { CompressionLevel = SpreadCheetahCompressionLevel.Fastest, DefaultDateTimeFormat = NumberFormat.Custom("yyyy\\-mm\\-dd hh:mm:ss") };
        await using var sheets = await Spreadsheet.CreateNewAsync(held, options, cancellationToken);
        var bold = sheets.AddStyle(new Style { Font = { Bold = true } });
        var (row, rows) = (new DataCell[ExportedUser.Columns.Count], 0L);
        await StartAsync(sheets, "Users", bold, cancellationToken);
        await foreach (var user in users.WithCancellation(cancellationToken))
        {
            if (rows > 0 && rows % MostRows == 0)
            {
                await StartAsync(sheets, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"Users {(rows / MostRows) + 1}"), bold, cancellationToken);
            }

            row[0] = new DataCell(user.Id.ToString("D"));
            row[1] = new DataCell(Writable(user.Email));
            row[2] = new DataCell(Writable(user.UserName));
            row[3] = new DataCell(user.PhoneNumber);
            row[4] = new DataCell(Writable(user.FirstName));
            row[5] = new DataCell(Writable(user.LastName));
            row[6] = new DataCell(user.EmailVerified);
            row[7] = new DataCell(user.PhoneNumberVerified);
            row[8] = new DataCell(user.IsActive);
            row[9] = new DataCell(string.Join(';', user.Roles));
            row[10] = new DataCell(user.CreatedAt.UtcDateTime);
            row[11] = new DataCell(user.UpdatedAt.UtcDateTime);
            row[12] = new DataCell(user.LastLoginAt?.UtcDateTime);
            await sheets.AddRowAsync(row, cancellationToken);
            rows++;
        }

        await sheets.FinishAsync(cancellationToken);
        await held.FlushAsync(cancellationToken);
        return rows;
    }

    // XML 1.0 §2.2: one name with what XML cannot hold, which anybody may give themselves, and nobody could open the file.
    private static string? Writable(string? text) =>
        text?.AsSpan().ContainsAny('\uFFFE', '\uFFFF') == true ? text.Replace('\uFFFE', '\uFFFD').Replace('\uFFFF', '\uFFFD') : text;

    private static async Task StartAsync(Spreadsheet sheets, string name, StyleId bold, CancellationToken cancellationToken)
    {
        var options = new WorksheetOptions { FrozenRows = 1 };
        for (var column = 0; column < Widths.Length; column++)
        {
            options.Column(column + 1).Width = Widths[column];
        }

        await sheets.StartWorksheetAsync(name, options, cancellationToken);
        await sheets.AddHeaderRowAsync([.. ExportedUser.Columns], bold, cancellationToken);
    }
}
