using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Identity.Accounts;
using Identity.ServiceDefaults.Settings;

namespace Identity.Server.Hosting;

/// <summary>The server's settings, read once at start. What cannot be used is told in one line that names it.</summary>
public sealed partial class ServerSettings
{
    public required int Port { get; init; }

    /// <summary>All that it listens on, by the settings that say so.</summary>
    public IReadOnlyList<(string Setting, int Port)> Ports
    {
        get
        {
            var ports = new List<(string, int)> { ("PORT", Port) };
            if (ManagementPort is { } management)
            {
                ports.Add(("MANAGEMENT_PORT", management));
            }

            if (MutualTls.Port is { } certificates)
            {
                ports.Add(("MTLS_PORT", certificates));
            }

            return ports;
        }
    }

    /// <summary>Those of them without TLS of this server's own.</summary>
    public IEnumerable<int> PlainPorts => Ports.Select(port => port.Port).Where(port => port != MutualTls.Port);

    /// <summary>Where it listens; null: loopback in Development, else every address.</summary>
    public IPAddress? BindAddress { get; init; }

    /// <summary>Where /health and /metrics answer, and nothing else; null: /health beside everything, and no /metrics.</summary>
    public int? ManagementPort { get; init; }

    /// <summary>Whether /docs, the OpenAPI document and the AsyncAPI document are answered.</summary>
    public required bool ShowsApiDocuments { get; init; }

    /// <summary>The issuer: PUBLIC_URL without a trailing slash.</summary>
    public required string PublicUrl { get; init; }

    public required StorageSettings Storage { get; init; }

    public required DeliverySettings Delivery { get; init; }

    public required ExportSettings Exports { get; init; }

    /// <summary>Null: no broker, everything in this process.</summary>
    public RabbitMqSettings? RabbitMq { get; init; }

    public byte[]? JwtSecret { get; init; }

    public required TimeSpan AccessTokenLifetime { get; init; }

    public required TimeSpan RefreshTokenLifetime { get; init; }

    /// <summary>How long it answers on after it was told to stop (SHUTDOWN_DELAY).</summary>
    public TimeSpan ShutdownDelay { get; init; }

    public required IReadOnlyList<IPNetwork> TrustedProxies { get; init; }

    public required MutualTlsSettings MutualTls { get; init; }

    public required OutgoingRules Outgoing { get; init; }

    public string? ClientsFile { get; init; }

    public string? ResourcesFile { get; init; }

    public string? AdminEmail { get; init; }

    public string? AdminPassword { get; init; }

    public Uri? OtlpEndpoint { get; init; }

    public required bool IsDevelopment { get; init; }

    public bool IsHttps => PublicUrl.StartsWith("https:", StringComparison.Ordinal);

    /// <exception cref="StartFailureException">One line per setting that cannot be used.</exception>
    public static ServerSettings Read(IConfiguration configuration, bool isDevelopment)
    {
        var problems = new List<string>();
        var port = ReadPort(configuration, problems);
        int? management = null;
        if (Setting.Text(configuration, "MANAGEMENT_PORT") is { } managementText)
        {
            if (Setting.TryParsePort(managementText, out var number) && number != port)
            {
                management = number;
            }
            else
            {
                problems.Add("MANAGEMENT_PORT: expected a port from 1 to 65535 that is not PORT.");
            }
        }

        var bind = Setting.BindAddress(configuration, problems);

        // In any case: .NET makes "True" of JSON's true.
        var showsApiDocuments = isDevelopment;
        if (Setting.Text(configuration, "API_DOCS") is { } apiDocuments && !bool.TryParse(apiDocuments, out showsApiDocuments))
        {
            problems.Add("API_DOCS: expected true or false.");
        }

        var storage = StorageSettings.Read(configuration, problems);
        var delivery = DeliverySettings.Read(configuration, problems);
        var exports = ExportSettings.Read(configuration, problems);
        var rabbitMq = RabbitMqSettings.Read(configuration, problems);
        var publicUrl = ReadPublicUrl(configuration, port, isDevelopment, problems);
        var access = Durations.Read(configuration, "JWT_ACCESS_EXPIRY", TimeSpan.FromHours(1), problems);
        var refresh = Durations.Read(configuration, "JWT_REFRESH_EXPIRY", TimeSpan.FromDays(7), problems);
        var shutdownDelay = Durations.Read(configuration, "SHUTDOWN_DELAY", TimeSpan.Zero, problems);
        if (shutdownDelay > TimeSpan.FromMinutes(1))
        {
            problems.Add("SHUTDOWN_DELAY: expected 1s to 1m.");
        }

        byte[]? secret = null;
        if (Setting.Text(configuration, "JWT_SECRET") is { } secretText)
        {
            secret = Encoding.UTF8.GetBytes(secretText);
            if (secret.Length < 32)
            {
                problems.Add("JWT_SECRET: expected 32 bytes or more; make one with: openssl rand -base64 48");
            }
        }

        var proxies = ReadNetworks(configuration, "TRUSTED_PROXIES", problems);
        var mutualTls = MutualTlsSettings.Read(configuration, [port, management ?? port], proxies.Count > 0, problems);
        var outgoing = OutgoingRules.Read(Setting.Text(configuration, "OUTGOING_ALLOW"), isDevelopment, problems);
        var adminEmail = Setting.Text(configuration, "ADMIN_EMAIL");
        var adminPassword = Setting.Text(configuration, "ADMIN_PASSWORD");
        if (adminEmail is not null && AccountRules.Email(adminEmail) is null)
        {
            problems.Add("ADMIN_EMAIL: expected an e-mail address, such as admin@example.com.");
        }

        if (adminEmail is not null && adminPassword is null && !isDevelopment)
        {
            problems.Add("ADMIN_PASSWORD: expected a password for ADMIN_EMAIL (only in Development is one made up and printed).");
        }

        if (adminPassword is not null && adminEmail is null && !isDevelopment)
        {
            problems.Add("ADMIN_PASSWORD: expected only together with ADMIN_EMAIL, which is unset.");
        }

        var otlp = Setting.Url(configuration, "OTEL_EXPORTER_OTLP_ENDPOINT", problems);
        foreach (var name in (string[])["CLIENTS_FILE", "RESOURCES_FILE"])
        {
            if (Setting.Text(configuration, name) is { } file && !File.Exists(file))
            {
                problems.Add($"{name}: there is no file {file}.");
            }
        }

        StartProblem.CheckLogging(configuration, problems);
        return problems.Count > 0
            ? throw new StartFailureException(string.Join(Environment.NewLine, problems))
            : new()
            {
                Port = port,
                BindAddress = bind,
                ManagementPort = management,
                ShowsApiDocuments = showsApiDocuments,
                PublicUrl = publicUrl,
                Storage = storage!,
                Delivery = delivery!,
                Exports = exports,
                RabbitMq = rabbitMq,
                JwtSecret = secret,
                AccessTokenLifetime = access,
                RefreshTokenLifetime = refresh,
                ShutdownDelay = shutdownDelay,
                TrustedProxies = proxies,
                MutualTls = mutualTls,
                Outgoing = outgoing,
                ClientsFile = Setting.Text(configuration, "CLIENTS_FILE"),
                ResourcesFile = Setting.Text(configuration, "RESOURCES_FILE"),
                AdminEmail = AccountRules.Email(adminEmail),
                AdminPassword = adminPassword,
                OtlpEndpoint = otlp,
                IsDevelopment = isDevelopment,
            };
    }

