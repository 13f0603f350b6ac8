using System.Buffers.Text;
using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Configuration;
using Npgsql;

namespace Identity.ServiceDefaults.Settings;

/// <summary>The kinds of relational database.</summary>
public enum DatabaseProvider
{
    Sqlite,
    Postgres,
    SqlServer,
}

/// <summary>Where data is kept: DB_HOST, DB_NAME, DB_USERNAME, DB_PASSWORD, DB_PROVIDER, DB_TLS, DATA_DIR and MASTER_KEY, validated.</summary>
public sealed record StorageSettings
{
    public required DatabaseProvider Provider { get; init; }

    /// <summary>Holds the password: never log it.</summary>
    public required string ConnectionString { get; init; }

    /// <summary>Absolute path of the directory of embedded files. Need not exist yet.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>MASTER_KEY, 32 bytes; null: the file <c>master.key</c> in <see cref="DataDirectory"/>.</summary>
    public byte[]? MasterKey { get; init; }

    /// <summary>What may be shown: provider, server and database; never a user name or password.</summary>
    public required string Description { get; init; }

    /// <summary>The second home of one-time codes, replay marks, denied tokens and limits; null: the relational database.</summary>
    public RedisSettings? Redis { get; init; }

    /// <summary>The second home of credentials and metadata; null: the relational database.</summary>
    public MongoSettings? Mongo { get; init; }

    /// <summary>How long a start waits for a database server that does not answer yet.</summary>
    public TimeSpan StartWait { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The stores on other machines that are reached without TLS, by setting; for a warning.</summary>
    public IEnumerable<string> ClearTextConnections
    {
        get
        {
            if (Provider == DatabaseProvider.SqlServer && new SqlConnectionStringBuilder(ConnectionString) is { } sqlServer && sqlServer.Encrypt.Equals(SqlConnectionEncryptOption.Optional) && !Setting.IsLoopback(sqlServer.DataSource.Split(',')[0]))
            {
                yield return "DB_HOST (DB_TLS=off)";
            }
            else if (Provider == DatabaseProvider.Postgres && new NpgsqlConnectionStringBuilder(ConnectionString) is { } postgres && postgres.SslMode is SslMode.Disable or SslMode.Allow or SslMode.Prefer && !Setting.IsLoopback(postgres.Host!))
            {
                yield return postgres.SslMode == SslMode.Disable ? "DB_HOST (DB_TLS=off)" : "DB_HOST (DB_TLS is unset: TLS where the server offers it, whoever that is; expected DB_TLS=verify)";
            }

            if (Redis is { Tls: RedisTls.Off } redis && redis.Endpoints.Any(endpoint => !Setting.IsLoopback(endpoint.Host)))
            {
                yield return "REDIS_HOST (REDIS_TLS=off)";
            }

            if (Mongo is { Url.UseTls: false } mongo && mongo.Url.Servers.Any(server => !Setting.IsLoopback(server.Host)))
            {
                yield return "MONGO_URI (tls=false)";
            }
        }
    }

    /// <summary>Without secrets, as records would print all they hold.</summary>
    public override string ToString() => Description;

    /// <summary>Settings for a SQLite file <c>identity.db</c> in a directory, as the embedded default has them.</summary>
    public static StorageSettings Embedded(string dataDirectory, byte[]? masterKey = null)
    {
        var directory = Path.GetFullPath(dataDirectory);
        var file = Path.Combine(directory, "identity.db");
        return new()
        {
            Provider = DatabaseProvider.Sqlite,
            DataDirectory = directory,
            MasterKey = masterKey,
            ConnectionString = SqliteConnectionString(file),
            Description = $"SQLite file {file}",
        };
    }

    /// <summary>
    /// Reads the settings; null, with a line per bad value in <paramref name="problems"/>, where one cannot be used.
    /// A server that is half configured is such a problem: the embedded file is never a fallback for it.
    /// </summary>
    public static StorageSettings? Read(IConfiguration configuration, ICollection<string> problems)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(problems);
        var before = problems.Count;
        var mongo = MongoSettings.Read(configuration, problems);
        var redis = RedisSettings.Read(configuration, problems);
        var relational = ReadRelational(configuration, problems);
        return problems.Count > before || relational is null ? null : relational with { Redis = redis, Mongo = mongo };
    }

