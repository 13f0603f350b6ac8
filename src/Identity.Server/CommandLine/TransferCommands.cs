using System.CommandLine;
using System.Data.Common;
using System.Text.Json.Nodes;
using Identity.Accounts.Audit;
using Identity.Accounts.Data;

namespace Identity.Server.CommandLine;

/// <summary><c>identity export</c> and <c>identity import</c>: everything as JSON lines, from one database to another, of whatever provider.</summary>
internal static class TransferCommands
{
    public static IEnumerable<Command> Make(CommandRun run) => [Export(run), Import(run)];

    private static Command Export(CommandRun run)
    {
        var file = new Argument<string>("file") { Description = "Must not be there yet; it is made for its owner alone. It holds password hashes and personal data: keep it as you keep those." };
        return run.Command("export", "Write everything that the database holds as JSON lines; keys stay encrypted under the master key.", [file], async (services, parsed, cancellationToken) =>
        {
            var path = parsed.GetValue(file)!;
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.Asynchronous, BufferSize = 256 * 1024 };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            FileStream stream;
            try
            {
                stream = new FileStream(path, options);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new RefusedException($"{path}: cannot be made: {exception.Message}");
            }

            long rows;
            try
            {
                await using (stream)
                {
                    rows = await run.WatchAsync("Rows", total: null, progress => services.GetRequiredService<DatabaseCopy>().WriteAsync(stream, progress, cancellationToken));
                }
            }
            catch
            {
                // Half an export is none.
                File.Delete(path);
                throw;
            }

            try
            {
                await NoteAsync(services, "database_export");
            }
            catch (Exception exception) when (exception is DbException or StoreUnavailableException)
            {
                // The copy of a database that takes no writes is worth more than the record of it.
                await run.Error.WriteLineAsync("It is done, but the audit trail does not say so: the database takes no writes.");
            }

            await run.WriteAsync(new JsonObject { ["file"] = path, ["rows"] = rows }, $"{rows} rows in {path}");
            return IdentityCommands.Done;
        });
    }

    private static Command Import(CommandRun run)
    {
        var file = new Argument<string>("file") { Description = "What identity export wrote, with this version and master key." };
        return run.Command("import", "Take in everything from a file of identity export, into an empty database: all of it, or nothing.", [file], async (services, parsed, cancellationToken) =>
        {
            var path = parsed.GetValue(file)!;
            if (!File.Exists(path))
            {
                throw new RefusedException($"{path}: there is no such file.");
            }

            var rows = await run.WatchAsync("Rows", total: null, progress => services.GetRequiredService<DatabaseCopy>().ReadAsync(
                () => new FileStream(path, new FileStreamOptions { Options = FileOptions.Asynchronous | FileOptions.SequentialScan, BufferSize = 256 * 1024 }),
                progress,
                cancellationToken));
            await NoteAsync(services, "database_import");
            await run.WriteAsync(new JsonObject { ["file"] = path, ["rows"] = rows }, $"{rows} rows taken in");
            return IdentityCommands.Done;
        });
    }

    private static Task NoteAsync(IServiceProvider services, string action) =>
        services.GetRequiredService<AuditTrail>().WriteAsync(action, "success", accountId: null, CommandRun.Operator, sessionId: null, CancellationToken.None);
}