    private static int ReadPort(IConfiguration configuration, List<string> problems)
    {
        if (Setting.Text(configuration, "PORT") is not { } text)
        {
            return 8016;
        }

        if (Setting.TryParsePort(text, out var port))
        {
            return port;
        }

        problems.Add("PORT: expected a port from 1 to 65535.");
        return 0;
    }

    private static string ReadPublicUrl(IConfiguration configuration, int port, bool isDevelopment, List<string> problems)
    {
        if (Setting.Text(configuration, "PUBLIC_URL") is not { } text)
        {
            if (!isDevelopment)
            {
                problems.Add("PUBLIC_URL: expected the https address that clients know this server by, like https://id.example.com (only Development has a default).");
            }

            return string.Create(CultureInfo.InvariantCulture, $"http://localhost:{port}");
        }

        var url = text.EndsWith('/') ? text[..^1] : text;
        if (!IsAddress(url) || !Uri.TryCreate(url, UriKind.Absolute, out var parsed))
        {
            problems.Add("PUBLIC_URL: expected an address like https://id.example.com or https://example.com/identity, in ASCII (a name in other letters as xn--), without user, query or fragment, its path of letters, digits, '-', '.', '_' and '~'.");
        }
        else if (parsed.Scheme != "https" && !(isDevelopment && parsed.IsLoopback))
        {
            problems.Add("PUBLIC_URL: expected an https address; http is only for localhost in Development.");
        }
        else
        {
            // RFC 3986 §6.2.2.1: scheme and host are the same in any case, and what compares them here and elsewhere expects small letters.
            var path = url.IndexOf('/', parsed.Scheme.Length + "://".Length);
            return path < 0 ? url.ToLowerInvariant() : url[..path].ToLowerInvariant() + url[path..];
        }

        return url;
    }

    /// <summary>Scheme, host, perhaps a port and a path of plain segments: what an issuer is made of (RFC 8414 §2, RFC 3986), and what the paths of our own can stand behind.</summary>
    internal static bool IsAddress(string url) => Address().IsMatch(url) && !url.Split('/').Skip(3).Any(segment => segment is "." or "..");

    [GeneratedRegex(@"^https?://(?:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?:/[a-z0-9._~-]+)*\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase, 1000)]
    private static partial Regex Address();

    private static List<IPNetwork> ReadNetworks(IConfiguration configuration, string name, List<string> problems)
    {
        var networks = new List<IPNetwork>();
        foreach (var part in (Setting.Text(configuration, name) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (Setting.TryParseNetwork(part, out var network))
            {
                networks.Add(network);
            }
            else
            {
                problems.Add($"{name}: expected comma-separated addresses or CIDRs such as 10.0.0.5,10.1.0.0/16.");
                return [];
            }
        }

        return networks;
    }
}
