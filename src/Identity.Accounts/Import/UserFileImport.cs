// RFC 4180 (CSV), JSON Lines: users from a file, for the command line.
using System.Text;
using System.Text.Json;

namespace Identity.Accounts.Import;

/// <summary>What reading a file of users came to.</summary>
public abstract record UserFileResult
{
    private UserFileResult()
    {
    }

    public sealed record Done(ImportProgress Total) : UserFileResult;

    /// <param name="Problem">One line that says how to mend it. Nothing was taken in.</param>
    public sealed record Unreadable(string Problem) : UserFileResult;
}

/// <summary>
/// Takes in a file of users: JSON lines, or comma-separated values where its name ends in .csv. In batches of <see cref="AccountIntake.Most"/>, each
/// of them whole; stopped anywhere it is safe to run again, as who is there already stays as they are.
/// </summary>
public sealed class UserFileImport(UserImport import)
{
    private const int LongestMapping = 1024 * 1024;

    /// <param name="path">The file, in UTF-8.</param>
    /// <param name="mappingPath">For comma-separated values: a file with a JSON object of column to member (<c>{"E-Mail": "email", "Plan": "metadata.plan"}</c>); null: columns are called like members.</param>
    /// <param name="refused">Told of every line that is not taken.</param>
    /// <param name="progress">Told after every batch.</param>
    /// <param name="cancellationToken">Stops after the batch.</param>
    public async Task<UserFileResult> RunAsync(string path, string? mappingPath, Action<ImportRefusal> refused, IProgress<ImportProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var isTable = path.EndsWith(".csv", StringComparison.OrdinalIgnoreCase);
        if (mappingPath is not null && !isTable)
        {
            return new UserFileResult.Unreadable($"{path}: a mapping is for comma-separated values, in a file whose name ends in .csv.");
        }

        Dictionary<string, string> mapping = [];
        if (mappingPath is not null)
        {
            var (read, problem) = await ReadMappingAsync(mappingPath, cancellationToken);
            if (read is null)
            {
                return new UserFileResult.Unreadable(problem!);
            }

            mapping = read;
        }

        FileStream file;
        try
        {
            file = new FileStream(path, new FileStreamOptions { Options = FileOptions.Asynchronous | FileOptions.SequentialScan });
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return new UserFileResult.Unreadable($"{path}: cannot be read: {exception.Message}");
        }

        await using (file)
        {
            using var text = new StreamReader(file, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), detectEncodingFromByteOrderMarks: true, bufferSize: 64 * 1024, leaveOpen: true);
            var lines = isTable ? CsvLines.ReadAsync(text, mapping, cancellationToken) : JsonLines.ReadAsync(file, cancellationToken);
            return new UserFileResult.Done(await import.RunAsync(lines, refused, progress, cancellationToken));
        }
    }

    private static async Task<(Dictionary<string, string>? Mapping, string? Problem)> ReadMappingAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            if (new FileInfo(path).Length > LongestMapping)
            {
                return (null, $"{path}: a mapping must not be larger than 1 MB.");
            }

            var mapping = JsonSerializer.Deserialize<Dictionary<string, string>>(await File.ReadAllTextAsync(path, cancellationToken));
            return mapping?.Values.Any(string.IsNullOrWhiteSpace) is false ? (mapping, null) : (null, $"{path}: every column of the mapping needs the name of a member.");
        }
        catch (JsonException)
        {
            return (null, $$"""{{path}}: expected a JSON object of column to member, like {"E-Mail": "email"}.""");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return (null, $"{path}: cannot be read: {exception.Message}");
        }
    }
}
