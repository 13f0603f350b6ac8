using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Identity.Tests.Kit;
using Identity.Tests.Repository;

namespace Identity.Tests.Apis;

/// <summary>An API or application that is no part of the server, run as its reader would run it.</summary>
public sealed partial class ForeignProgram : IAsyncDisposable
{
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _output = new();

    private ForeignProgram(Process process, int port)
    {
        (_process, Port) = (process, port);
        process.OutputDataReceived += (_, line) => Add(line.Data);
        process.ErrorDataReceived += (_, line) => Add(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public int Port { get; private set; }

    public Uri Address => new(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Port}"));

    public string Output => string.Join('\n', _output);

    /// <summary>A Node program that prints the port it chose.</summary>
    /// <param name="folder">Where its node_modules are, under the repository.</param>
    /// <param name="script">In that folder.</param>
    /// <param name="settings">Environment variables.</param>
    public static async Task<ForeignProgram> StartNodeAsync(string folder, string script, IReadOnlyDictionary<string, string> settings)
    {
        var directory = Path.Combine(RepositoryRoot.Path, folder);
        Require(Directory.Exists(Path.Combine(directory, "node_modules")) && await RunAsync("node", ["--version"]) is null, "npm packages of " + folder);
        var program = Start(directory, "node", [script], new Dictionary<string, string>(settings) { ["PORT"] = "0" }, port: 0);
        await program.WaitAsync(() =>
        {
            program.Port = Listening().Match(program.Output) is { Success: true } match ? int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) : 0;
            return Task.FromResult(program.Port > 0);
        });
        return program;
    }

    /// <summary>A program that listens on the port it is told.</summary>
    public static async Task<ForeignProgram> StartAsync(string file, string[] arguments, IReadOnlyDictionary<string, string> settings, int? port = null)
    {
        var chosen = port ?? Ports.Free();
        var program = Start(RepositoryRoot.Path, file, arguments, new Dictionary<string, string>(settings) { ["PORT"] = chosen.ToString(CultureInfo.InvariantCulture) }, chosen);
        await program.WaitAsync(async () =>
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync("127.0.0.1", chosen);
                return true;
            }
            catch (SocketException)
            {
                return false;
            }
        });
        return program;
    }

    /// <summary>Runs something to its end; what it said if it failed, null if it did not.</summary>
    public static async Task<string?> RunAsync(string file, string[] arguments, IReadOnlyDictionary<string, string>? settings = null)
    {
        try
        {
            await using var program = Start(RepositoryRoot.Path, file, arguments, new Dictionary<string, string>(settings ?? new Dictionary<string, string>()), port: 0);
            await program._process.WaitForExitAsync();
            return program._process.ExitCode == 0 ? null : $"{file} ended with {program._process.ExitCode}: {program.Output}";
        }
        catch (Win32Exception exception)
        {
            return exception.Message;
        }
    }

    /// <summary>Skips the test where something is not installed, or fails it where everything has to be.</summary>
    public static void Require(bool isThere, string what)
    {
        if (!isThere)
        {
            Assert.SkipUnless(Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") == "1", what + ": not installed; run ./test.sh");
            Assert.Fail(what + ": not installed.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    private static ForeignProgram Start(string directory, string file, string[] arguments, Dictionary<string, string> settings, int port)
    {
        var start = new ProcessStartInfo(file, arguments) { WorkingDirectory = directory, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false };
        foreach (var (name, value) in settings)
        {
            start.Environment[name] = value;
        }

        return new ForeignProgram(Process.Start(start)!, port);
    }

    private async Task WaitAsync(Func<Task<bool>> isReady)
    {
        for (var started = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(60);)
        {
            if (await isReady())
            {
                return;
            }

            if (_process.HasExited)
            {
                throw new InvalidOperationException("The program ended: " + Output);
            }

            await Task.Delay(50);
        }

        throw new TimeoutException("The program is not ready: " + Output);
    }

    private void Add(string? line)
    {
        if (line is not null)
        {
            _output.Enqueue(line);
        }
    }

    [GeneratedRegex(@"listening on (\d+)")]
    private static partial Regex Listening();
}
