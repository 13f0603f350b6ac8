using System.Text.Json.Nodes;
using Identity.Accounts.Data;
using Identity.Server.CommandLine;
using Identity.Tests.Kit.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.CommandLine;

/// <summary>What one command came to.</summary>
internal sealed record Spoken(int Code, string Output, string Error)
{
    public JsonNode Json => JsonNode.Parse(Output)!;

    /// <summary>Exit code 0 and nothing on standard error.</summary>
    public Spoken Done()
    {
        Assert.Equal(("", IdentityCommands.Done), (Error, Code));
        return this;
    }

    /// <summary>Exit code 1, one line on standard error, and nothing that looks like an answer.</summary>
    public string Refused()
    {
        Assert.Equal(IdentityCommands.Failed, Code);
        Assert.Equal("", Output);
        var line = Error.TrimEnd('\r', '\n');
        Assert.DoesNotContain('\n', line);
        Assert.NotEmpty(line);
        return line;
    }
}

/// <summary>Somebody at the machine: commands over a data directory of their own, in this process.</summary>
internal sealed class Shell : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("identity-shell-");
    private readonly Dictionary<string, string> _settings;

    public Shell(params (string Name, string Value)[] settings)
    {
        _settings = new(StringComparer.Ordinal)
        {
            ["environment"] = "Development",
            ["DATA_DIR"] = _directory.FullName,
            ["Accounts:PasswordHashIterations"] = "1000",
            ["hostBuilder:reloadConfigOnChange"] = "false",
        };
        foreach (var (name, value) in settings)
        {
            _settings[name] = value;
        }
    }

    public string DataDirectory => _directory.FullName;

    public IReadOnlyDictionary<string, string> Settings => _settings;

    public Action<WebApplicationBuilder>? Configure { get; init; }

    public string File(string name, string content)
    {
        var path = Path.Combine(_directory.FullName, name);
        System.IO.File.WriteAllText(path, content);
        return path;
    }

    /// <summary>With an empty database of this version.</summary>
    public static async Task<Shell> MigratedAsync(params (string Name, string Value)[] settings)
    {
        var shell = new Shell(settings);
        (await shell.RunAsync("migrate")).Done();
        return shell;
    }

    public Task<Spoken> RunAsync(params string[] words) => RunAsync(input: "", words);

    public async Task<Spoken> RunAsync(string input, string[] words)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        using var reader = new StringReader(input);
        string[] settings = [.. _settings.SelectMany(setting => new[] { "--" + setting.Key, setting.Value })];
        var code = await IdentityCommands.RunAsync([.. words, .. settings], output, error, reader, Configure);
        return new(code, output.ToString(), error.ToString());
    }

    /// <summary>The server on the same data.</summary>
    public Task<HostedServer> ServeAsync(string? clients = null, params (string Name, string Value)[] more)
    {
        var settings = _settings.Where(setting => setting.Key != "environment").ToDictionary(StringComparer.Ordinal);
        foreach (var (name, value) in more)
        {
            settings[name] = value;
        }

        return HostedServer.StartAsync(clients, settings: settings);
    }

    /// <summary>The audit trail, oldest first.</summary>
    public async Task<IReadOnlyList<(string Action, string Outcome, string? Actor)>> TrailAsync()
    {
        await using var server = await ServeAsync();
        var rows = await server.Services.GetRequiredService<StoreDatabase>().ReadAsync((context, _) => Task.FromResult(context.Audit.OrderBy(row => row.Id).ToList()), TestContext.Current.CancellationToken);
        return [.. rows.Select(row => (row.Action, row.Outcome, row.ActorId))];
    }

    public void Dispose()
    {
        try
        {
            _directory.Delete(recursive: true);
        }
        catch (IOException)
        {
            // A server of the test may hold a file a moment longer.
        }
    }
}

/// <summary>A clock whose timers are due at once: nobody waits.</summary>
internal sealed class HastyTimeProvider : TimeProvider
{
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        System.CreateTimer(callback, state, dueTime == Timeout.InfiniteTimeSpan ? dueTime : TimeSpan.Zero, period);
}
