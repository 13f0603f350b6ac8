using System.Collections.Concurrent;
using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.ServiceDefaults.Settings;
using Identity.Worker.Broker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Identity.Worker.Tests.Fixtures;

/// <summary>The broker's adapters over a real store and a real broker, with an issuer that the test scripts.</summary>
internal sealed class TestWorker : IAsyncDisposable
{
    private readonly IHost _host;

    private TestWorker(IHost host) => _host = host;

    public IServiceProvider Services => _host.Services;

    public bool IsConsuming => Services.GetRequiredService<OneTimeCodeConsumer>().IsConsuming;

    public static async Task<TestWorker> StartAsync(string uris, string directory, ICodeIssuer issuer, IReadOnlyList<TimeSpan>? retryDelays = null, TimeSpan? unroutedAfter = null, TimeSpan? claim = null, TimeSpan? confirmTimeout = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Outbox:IdleDelay"] = "00:00:00.050",
            ["Outbox:ClaimDuration"] = (claim ?? TimeSpan.FromSeconds(1)).ToString(),
        });
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSqlStores(StorageSettings.Embedded(directory));
        builder.Services.AddOptions<AccountsOptions>();
        builder.Services.AddSingleton(issuer);
        builder.Services.AddRabbitMq(new RabbitMqSettings
        {
            Uris = [.. uris.Split(',').Select(uri => new Uri(uri))],
            RetryDelays = retryDelays ?? [TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(150), TimeSpan.FromSeconds(6)],
            UnroutedAfter = unroutedAfter ?? TimeSpan.FromMinutes(15),
            ConfirmTimeout = confirmTimeout ?? TimeSpan.FromSeconds(10),
        });
        var host = builder.Build();
        await host.Services.InitializeStoresAsync();
        await host.StartAsync();
        return new(host);
    }

    public async Task StopAsync() => await _host.StopAsync();

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        if (_host is IAsyncDisposable disposable)
        {
            await disposable.DisposeAsync();
        }
    }
}

/// <summary>Stands for the accounts side: remembers what was sent.</summary>
internal sealed class RecordingIssuer : ICodeIssuer
{
    public ConcurrentQueue<CodeRequest> Sent { get; } = new();

    /// <summary>Runs before the code is made; throwing is a passing fault.</summary>
    public Func<CodeRequest, Task> Before { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs in place of sending; throwing is a failed delivery.</summary>
    public Func<CodeRequest, CancellationToken, Task> Deliver { get; set; } = (_, _) => Task.CompletedTask;

    /// <summary>What the limits say; null: go on.</summary>
    public Func<CodeRequest, CodeIssue.Refused?> Admit { get; set; } = _ => null;

    public Task<CodeIssue.Refused?> AdmitAsync(CodeRequest request, CancellationToken cancellationToken) => Task.FromResult(Admit(request));

    public async Task<CodeIssue> IssueAsync(CodeRequest request, Func<CodeRequestAnswer, CancellationToken, Task<bool>> beforeDelivery, CancellationToken cancellationToken)
    {
        await Before(request);
        var answer = new CodeRequestAnswer(Guid.NewGuid(), request.Channel ?? "email", "a***@example.com", DateTimeOffset.UtcNow.AddMinutes(5));
        if (!await beforeDelivery(answer, cancellationToken))
        {
            return new CodeIssue.Withheld();
        }

        await Deliver(request, cancellationToken);
        Sent.Enqueue(request);
        return new CodeIssue.Sent(answer);
    }
}

/// <summary>A folder that goes with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("identity-worker-").FullName;

    public void Dispose()
    {
        try
        {
            Directory.Delete(Path, recursive: true);
        }
        catch (IOException)
        {
            // A file still open on a machine that minds.
        }
    }
}

/// <summary>Waits for what happens in another process, as long as a slow machine takes and no longer.</summary>
internal static class Eventually
{
    public static async Task TrueAsync(Func<Task<bool>> condition, string what, double seconds = 90)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(25));
        while (!await condition())
        {
            try
            {
                await timer.WaitForNextTickAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail("Not in time: " + what);
            }
        }
    }

    public static Task TrueAsync(Func<bool> condition, string what, double seconds = 90) => TrueAsync(() => Task.FromResult(condition()), what, seconds);
}
