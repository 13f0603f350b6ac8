using System.Globalization;
using System.Net;
using System.Text;
using Identity.ServiceDefaults.Settings;

namespace Identity.Server.Hosting;

/// <summary>The server's settings, read once at start. What cannot be used is told in one line that names it.</summary>
public sealed class ServerSettings
{
    public required int Port { get; init; }

    /// <summary>All that it listens on.</summary>
    public IReadOnlyList<int> Ports => ManagementPort is { } management ? [Port, management] : [Port];

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
        if (Text(configuration, "MANAGEMENT_PORT") is { } managementText)
        {
            if (int.TryParse(managementText, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is >= 1 and <= 65535 && number != port)
            {
                management = number;
            }
            else
            {
                problems.Add("MANAGEMENT_PORT: expected a port from 1 to 65535 that is not PORT.");
            }
        }

        IPAddress? bind = null;
        if (Text(configuration, "BIND_ADDRESS") is { } bindText && !IPAddress.TryParse(bindText, out bind))
        {
            problems.Add("BIND_ADDRESS: expected an IP address of this machine such as 127.0.0.1, 10.0.0.5 or ::1 (0.0.0.0 or :: for every one).");
        }

        // In any case: .NET makes "True" of JSON's true.
        var showsApiDocuments = isDevelopment;
        if (Text(configuration, "API_DOCS") is { } apiDocuments && !bool.TryParse(apiDocuments, out showsApiDocuments))
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
        byte[]? secret = null;
        if (Text(configuration, "JWT_SECRET") is { } secretText)
        {
            secret = Encoding.UTF8.GetBytes(secretText);
            if (secret.Length < 32)
            {
                problems.Add("JWT_SECRET: expected 32 bytes or more; make one with: openssl rand -base64 48");
            }
        }

        var proxies = ReadNetworks(configuration, "TRUSTED_PROXIES", problems);
        var mutualTls = MutualTlsSettings.Read(configuration, port, proxies.Count > 0, problems);
        var outgoing = OutgoingRules.Read(Text(configuration, "OUTGOING_ALLOW"), isDevelopment, problems);
        var adminEmail = Text(configuration, "ADMIN_EMAIL");
        var adminPassword = Text(configuration, "ADMIN_PASSWORD");
        if (adminEmail is not null && !adminEmail.Contains('@', StringComparison.Ordinal))
        {
            problems.Add("ADMIN_EMAIL: expected an e-mail address.");
        }

        if (adminEmail is not null && adminPassword is null && !isDevelopment)
        {
            problems.Add("ADMIN_PASSWORD: expected a password for ADMIN_EMAIL (only in Development is one made up and printed).");
        }

        if (adminPassword is not null && adminEmail is null && !isDevelopment)
        {
            problems.Add("ADMIN_PASSWORD: expected only together with ADMIN_EMAIL, which is unset.");
        }

        Uri? otlp = null;
        if (Text(configuration, "OTEL_EXPORTER_OTLP_ENDPOINT") is { } endpoint && (!Uri.TryCreate(endpoint, UriKind.Absolute, out otlp) || otlp.Scheme is not ("http" or "https")))
        {
            problems.Add("OTEL_EXPORTER_OTLP_ENDPOINT: expected an http or https URL.");
        }

        foreach (var name in (string[])["CLIENTS_FILE", "RESOURCES_FILE"])
        {
            if (Text(configuration, name) is { } file && !File.Exists(file))
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
                TrustedProxies = proxies,
                MutualTls = mutualTls,
                Outgoing = outgoing,
                ClientsFile = Text(configuration, "CLIENTS_FILE"),
                ResourcesFile = Text(configuration, "RESOURCES_FILE"),
                AdminEmail = adminEmail,
                AdminPassword = adminPassword,
                OtlpEndpoint = otlp,
                IsDevelopment = isDevelopment,
            };
    }

    private static int ReadPort(IConfiguration configuration, List<string> problems)
    {
        if (Text(configuration, "PORT") is not { } text)
        {
            return 8016;
        }

        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is >= 1 and <= 65535)
        {
            return port;
        }

        problems.Add("PORT: expected a port from 1 to 65535.");
        return 0;
    }

    private static string ReadPublicUrl(IConfiguration configuration, int port, bool isDevelopment, List<string> problems)
    {
        if (Text(configuration, "PUBLIC_URL") is not { } text)
        {
            if (!isDevelopment)
            {
                problems.Add("PUBLIC_URL: expected the https address that clients know this server by, like https://id.example.com (only Development has a default).");
            }

            return string.Create(CultureInfo.InvariantCulture, $"http://localhost:{port}");
        }

        var url = text.TrimEnd('/');
        if (!Uri.TryCreate(url, UriKind.Absolute, out var parsed) || parsed.Scheme is not ("http" or "https") || !url.StartsWith(parsed.Scheme + "://", StringComparison.OrdinalIgnoreCase) || parsed.Query.Length > 0 || parsed.Fragment.Length > 0 || parsed.UserInfo.Length > 0)
        {
            problems.Add("PUBLIC_URL: expected an address like https://id.example.com, without query or fragment.");
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

    private static List<IPNetwork> ReadNetworks(IConfiguration configuration, string name, List<string> problems)
    {
        var networks = new List<IPNetwork>();
        foreach (var part in (Text(configuration, name) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (IPNetwork.TryParse(part, out var network))
            {
                networks.Add(network);
            }
            else if (IPAddress.TryParse(part, out var address))
            {
                networks.Add(new IPNetwork(address, address.GetAddressBytes().Length * 8));
            }
            else
            {
                problems.Add($"{name}: expected comma-separated addresses or CIDRs such as 10.0.0.5,10.1.0.0/16.");
                return [];
            }
        }

        return networks;
    }

    private static string? Text(IConfiguration configuration, string name) => configuration[name] is { } text && !string.IsNullOrWhiteSpace(text) ? text.Trim() : null;
}
