using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Identity.ServiceDefaults.Settings;

/// <summary>How much the connection to Redis trusts.</summary>
public enum RedisTls
{
    Off,
    /// <summary>Encrypted, whoever answers.</summary>
    Require,
    /// <summary>Encrypted, and the certificate is checked.</summary>
    Verify,
}

/// <summary>REDIS_HOST, REDIS_USERNAME, REDIS_PASSWORD, REDIS_TLS and REDIS_KEY_PREFIX, validated.</summary>
public sealed class RedisSettings
{
    /// <summary>Host and port of the server, or of some nodes of a cluster: the others are learnt from them.</summary>
    public required IReadOnlyList<(string Host, int Port)> Endpoints { get; init; }

    public string? UserName { get; init; }

    /// <summary>Never log it.</summary>
    public string? Password { get; init; }

    public RedisTls Tls { get; init; }

    /// <summary>What every key begins with, so that several services can share one Redis.</summary>
    public string KeyPrefix { get; init; } = "identity";

    /// <summary>How long a start waits for a server that does not answer yet.</summary>
    public TimeSpan StartWait { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>What may be shown.</summary>
    public string Description => "Redis at " + string.Join(", ", Endpoints.Select(endpoint => string.Create(CultureInfo.InvariantCulture, $"{endpoint.Host}:{endpoint.Port}")));

    public override string ToString() => Description;

    /// <summary>Null where REDIS_HOST is unset, or, with a line in <paramref name="problems"/>, where something cannot be used.</summary>
    public static RedisSettings? Read(IConfiguration configuration, ICollection<string> problems)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(problems);
        var before = problems.Count;
        var userName = Setting.Text(configuration, "REDIS_USERNAME");
        var password = Setting.Text(configuration, "REDIS_PASSWORD");
        var tls = Setting.Text(configuration, "REDIS_TLS")?.ToLowerInvariant();
        var prefix = Setting.Text(configuration, "REDIS_KEY_PREFIX") ?? "identity";
        if (Setting.Text(configuration, "REDIS_HOST") is not { } hosts)
        {
            foreach (var (name, value) in new[] { ("REDIS_USERNAME", userName), ("REDIS_PASSWORD", password), ("REDIS_TLS", tls) })
            {
                if (value is not null)
                {
                    problems.Add($"{name}: expected only together with REDIS_HOST, which is unset.");
                }
            }

            return null;
        }

        var endpoints = new List<(string, int)>();
        foreach (var part in hosts.Split(',', StringSplitOptions.TrimEntries))
        {
            if (StorageSettings.TryParseHost(part, out var host, out var port))
            {
                endpoints.Add((host, port ?? 6379));
            }
            else
            {
                problems.Add("REDIS_HOST: expected a host or host:port with a port from 1 to 65535; of a cluster several, comma-separated.");
                break;
            }
        }

        if (tls is not (null or "verify" or "require" or "off"))
        {
            problems.Add("REDIS_TLS: expected verify, require or off.");
        }
        else if (tls is null && password is not null && !endpoints.TrueForAll(endpoint => Setting.IsLoopback(endpoint.Item1)))
        {
            problems.Add("REDIS_TLS: expected verify or require beside REDIS_PASSWORD, or off to let the password travel in clear.");
        }

        if (userName is not null && password is null)
        {
            problems.Add("REDIS_PASSWORD: expected the password of REDIS_USERNAME.");
        }

        // A brace would move the part of the key that a cluster places it by.
        if (prefix.Length > 64 || !prefix.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or ':'))
        {
            problems.Add("REDIS_KEY_PREFIX: expected at most 64 letters, digits, dots, colons, dashes and underscores.");
        }

        return problems.Count > before
            ? null
            : new()
            {
                Endpoints = endpoints,
                UserName = userName,
                Password = password,
                Tls = tls switch { "verify" => RedisTls.Verify, "require" => RedisTls.Require, _ => RedisTls.Off },
                KeyPrefix = prefix,
            };
    }
}
