using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Identity.ServiceDefaults.Settings;

/// <summary>RABBITMQ_URIS, validated.</summary>
public sealed class RabbitMqSettings
{
    /// <summary>Tried in turn. They hold passwords: never log them, see <see cref="Describe"/>.</summary>
    public required IReadOnlyList<Uri> Uris { get; init; }

    /// <summary>Requests worked on at once by one worker; no more are taken from the broker.</summary>
    public ushort Prefetch { get; init; } = 32;

    /// <summary>
    /// Waits before a request that failed for a passing reason is tried again; after the last it is dead-lettered.
    /// Together they stay well under the life of a code, since nobody waits longer for one.
    /// </summary>
    public IReadOnlyList<TimeSpan> RetryDelays { get; init; } =
        [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(60)];

    /// <summary>Larger request bodies are dead-lettered unread.</summary>
    public int MaximumBodyBytes { get; init; } = 64 * 1024;

    /// <summary>
    /// How long an event that no queue is bound for is sent again before it is parked in the durable queue
    /// <c>&lt;exchange&gt;.unrouted</c>, so that an exchange nobody listens to cannot fill the database.
    /// </summary>
    public TimeSpan UnroutedAfter { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>Longest wait for a publisher confirm.</summary>
    public TimeSpan ConfirmTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Null where RABBITMQ_URIS is unset (the server then works in process), or, with a line in <paramref name="problems"/>, where it cannot be used.</summary>
    public static RabbitMqSettings? Read(IConfiguration configuration, ICollection<string> problems)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(problems);
        if (Setting.Text(configuration, "RABBITMQ_URIS") is not { } text)
        {
            return null;
        }

        var uris = new List<Uri>();
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (!Uri.TryCreate(part, UriKind.Absolute, out var uri) || uri.Scheme is not ("amqp" or "amqps") || uri.Host.Length == 0 || uri.Segments.Length > 2
                // The client library would split the password at its colon, and tell all of it in an exception: it is to be written %3A.
                || uri.UserInfo.Count(character => character == ':') > 1)
            {
                // The value is not repeated: it holds a password.
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"RABBITMQ_URIS: expected amqp://user:password@host:port/vhost or amqps://..., comma-separated; entry {uris.Count + 1} is not one."));
                return null;
            }

            uris.Add(uri);
        }

        if (uris.Count == 0)
        {
            problems.Add("RABBITMQ_URIS: expected amqp://user:password@host:port/vhost or amqps://..., comma-separated.");
            return null;
        }

        return new() { Uris = uris };
    }

    /// <summary>What of a URI may be shown: scheme, host and port.</summary>
    public static string Describe(Uri uri) =>
        string.Create(CultureInfo.InvariantCulture, $"{uri.Scheme}://{uri.Host}:{(uri.Port > 0 ? uri.Port : uri.Scheme is "amqps" ? 5671 : 5672)}");
}
