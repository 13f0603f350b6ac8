// RFC 4180: an export as comma-separated values.
using System.Text;

namespace Identity.Accounts.Export;

/// <summary>
/// Every text in quotes and guarded (<see cref="CsvCell"/>); UTF-8 with a mark at its beginning, without which Excel takes it for another
/// encoding. The header has the names of the members, so that an import reads it again.
/// </summary>
internal static class CsvTable
{
    public static async Task<long> WriteAsync(IAsyncEnumerable<ExportedUser> users, Stream output, CancellationToken cancellationToken)
    {
        var text = new StreamWriter(output, new UTF8Encoding(encoderShouldEmitUTF8Identifier: true), bufferSize: 32 * 1024, leaveOpen: true);
        var (line, rows) = (new StringBuilder(1024), 0L);
        line.AppendJoin(',', ExportedUser.Columns).Append("\r\n");
        await text.WriteAsync(line, cancellationToken);
        await foreach (var user in users.WithCancellation(cancellationToken))
        {
            line.Clear();
            Add(line, user.Id.ToString("D")).Append(',');
            Add(line, user.Email).Append(',');
            Add(line, user.UserName).Append(',');
            Add(line, user.PhoneNumber).Append(',');
            Add(line, user.FirstName).Append(',');
            Add(line, user.LastName).Append(',');
            line.Append(Flag(user.EmailVerified)).Append(',').Append(Flag(user.PhoneNumberVerified)).Append(',').Append(Flag(user.IsActive)).Append(',');
            Add(line, string.Join(';', user.Roles)).Append(',');
            line.Append(ExportedUser.Time(user.CreatedAt)).Append(',').Append(ExportedUser.Time(user.UpdatedAt)).Append(',');
            line.Append(user.LastLoginAt is { } last ? ExportedUser.Time(last) : "").Append("\r\n");
            await text.WriteAsync(line, cancellationToken);
            rows++;
        }

        await text.FlushAsync(cancellationToken);
        return rows;
    }

    private static StringBuilder Add(StringBuilder line, string? text) =>
        string.IsNullOrEmpty(text) ? line : line.Append('"').Append(CsvCell.Guard(text).Replace("\"", "\"\"", StringComparison.Ordinal)).Append('"');

    private static string Flag(bool value) => value ? "true" : "false";
}