    private static StorageSettings? ReadRelational(IConfiguration configuration, ICollection<string> problems)
    {
        var before = problems.Count;
        var directory = ReadDirectory(configuration, problems);
        var masterKey = ReadMasterKey(configuration, problems);
        var host = Setting.Text(configuration, "DB_HOST");
        var provider = ReadProvider(configuration, host is not null, problems);
        if (problems.Count > before)
        {
            return null;
        }

        if (provider == DatabaseProvider.Sqlite)
        {
            if (host is not null)
            {
                problems.Add("DB_HOST: expected to be unset where DB_PROVIDER is sqlite, which is a file in DATA_DIR.");
            }
            else if (Setting.Text(configuration, "DB_PROVIDER") is null)
            {
                foreach (var name in (string[])["DB_NAME", "DB_USERNAME", "DB_PASSWORD", "DB_TLS"])
                {
                    if (Setting.Text(configuration, name) is not null)
                    {
                        problems.Add($"{name}: expected only together with DB_HOST, which is unset (DB_PROVIDER=sqlite chooses the embedded file).");
                    }
                }
            }

            return problems.Count > before ? null : Embedded(directory, masterKey);
        }

        if (host is null)
        {
            problems.Add("DB_HOST: expected a host, host,port or host:port, since DB_PROVIDER names a server.");
            return null;
        }

        return ReadServer(configuration, provider, host, directory, masterKey, problems);
    }

    private static StorageSettings? ReadServer(IConfiguration configuration, DatabaseProvider provider, string hostSetting, string directory, byte[]? masterKey, ICollection<string> problems)
    {
        var before = problems.Count;
        if (!TryParseHost(hostSetting, out var host, out var port))
        {
            problems.Add("DB_HOST: expected a host, host,port or host:port with a port from 1 to 65535 (an IPv6 address in brackets).");
        }

        var name = Setting.Text(configuration, "DB_NAME") ?? "identity";
        var longest = provider == DatabaseProvider.Postgres ? 63 : 128;
        if (Encoding.UTF8.GetByteCount(name) > longest || name.Any(char.IsControl) || string.IsNullOrWhiteSpace(name))
        {
            problems.Add($"DB_NAME: expected a database name of at most {longest} characters.");
        }

        var userName = Setting.Text(configuration, "DB_USERNAME");
        var password = Setting.Text(configuration, "DB_PASSWORD");
        if (userName is null && (provider == DatabaseProvider.Postgres || password is not null))
        {
            problems.Add("DB_USERNAME: expected a user name beside DB_HOST.");
        }
        else if (provider == DatabaseProvider.SqlServer && userName is not null && password is null)
        {
            problems.Add("DB_PASSWORD: expected the password of DB_USERNAME.");
        }

        var tls = Setting.Text(configuration, "DB_TLS")?.ToLowerInvariant();
        if (tls is not (null or "verify" or "require" or "off"))
        {
            problems.Add("DB_TLS: expected verify, require or off.");
        }

        if (problems.Count > before)
        {
            return null;
        }

        return new()
        {
            Provider = provider,
            DataDirectory = directory,
            MasterKey = masterKey,
            ConnectionString = provider == DatabaseProvider.Postgres
                ? PostgresConnectionString(host, port, name, userName!, password, tls)
                : SqlServerConnectionString(host, port, name, userName, password, tls),
            Description = string.Create(CultureInfo.InvariantCulture, $"{(provider == DatabaseProvider.Postgres ? "PostgreSQL" : "SQL Server")} at {host}{(port is null ? "" : ":" + port.Value.ToString(CultureInfo.InvariantCulture))}, database {name}"),
        };
    }

    internal static string SqliteConnectionString(string file) => new SqliteConnectionStringBuilder
    {
        DataSource = file,
        ForeignKeys = true,
        Mode = SqliteOpenMode.ReadWriteCreate,
        DefaultTimeout = 15,
    }.ConnectionString;

    private static string PostgresConnectionString(string host, int? port, string name, string userName, string? password, string? tls)
    {
        var builder = new NpgsqlConnectionStringBuilder
        {
            Host = host,
            Port = port ?? 5432,
            Database = name,
            Username = userName,
            Password = password,
            ApplicationName = "identity",
            Timeout = 10,
            CommandTimeout = 20,
            // A server that hangs does not hear of it either that a statement was called off.
            CancellationTimeout = 1000,
            // PostgreSQL's own default is 100 connections in all: room for a second node.
            MaxPoolSize = 45,
            // The engine repeats a few dozen statements: prepared, the server plans each once a connection.
            MaxAutoPrepare = 100,
            AutoPrepareMinUsages = 5,
            // Nothing of ours changes a session but the migration's lock, which is given back: resetting it would be seven statements before each one of ours.
            NoResetOnClose = true,
        };
        builder.SslMode = tls switch
        {
            "verify" => SslMode.VerifyFull,
            "require" => SslMode.Require,
            "off" => SslMode.Disable,
            _ => builder.SslMode,
        };
        return builder.ConnectionString;
    }

