using System.Collections.Concurrent;
using System.Diagnostics;
using Identity.Tests.Kit;

namespace Identity.Worker.Tests.Fixtures;

/// <summary>A script of the folder clients, run by Node: an implementation that this repository did not write.</summary>
internal sealed class NodeClient : IAsyncDisposable
{
    private static readonly Lazy<Task<string?>> s_missing = new(InstallAsync);
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly ConcurrentQueue<string> _errors = new();

    private NodeClient(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => Add(_lines, line.Data);
        process.ErrorDataReceived += (_, line) => Add(_errors, line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public IReadOnlyCollection<string> Lines => _lines;

    public static async Task<NodeClient> StartAsync(string script, params string[] arguments)
    {
        if (await s_missing.Value is { } missing)
        {
            Assert.False(Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") == "1", missing);
            Assert.Skip(missing);
        }

        return new(Start("node", [Path.Combine(Folder, script), .. arguments]));
    }

    public async Task SendAsync(string line)
    {
        await _process.StandardInput.WriteLineAsync(line);
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>Ends the input and waits for the process; its output.</summary>
    public async Task<IReadOnlyList<string>> FinishAsync()
    {
        _process.StandardInput.Close();
        using var limit = new CancellationTokenSource(TimeLimit.Patience);
        await _process.WaitForExitAsync(limit.Token);
        Assert.True(_process.ExitCode == 0, string.Join('\n', _errors));
        return [.. _lines];
    }

    public Task WaitAsync(Func<bool> condition, string what, double seconds = 90) => Eventually.TrueAsync(
        () => condition() ? true : _process.HasExited ? throw new InvalidOperationException("Node ended: " + string.Join('\n', _errors)) : false,
        what,
        seconds);

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    private static string Folder => Path.Combine(Repository.Root, "tests", "Identity.Worker.Tests", "clients");

    private static void Add(ConcurrentQueue<string> to, string? line)
    {
        if (line is not null)
        {
            to.Enqueue(line);
        }
    }

    private static Process Start(string file, IEnumerable<string> arguments) => Process.Start(new ProcessStartInfo(file, arguments)
    {
        WorkingDirectory = Folder,
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        UseShellExecute = false,
    })!;

    private static async Task<string?> InstallAsync()
    {
        try
        {
            if (Directory.Exists(Path.Combine(Folder, "node_modules", "amqplib")))
            {
                return null;
            }

            using var npm = Start("npm", ["ci", "--no-audit", "--no-fund"]);
            var output = await npm.StandardOutput.ReadToEndAsync() + await npm.StandardError.ReadToEndAsync();
            await npm.WaitForExitAsync();
            return npm.ExitCode == 0 ? null : "npm ci failed: " + output;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "Node is not installed";
        }
    }
}

/// <summary>The repository that the tests were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Identity.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("Identity.sln is in no folder above " + AppContext.BaseDirectory);
    }
}
