using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace Identity.Tests.Kit.Hosting;

/// <summary>A provider that others wrote, from npm, in a process of its own: a script in tests/Identity.Tests/clients.</summary>
public sealed class StockProvider : IAsyncDisposable
{
    private readonly Process _process;

    private StockProvider(Process process, Uri address) => (_process, Address) = (process, address);

    /// <summary>On loopback, on a port that was free.</summary>
    public Uri Address { get; }

    private static string Folder => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Here())!, "..", "..", "Identity.Tests", "clients"));

    /// <summary>Why there is none on this machine; null: it can be started.</summary>
    public static string? Missing(string package) => Directory.Exists(Path.Combine(Folder, "node_modules", package)) ? null : $"{package} is not installed: npm ci in tests/Identity.Tests/clients.";

    /// <summary>Starts it; it answers once <see cref="ServeAsync"/> has told it whom it serves.</summary>
    public static async Task<StockProvider> StartAsync(string script)
    {
        var process = Process.Start(new ProcessStartInfo("node", [script]) { WorkingDirectory = Folder, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        return new StockProvider(process, new Uri(await ReadAsync(process)));
    }

    public async Task ServeAsync(JsonObject settings)
    {
        await _process.StandardInput.WriteLineAsync(settings.ToJsonString());
        await _process.StandardInput.FlushAsync();
        while (await ReadAsync(_process) != "ready")
        {
        }
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        try
        {
            await _process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    private static async Task<string> ReadAsync(Process process)
    {
        using var limit = new CancellationTokenSource(TimeLimit.Patience);
        return await process.StandardOutput.ReadLineAsync(limit.Token) ?? throw new InvalidOperationException("The provider ended before it was ready.");
    }

    private static string Here([CallerFilePath] string file = "") => file;
}
