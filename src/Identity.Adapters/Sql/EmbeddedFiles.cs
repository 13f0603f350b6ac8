namespace Identity.Adapters.Sql;

/// <summary>Files and directories that hold secrets: readable by this user alone, on systems that have such modes.</summary>
internal static class EmbeddedFiles
{
    private const UnixFileMode PrivateFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public static void CreateDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
        }
        else
        {
            Directory.CreateDirectory(path, PrivateFile | UnixFileMode.UserExecute);
        }
    }

    /// <summary>Makes an empty file where there is none.</summary>
    public static void CreatePrivate(string path)
    {
        using var stream = new FileStream(path, Options(FileMode.OpenOrCreate, FileShare.ReadWrite));
    }

    /// <summary>Waits until no other process has the file. The system lets go of it when this process dies, however it does.</summary>
    public static async Task<IAsyncDisposable> LockAsync(string path, CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return new FileStream(path, Options(FileMode.OpenOrCreate, FileShare.None));
            }
            catch (IOException) when (attempt < 1200 && File.Exists(path))
            {
                await Task.Delay(100, cancellationToken);
            }
        }
    }

    public static FileStreamOptions Options(FileMode mode, FileShare share)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.ReadWrite, Share = share };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = PrivateFile;
        }

        return options;
    }
}
