using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Identity.Tests.Kit;
using Identity.Tests.Repository;

namespace Identity.Tests.FirstStart;

/// <summary>The server as README.md starts it, <c>dotnet run --project src/Identity.Server</c>, in an empty folder: nothing is set but the port, which on this machine may be taken.</summary>
internal sealed partial class FirstStartServer : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("identity-first-start-");
    private readonly ConcurrentQueue<string> _output = new();
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);
    private readonly Process _process;

    private FirstStartServer(IReadOnlyDictionary<string, string> settings)
    {
        Port = Ports.Free();

        // test.sh has built it, in Release; a newcomer's first run builds.
        var start = new ProcessStartInfo("dotnet", ["run", "--project", Path.Combine(RepositoryRoot.Path, "src", "Identity.Server"), "-c", Configuration, "--no-build"])
        {
            WorkingDirectory = _folder.FullName,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["PORT"] = Port.ToString(CultureInfo.InvariantCulture);
        foreach (var (name, value) in settings)
        {
            start.Environment[name] = value;
        }

        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        _process.ErrorDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>The configuration that the tests were built in, and with them the server.</summary>
    public static string Configuration { get; } = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    public int Port { get; }

    public Uri Address => new(string.Create(CultureInfo.InvariantCulture, $"http://localhost:{Port}"));

    /// <summary>Where it was started, and where data/ is.</summary>
    public string Folder => _folder.FullName;

    public string Output => string.Join('\n', _output);

    /// <summary>Printed once.</summary>
    public string AdminPassword => Password().Match(Output).Groups[1].Value;

    /// <summary>Printed once.</summary>
    public string ServiceSecret => Secret().Match(Output).Groups[1].Value;

    public static async Task<FirstStartServer> StartAsync(IReadOnlyDictionary<string, string>? settings = null)
    {
        var server = new FirstStartServer(settings ?? new Dictionary<string, string>(StringComparer.Ordinal));
        await server.WaitAsync(() => server.Output.Contains("  Try  ", StringComparison.Ordinal) ? server : null, "the server listens");
        return server;
    }

    /// <summary>The six digits of the newest mail to somebody that nobody has read yet.</summary>
    public Task<string> ReadCodeAsync(string email) => WaitAsync(
        () =>
        {
            var outbox = new DirectoryInfo(Path.Combine(Folder, "data", "outbox"));
            foreach (var file in (outbox.Exists ? outbox.GetFiles("*.eml") : []).Where(file => !_read.Contains(file.Name)).OrderByDescending(file => file.Name, StringComparer.Ordinal))
            {
                var mail = File.ReadAllText(file.FullName);
                if (mail.Contains($"To: {email}", StringComparison.Ordinal) && Code().Match(mail[Math.Max(0, mail.IndexOf("\r\n\r\n", StringComparison.Ordinal))..]) is { Success: true } code)
                {
                    _read.Add(file.Name);
                    return code.Value;
                }
            }

            return null;
        },
        "a code comes for " + email);

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
        _folder.Delete(recursive: true);
    }

    private async Task<T> WaitAsync<T>(Func<T?> find, string what)
        where T : class
    {
        for (var started = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(90); await Task.Delay(50))
        {
            if (find() is { } found)
            {
                return found;
            }

            if (_process.HasExited)
            {
                break;
            }
        }

        throw new TimeoutException($"Not so: {what}. {Output}");
    }

    [GeneratedRegex(@"Administrator \S+, password (\S+)")]
    private static partial Regex Password();

    [GeneratedRegex(@"client_id demo-service, client_secret (\S+)")]
    private static partial Regex Secret();

    [GeneratedRegex(@"\b\d{6}\b")]
    private static partial Regex Code();
}
