using System.Diagnostics;
using System.Globalization;
using Identity.Accounts.Administration;
using Identity.Accounts.Data;
using Identity.Accounts.SecondFactors;
using Identity.OAuth.Clients;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Options;

namespace Identity.Server.Hosting;

/// <summary>What the console says of a start. In Development three lines for whoever tries it out; elsewhere log entries, with a warning for each trap of the settings.</summary>
internal sealed partial class StartLines(ServerSettings settings, IServiceProvider services)
{
    private const string NoAdmin = "ADMIN_EMAIL is the address of an account that was there before, and nobody has the role admin: that account was not given it. Make an administrator with: identity users create ADDRESS --role admin (or set another ADMIN_EMAIL); they can give the role to others.";

    private readonly long _begun = Stopwatch.GetTimestamp();
    private readonly ILogger _logger = services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(StartLines).FullName!);

    /// <summary>At once: migrating a database or waiting for one takes its time.</summary>
    public async Task BeginAsync(TextWriter console)
    {
        if (settings.IsDevelopment)
        {
            await console.WriteLineAsync($"Identity is starting with {settings.Storage.Description}: makes or updates its tables and keys …");
            await console.FlushAsync();
        }
        else
        {
            LogStarting(settings.Storage.Description);
        }
    }

    /// <summary>When it listens.</summary>
    public async Task FinishAsync(TextWriter console, SeededSecrets secrets)
    {
        var seconds = Stopwatch.GetElapsedTime(_begun).TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);
        if (!settings.IsDevelopment)
        {
            LogListening(settings.PublicUrl, settings.Port, seconds);
            foreach (var trap in await TrapsAsync())
            {
                LogTrap(trap);
            }

            if (secrets.IsAdminMissing)
            {
                LogTrap(NoAdmin);
            }

            return;
        }

        var admin = secrets.Admin switch
        {
            { GeneratedPassword: { } password } made => $"Administrator {made.Email}, password {password}   (shown this once)",
            { } made => $"Administrator {made.Email} with ADMIN_PASSWORD, or register a new account",
            null => $"Administrator {settings.AdminEmail ?? Seeding.DevelopmentAdmin} with the password of the first start, or register a new account",
        };
        var demo = secrets.DemoServiceSecret is { } secret
            ? $"; as a service: client_id demo-service, client_secret {secret}   (shown this once)"
            : "; requests/*.http for every route";
        await console.WriteLineAsync($"""
            Identity listens after {seconds} s.
              Open     {settings.PublicUrl}/{(settings.ShowsApiDocuments ? $"   and {settings.PublicUrl}/docs" : "")}
              Sign in  {admin}
              Try      the client demo from {settings.PublicUrl}/{demo}
            """);
        if (secrets.Admin?.GeneratedPassword is null || secrets.DemoServiceSecret is null)
        {
            await console.WriteLineAsync($"  Lost it  dotnet run --project src/Identity.Server -- users reset-password {settings.AdminEmail ?? Seeding.DevelopmentAdmin}   (or: -- clients rotate-secret demo-service)");
        }

        if (secrets.IsAdminMissing)
        {
            await console.WriteLineAsync("  " + NoAdmin);
        }

        await console.FlushAsync();
    }

    private async Task<IEnumerable<string>> NobodysAsync()
    {
        var factors = services.GetRequiredService<IOptions<SecondFactorOptions>>().Value;
        var traps = new List<string>();
        var roles = factors.RequiredForRoles.Count == 0 ? [] : await services.GetRequiredService<RoleCatalog>().ListAsync(CancellationToken.None);
        traps.AddRange(factors.RequiredForRoles.Where(role => !roles.Any(known => known.Name == role)).Select(role => $"SecondFactors:RequiredForRoles names {role}, and there is no such role: nobody is asked for a second factor because of it."));
        foreach (var id in factors.RequiredForClients)
        {
            if (await services.GetRequiredService<ClientStore>().FindEntryAsync(id, CancellationToken.None) is null)
            {
                traps.Add($"SecondFactors:RequiredForClients names {id}, and there is no such client: no sign-in needs a second factor because of it.");
            }
        }

        return traps;
    }

    /// <summary>A line for everything that works now and hurts later.</summary>
    private async Task<IReadOnlyList<string>> TrapsAsync()
    {
        var traps = new List<string>();
        if (RuntimePatch.FindProblem(Environment.Version, RuntimePatch.BuiltWith) is { } old)
        {
            traps.Add(old);
        }

        if (settings.Delivery.Smtp is null)
        {
            traps.Add($"SMTP_URL is unset: mail is written to files in {settings.Delivery.OutboxDirectory} and reaches nobody.");
        }
        else if (settings.Delivery.Smtp.Tls == SmtpTls.Off)
        {
            traps.Add("SMTP_URL has no TLS: mail, codes among it, crosses the network in clear.");
        }

        if (settings.Storage.MasterKey is null)
        {
            traps.Add($"MASTER_KEY is unset: the key that encrypts the others lies beside them, in {Path.Combine(settings.Storage.DataDirectory, "master.key")}.");
        }

        traps.AddRange(settings.Storage.ClearTextConnections.Select(store => $"{store} is not reached by TLS that is insisted on: what is kept there may cross the network in clear."));
        traps.AddRange((settings.RabbitMq?.Uris ?? []).Where(uri => uri.Scheme == "amqp" && !uri.IsLoopback).Take(1).Select(_ => "RABBITMQ_URIS has amqp://: events and requests for codes cross the network in clear; expected amqps://."));
        if (settings.Storage.Provider == DatabaseProvider.Sqlite)
        {
            traps.Add("DB_HOST is unset: everything is in one SQLite file, which one node alone can have.");
        }

        if (await services.GetRequiredService<StoreDatabase>().FindTrapAsync(CancellationToken.None) is { } slow)
        {
            traps.Add(slow + ".");
        }

        traps.AddRange(await NobodysAsync());
        traps.AddRange(settings.MutualTls.OutOfTime(services.GetRequiredService<TimeProvider>().GetUtcNow()));
        var clients = services.GetRequiredService<ClientStore>();
        foreach (var id in Seeding.DemoClients)
        {
            if (await clients.FindAsync(id, CancellationToken.None) is { Disabled: false })
            {
                traps.Add($"Client {id} has the name of a demo client and is in force.");
            }
        }

        return traps;
    }

    [LoggerMessage(5005, LogLevel.Information, "Starting with {Database}")]
    private partial void LogStarting(string database);

    [LoggerMessage(5006, LogLevel.Information, "Listening as {Issuer} on port {Port} after {Seconds} s")]
    private partial void LogListening(string issuer, int port, string seconds);

    [LoggerMessage(5007, LogLevel.Warning, "{Trap}")]
    private partial void LogTrap(string trap);
}
