using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Identity.Tests.Kit;

namespace Identity.Worker.Tests.Fixtures;

/// <summary>The worker or the server as it is deployed: a process of its own, told everything by environment variables.</summary>
internal sealed class ServiceProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _output = new();

    private ServiceProcess(Process process, int port)
    {
        (_process, Port) = (process, port);
        process.OutputDataReceived += (_, line) => Add(line.Data);
        process.ErrorDataReceived += (_, line) => Add(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public int Port { get; }

    public string Output => string.Join('\n', _output);

    public bool HasExited => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    public static ServiceProcess StartWorker(IReadOnlyDictionary<string, string> settings) => StartWorker(settings, Ports.Free(), "WORKER_PORT");

    /// <param name="settings">Environment variables.</param>
    /// <param name="port">Where it answers.</param>
    /// <param name="name">The setting that says so.</param>
    public static ServiceProcess StartWorker(IReadOnlyDictionary<string, string> settings, int port, string name) =>
        new(Start("Identity.Worker", With(settings, name, port), "Production"), port);

    /// <summary>In Development, where http on loopback will do.</summary>
    public static ServiceProcess StartServer(IReadOnlyDictionary<string, string> settings, string environment = "Development")
    {
        var port = Ports.Free();
        return new(Start("Identity.Server", With(settings, "PORT", port), environment), port);
    }

    private static Dictionary<string, string> With(IReadOnlyDictionary<string, string> settings, string name, int port)
    {
        var all = new Dictionary<string, string>(settings);
        all.TryAdd(name, port.ToString(CultureInfo.InvariantCulture));
        return all;
    }

    private static Process Start(string assembly, Dictionary<string, string> settings, string environment)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, assembly + ".dll")])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["DOTNET_ENVIRONMENT"] = environment;
        start.Environment["ASPNETCORE_ENVIRONMENT"] = environment;
        foreach (var (name, value) in settings)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    public async Task<int?> StatusAsync(string path)
    {
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
        try
        {
            using var answer = await client.GetAsync(new Uri($"http://127.0.0.1:{Port}{path}"));
            return (int)answer.StatusCode;
        }
        catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException)
        {
            return null;
        }
    }

    public Task WaitReadyAsync() => Eventually.TrueAsync(
        async () => !_process.HasExited ? await StatusAsync("/health/ready") == 200 : throw new InvalidOperationException("The process ended: " + Output),
        "the process is ready",
        60);

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>SIGTERM, and its exit code.</summary>
    public async Task<int> TerminateAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString()]);
        return await WaitForExitAsync();
    }

    public async Task<int> WaitForExitAsync()
    {
        using var limit = new CancellationTokenSource(TimeLimit.Patience);
        await _process.WaitForExitAsync(limit.Token);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            await KillAsync();
        }

        _process.Dispose();
    }

    private void Add(string? line)
    {
        if (line is not null)
        {
            _output.Enqueue(line);
        }
    }
}
