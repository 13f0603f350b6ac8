namespace Identity.Accounts.Data;

/// <summary>Files and directories that hold secrets: readable by this user alone, on systems that have such modes.</summary>
internal static class EmbeddedFiles
{
    private const UnixFileMode PrivateFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private const int LockAttempts = 2400;

    private static readonly TimeSpan LockPause = TimeSpan.FromMilliseconds(50);

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
            if (TryLock(path, last: attempt == LockAttempts) is { } held)
            {
                return held;
            }

            await Task.Delay(LockPause, cancellationToken);
        }
    }

    /// <inheritdoc cref="LockAsync"/>
    public static IDisposable Lock(string path)
    {
        for (var attempt = 0; ; attempt++)
        {
            if (TryLock(path, last: attempt == LockAttempts) is { } held)
            {
                return held;
            }

            Thread.Sleep(LockPause);
        }
    }

    private static FileStream? TryLock(string path, bool last)
    {
        try
        {
            return new FileStream(path, Options(FileMode.OpenOrCreate, FileShare.None));
        }
        catch (IOException) when (!last && File.Exists(path))
        {
            return null;
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
