using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Identity.Tests.Kit;

namespace Identity.Tests;

/// <summary>The server as people run it: a process of its own on a loopback port, told everything by environment variables.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _output = new();

    private ServerProcess(Process process, int port)
    {
        (_process, Port) = (process, port);
        process.OutputDataReceived += (_, line) => Add(line.Data);
        process.ErrorDataReceived += (_, line) => Add(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public int Port { get; }

    public Uri Address => new($"http://localhost:{Port}");

    public string Output => string.Join('\n', _output);

    public int ExitCode => _process.ExitCode;

    /// <summary>Memory it had at once, at most.</summary>
    public long PeakMegabytes
    {
        get
        {
            _process.Refresh();
            return _process.PeakWorkingSet64 / (1024 * 1024);
        }
    }

    /// <summary>Memory it has for itself now: all that is resident but the files it is made of, which the system shares and takes back. Null: this system does not tell.</summary>
    public long? OwnMegabytes
    {
        get
        {
            var status = $"/proc/{_process.Id.ToString(CultureInfo.InvariantCulture)}/status";
            return File.Exists(status)
                ? File.ReadLines(status).Where(line => line.StartsWith("RssAnon:", StringComparison.Ordinal) || line.StartsWith("RssShmem:", StringComparison.Ordinal))
                    .Sum(line => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture)) / 1024
                : null;
        }
    }

    /// <summary>Starts it in Development, where http on loopback will do, unless <paramref name="environment"/> says otherwise.</summary>
    /// <param name="settings">Environment variables.</param>
    /// <param name="environment">ASPNETCORE_ENVIRONMENT.</param>
    /// <param name="program">Another version's server; null: the one that was built with these tests.</param>
    public static ServerProcess Start(IReadOnlyDictionary<string, string> settings, string environment = "Development", string? program = null)
    {
        var port = settings.TryGetValue("PORT", out var given) && int.TryParse(given, CultureInfo.InvariantCulture, out var number) ? number : Ports.Free();
        var start = new ProcessStartInfo("dotnet", [program ?? Path.Combine(AppContext.BaseDirectory, "Identity.Server.dll")])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["ASPNETCORE_ENVIRONMENT"] = environment;
        start.Environment["PORT"] = port.ToString(CultureInfo.InvariantCulture);
        foreach (var (name, value) in settings)
        {
            start.Environment[name] = value;
        }

        return new ServerProcess(Process.Start(start)!, port);
    }

    public async Task WaitReadyAsync()
    {
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
        for (var started = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(90);)
        {
            if (_process.HasExited)
            {
                throw new InvalidOperationException("The server ended: " + Output);
            }

            try
            {
                using var answer = await client.GetAsync(new Uri(Address, "/health/ready"));
                if (answer.IsSuccessStatusCode)
                {
                    return;
                }
            }
            catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException)
            {
                await Task.Delay(50);
            }
        }

        throw new TimeoutException("The server is not ready: " + Output);
    }

    /// <summary>SIGKILL: what a power cut is to a process.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>SIGTERM, as Ctrl-C and containers send it.</summary>
    public async Task<int> TerminateAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        return await WaitForExitAsync();
    }

    public async Task<int> WaitForExitAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await _process.WaitForExitAsync(limit.Token);
        return _process.ExitCode;
    }

    /// <summary>Waits until all that a process wrote which has ended has been read.</summary>
    public Task WaitOutputAsync() => _process.WaitForExitAsync();

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
