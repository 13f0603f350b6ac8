namespace Identity.Accounts.Delivery.Mail;

/// <summary>Writes one message of the file outbox, for its owner only: it may hold a code. Named by its id (time-ordered), so a repeat replaces it.</summary>
internal static class OutboxFile
{
    public static async Task<string> WriteAsync(string directory, Guid id, string extension, byte[] content, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(directory);
        var file = Path.Combine(directory, $"{id:N}.{extension}");
        var unfinished = Path.Combine(directory, $".{id:N}.{Guid.NewGuid():N}.tmp");
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.Asynchronous };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            await using (var stream = new FileStream(unfinished, options))
            {
                await stream.WriteAsync(content, cancellationToken);
            }

            File.Move(unfinished, file, overwrite: true);
        }
        finally
        {
            File.Delete(unfinished);
        }

        return file;
    }
}
