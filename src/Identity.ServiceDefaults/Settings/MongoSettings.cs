using Microsoft.Extensions.Configuration;
using MongoDB.Driver;

namespace Identity.ServiceDefaults.Settings;

/// <summary>MONGO_URI, validated.</summary>
public sealed class MongoSettings
{
    private const string DefaultDatabase = "identity";

    /// <summary>Holds the password: never log it.</summary>
    public required MongoUrl Url { get; init; }

    /// <summary>The database of the URI's path, else <c>identity</c>.</summary>
    public string Database => Url.DatabaseName ?? DefaultDatabase;

    /// <summary>How long a start waits for a server that does not answer yet.</summary>
    public TimeSpan StartWait { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>What may be shown: hosts and database.</summary>
    public string Description => $"MongoDB at {string.Join(", ", Url.Servers.Select(server => server.ToString()))}, database {Database}";

    /// <summary>Null where MONGO_URI is unset, or, with a line in <paramref name="problems"/>, where it cannot be used.</summary>
    public static MongoSettings? Read(IConfiguration configuration, ICollection<string> problems)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(problems);
        if (Setting.Text(configuration, "MONGO_URI") is not { } text)
        {
            return null;
        }

        MongoUrl url;
        try
        {
            url = MongoUrl.Create(text);

            // The driver's own look at mechanism, user and name: left to the first use, what it refuses would be an exception with a stack trace.
            MongoClientSettings.FromUrl(url).Freeze();
            _ = new DatabaseNamespace(url.DatabaseName ?? DefaultDatabase);
        }
        catch (Exception exception) when (exception is MongoException or ArgumentException or FormatException or NotSupportedException or InvalidOperationException)
        {
            // The value is not repeated, nor what the driver says of it: both may hold the password.
            problems.Add("MONGO_URI: expected mongodb://user:password@host:port/database or mongodb+srv://..., with a database's name and an authMechanism that MongoDB knows.");
            return null;
        }

        if (url.Username is not null && !url.UseTls && !text.Contains("tls=false", StringComparison.OrdinalIgnoreCase) && !text.Contains("ssl=false", StringComparison.OrdinalIgnoreCase)
            && !url.Servers.All(server => Setting.IsLoopback(server.Host)))
        {
            problems.Add("MONGO_URI: expected tls=true beside a user name, or tls=false to let the password travel in clear.");
            return null;
        }

        if (url.W is { } w && w.Equals(WriteConcern.Unacknowledged.W))
        {
            problems.Add("MONGO_URI: expected no w=0: a password that nobody acknowledged would be lost.");
            return null;
        }

        return new() { Url = url };
    }
}
