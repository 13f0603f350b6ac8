using System.Globalization;
using System.Net;
using Identity.ServiceDefaults.Settings;

namespace Identity.Worker;

/// <summary>The worker's settings: the server's, by the same names, of which it reads those it needs.</summary>
public sealed class WorkerSettings
{
    /// <summary>Where /health and /metrics answer: WORKER_PORT, else MANAGEMENT_PORT, else PORT, else 8017. The first is for a worker that shares its settings with a server on one machine.</summary>
    public required int Port { get; init; }

    /// <summary>The setting that named <see cref="Port"/>, or would.</summary>
    public required string PortName { get; init; }

    /// <summary>Where it listens (BIND_ADDRESS); null: loopback in Development, else every address.</summary>
    public IPAddress? BindAddress { get; init; }

    public required StorageSettings Storage { get; init; }

    public required DeliverySettings Delivery { get; init; }

    public required RabbitMqSettings RabbitMq { get; init; }

    /// <summary>How often what has expired is cleared away (CLEANUP_INTERVAL).</summary>
    public required TimeSpan CleanUpInterval { get; init; }

    /// <summary>Where metrics and traces go; null: nowhere.</summary>
    public Uri? OtlpEndpoint { get; init; }

    /// <summary>Null, with a line per bad value in <paramref name="problems"/>, where one cannot be used.</summary>
    public static WorkerSettings? Read(IConfiguration configuration, ICollection<string> problems)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(problems);
        var before = problems.Count;
        var (portName, port) = ReadPort(configuration, problems);
        var bind = Setting.BindAddress(configuration, problems);

        var storage = StorageSettings.Read(configuration, problems);
        var delivery = DeliverySettings.Read(configuration, problems);
        var rabbitMqProblems = problems.Count;
        var rabbitMq = RabbitMqSettings.Read(configuration, problems);
        if (rabbitMq is null && problems.Count == rabbitMqProblems)
        {
            problems.Add("RABBITMQ_URIS: expected comma-separated amqp:// or amqps:// URIs; without a broker the server does the worker's jobs itself, and no worker is needed.");
        }

        var cleanUp = Durations.Read(configuration, "CLEANUP_INTERVAL", TimeSpan.FromMinutes(1), problems);
        if (cleanUp > TimeSpan.FromDays(1))
        {
            problems.Add("CLEANUP_INTERVAL: expected 1s to 1d.");
        }

        var otlp = Setting.Url(configuration, "OTEL_EXPORTER_OTLP_ENDPOINT", problems);
        StartProblem.CheckLogging(configuration, problems);
        return problems.Count > before
            ? null
            : new() { Port = port, PortName = portName, BindAddress = bind, Storage = storage!, Delivery = delivery!, RabbitMq = rabbitMq!, CleanUpInterval = cleanUp, OtlpEndpoint = otlp };
    }

    private static (string Name, int Port) ReadPort(IConfiguration configuration, ICollection<string> problems)
    {
        foreach (var name in (string[])["WORKER_PORT", "MANAGEMENT_PORT", "PORT"])
        {
            if (Setting.Text(configuration, name) is { } text)
            {
                if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is >= 0 and <= 65535)
                {
                    return (name, port);
                }

                problems.Add($"{name}: expected a port from 1 to 65535 (0 for any that is free).");
                return (name, 0);
            }
        }

        return ("WORKER_PORT", 8017);
    }
}
