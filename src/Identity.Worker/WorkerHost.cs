using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Delivery.Mail;
using Identity.ServiceDefaults;
using Identity.ServiceDefaults.Settings;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace Identity.Worker;

/// <summary>Builds and runs the worker: the outbox goes to the broker, requests for one-time codes come from it, and what has expired goes.</summary>
public static class WorkerHost
{
    /// <summary>The process's exit code. What the operator can mend ends the start with a line each, and code 1.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        WebApplication app;
        WorkerSettings settings;
        try
        {
            app = Build(args, out settings);
            FreePort.Check(settings.BindAddress, app.Environment.IsDevelopment(), settings.Port, settings.PortName);
            app.Services.GetRequiredService<IStartupValidator>().Validate();
            await app.Services.InitializeStoresAsync();
        }
        catch (Exception exception) when (StartProblem.Lines(exception) is { } lines)
        {
            await Console.Error.WriteLineAsync(lines);
            return 1;
        }

        await using (app)
        {
            try
            {
                return await HostRun.RunAsync(app);
            }
            catch (IOException taken) when (taken.InnerException is Microsoft.AspNetCore.Connections.AddressInUseException)
            {
                await Console.Error.WriteLineAsync($"{settings.PortName}: expected a free port: {taken.Message}");
                return 1;
            }
        }
    }

    private static WebApplication Build(string[] args, out WorkerSettings settings)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
        var problems = new List<string>();
        var read = settings = WorkerSettings.Read(builder.Configuration, problems)
            ?? throw new StartFailureException(string.Join(Environment.NewLine, problems));

        builder.AddSafeLogging(builder.Environment.IsDevelopment());
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 0;
            if (read.BindAddress is { } address)
            {
                kestrel.Listen(address, read.Port);
            }
            else if (builder.Environment.IsDevelopment())
            {
                kestrel.ListenLocalhost(read.Port);
            }
            else
            {
                kestrel.ListenAnyIP(read.Port);
            }
        });
        // Longer than the consumer's drain, shorter than the grace that container platforms give.
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(26));

        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSqlStores(settings.Storage);
        builder.Services.AddStoreDataProtection();
        builder.Services.AddDelivery(settings.Delivery);
        builder.Services.AddIdentityAccounts(allowWeakHash: builder.Environment.IsDevelopment());
        builder.Services.AddOptions<MailBrand>().ValidateOnStart();
        builder.Services.AddRabbitMq(settings.RabbitMq);
        builder.Services.AddPushDelivery(settings.Delivery.Push);
        builder.Services.AddHostedService(provider => ActivatorUtilities.CreateInstance<CleanUpLoop>(provider, read.CleanUpInterval));
        builder.Services.AddTelemetry("identity-worker", byOtlp: settings.OtlpEndpoint is not null, isScraped: true);

        var app = builder.Build();
        app.MapHealthChecks("/health/live", new HealthCheckOptions { Predicate = _ => false });
        app.MapHealthChecks("/health/ready", new HealthCheckOptions { Predicate = check => check.Tags.Contains("ready") });
        app.MapPrometheusScrapingEndpoint("/metrics");
        return app;
    }
}