    private static string SqlServerConnectionString(string host, int? port, string name, string? userName, string? password, string? tls)
    {
        var builder = new SqlConnectionStringBuilder
        {
            DataSource = port is null ? host : string.Create(CultureInfo.InvariantCulture, $"{host},{port}"),
            InitialCatalog = name,
            ApplicationName = "identity",
            ConnectTimeout = 10,
            CommandTimeout = 20,
        };
        if (userName is null)
        {
            builder.IntegratedSecurity = true;
        }
        else
        {
            builder.UserID = userName;
            builder.Password = password;
        }

        switch (tls)
        {
            case "verify":
                builder.Encrypt = SqlConnectionEncryptOption.Mandatory;
                builder.TrustServerCertificate = false;
                break;
            case "require":
                builder.Encrypt = SqlConnectionEncryptOption.Mandatory;
                builder.TrustServerCertificate = true;
                break;
            case "off":
                builder.Encrypt = SqlConnectionEncryptOption.Optional;
                break;
        }

        return builder.ConnectionString;
    }

    private static string ReadDirectory(IConfiguration configuration, ICollection<string> problems)
    {
        const string Problem = "DATA_DIR: expected the path of a directory.";
        var directory = Setting.Text(configuration, "DATA_DIR") ?? "data";
        try
        {
            directory = Path.GetFullPath(directory);
            if (File.Exists(directory))
            {
                problems.Add(Problem);
            }
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException or PathTooLongException)
        {
            problems.Add(Problem);
        }

        return directory;
    }

    private static byte[]? ReadMasterKey(IConfiguration configuration, ICollection<string> problems)
    {
        if (Setting.Text(configuration, "MASTER_KEY") is not { } text)
        {
            return null;
        }

        var key = new byte[32];
        if (!Base64.IsValid(text, out var length) || length != key.Length || !Convert.TryFromBase64String(text, key, out _))
        {
            problems.Add("MASTER_KEY: expected 32 bytes in base64 (openssl rand -base64 32).");
            return null;
        }

        return key;
    }

    private static DatabaseProvider ReadProvider(IConfiguration configuration, bool hasHost, ICollection<string> problems)
    {
        switch (Setting.Text(configuration, "DB_PROVIDER")?.ToLowerInvariant())
        {
            case null:
                return hasHost ? DatabaseProvider.SqlServer : DatabaseProvider.Sqlite;
            case "sqlserver":
                return DatabaseProvider.SqlServer;
            case "postgres":
                return DatabaseProvider.Postgres;
            case "sqlite":
                return DatabaseProvider.Sqlite;
            default:
                problems.Add("DB_PROVIDER: expected sqlserver, postgres or sqlite.");
                return DatabaseProvider.Sqlite;
        }
    }

    internal static bool TryParseHost(string text, out string host, out int? port)
    {
        (host, port) = (text, null);
        var portText = (string?)null;
        if (text.StartsWith('[') && text.IndexOf(']', StringComparison.Ordinal) is var end and > 0)
        {
            host = text[1..end];
            var rest = text[(end + 1)..];
            if (rest.Length > 0)
            {
                if (rest[0] is not (':' or ','))
                {
                    return false;
                }

                portText = rest[1..];
            }

            if (!IPAddress.TryParse(host, out _))
            {
                return false;
            }
        }
        else if (text.LastIndexOfAny([',', ':']) is var separator and >= 0)
        {
            host = text[..separator];
            portText = text[(separator + 1)..];
            if (Uri.CheckHostName(host) is not (UriHostNameType.Dns or UriHostNameType.IPv4))
            {
                return false;
            }
        }
        else if (Uri.CheckHostName(host) is not (UriHostNameType.Dns or UriHostNameType.IPv4))
        {
            return false;
        }

        if (portText is null)
        {
            return true;
        }

        if (!int.TryParse(portText, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number is < 1 or > 65535)
        {
            return false;
        }

        port = number;
        return true;
    }
}
