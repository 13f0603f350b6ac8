// FCM HTTP v1 (service account of Firebase) and APNs (token-based provider authentication): where push messages go.
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Configuration;

namespace Identity.ServiceDefaults.Settings;

/// <summary>How push messages leave: FIREBASE_CREDENTIALS and APNS_*, validated. Neither set: there is no channel <c>push</c>.</summary>
public sealed class PushSettings
{
    /// <summary>Null: nothing goes to Android.</summary>
    public FcmSettings? Fcm { get; init; }

    /// <summary>Null: nothing goes to iOS.</summary>
    public ApnsSettings? Apns { get; init; }

    /// <summary>Null where nothing is set, or where a value cannot be used: then with a line each in <paramref name="problems"/>.</summary>
    public static PushSettings? Read(IConfiguration configuration, ICollection<string> problems)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(problems);
        var (fcm, apns) = (ReadFcm(configuration, problems), ReadApns(configuration, problems));
        return fcm is null && apns is null ? null : new() { Fcm = fcm, Apns = apns };
    }

    private static FcmSettings? ReadFcm(IConfiguration configuration, ICollection<string> problems)
    {
        const string Problem = "FIREBASE_CREDENTIALS: expected the JSON of a Firebase service account (type service_account, with project_id, client_email and private_key), or the path of its file.";
        var endpoint = ReadEndpoint("FCM_ENDPOINT", Setting.Text(configuration, "FCM_ENDPOINT"), "https://fcm.googleapis.com", problems);
        if (Setting.Text(configuration, "FIREBASE_CREDENTIALS") is not { } text)
        {
            return null;
        }

        try
        {
            using var document = JsonDocument.Parse(text.StartsWith('{') ? text : File.ReadAllText(text));
            string? Member(string name) => document.RootElement.TryGetProperty(name, out var value) ? value.GetString() : null;
            if (Member("type") == "service_account" && Member("project_id") is { Length: > 0 } project && Member("client_email") is { Length: > 0 } email && Member("private_key") is { Length: > 0 } key)
            {
                using var rsa = RSA.Create();
                rsa.ImportFromPem(key);
                var tokenUri = Member("token_uri") ?? "https://oauth2.googleapis.com/token";
                if (ReadEndpoint("FIREBASE_CREDENTIALS", tokenUri, tokenUri, problems) is { } token && endpoint is not null)
                {
                    return new() { ProjectId = project, ClientEmail = email, PrivateKey = key, TokenUri = token, Endpoint = endpoint };
                }

                return null;
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or ArgumentException or CryptographicException or IOException or UnauthorizedAccessException or NotSupportedException)
        {
            // Told below: what it holds is a secret, and so are pieces of it in an exception's message.
        }

        problems.Add(Problem);
        return null;
    }

    private static ApnsSettings? ReadApns(IConfiguration configuration, ICollection<string> problems)
    {
        var production = ReadEndpoint("APNS_ENDPOINT", Setting.Text(configuration, "APNS_ENDPOINT"), "https://api.push.apple.com", problems);
        var sandbox = ReadEndpoint("APNS_SANDBOX_ENDPOINT", Setting.Text(configuration, "APNS_SANDBOX_ENDPOINT"), "https://api.sandbox.push.apple.com", problems);
        var (key, keyId, teamId, topic) = (Setting.Text(configuration, "APNS_KEY"), Setting.Text(configuration, "APNS_KEY_ID"), Setting.Text(configuration, "APNS_TEAM_ID"), Setting.Text(configuration, "APNS_TOPIC"));
        if (key is null && keyId is null && teamId is null && topic is null)
        {
            return null;
        }

        var before = problems.Count;
        var pem = ReadKey(key, problems);
        foreach (var (name, value) in new[] { ("APNS_KEY_ID", keyId), ("APNS_TEAM_ID", teamId) })
        {
            if (value is not { Length: 10 } || !value.All(char.IsAsciiLetterOrDigit))
            {
                problems.Add($"{name}: expected the ten letters and digits that Apple gives, beside APNS_KEY.");
            }
        }

        var topics = (topic ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (topics.Length == 0 || topics.Any(t => !t.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-')))
        {
            problems.Add("APNS_TOPIC: expected the bundle id of the app, such as com.example.app; of several apps comma-separated, the default first.");
        }

        return problems.Count > before || production is null || sandbox is null
            ? null
            : new() { PrivateKey = pem!, KeyId = keyId!, TeamId = teamId!, Topics = topics, Production = production, Sandbox = sandbox };
    }

    private static string? ReadKey(string? key, ICollection<string> problems)
    {
        try
        {
            if (key is not null)
            {
                // Compose files and shells cannot hold line breaks well: \n will do.
                var pem = key.Contains("-----BEGIN", StringComparison.Ordinal) ? key.Replace("\\n", "\n", StringComparison.Ordinal) : File.ReadAllText(key);
                using var ecdsa = ECDsa.Create();
                ecdsa.ImportFromPem(pem);
                if (ecdsa.KeySize == 256)
                {
                    return pem;
                }
            }
        }
        catch (Exception exception) when (exception is ArgumentException or CryptographicException or IOException or UnauthorizedAccessException or NotSupportedException)
        {
            // Told below, without a piece of it.
        }

        problems.Add("APNS_KEY: expected the signing key (.p8) that Apple gives, as PEM or the path of its file; with APNS_KEY_ID, APNS_TEAM_ID and APNS_TOPIC.");
        return null;
    }

    private static Uri? ReadEndpoint(string name, string? text, string otherwise, ICollection<string> problems)
    {
        if (Uri.TryCreate(text ?? otherwise, UriKind.Absolute, out var url) && url is { UserInfo: "", Query: "", Fragment: "" } && (url.Scheme is "https" || (url.Scheme is "http" && DeliverySettings.IsInside(url))))
        {
            return url;
        }

        problems.Add($"{name}: expected an https URL without user name and query (http only for loopback, a private address, or a name without a dot).");
        return null;
    }
}

/// <summary>Firebase Cloud Messaging.</summary>
public sealed class FcmSettings
{
    public required string ProjectId { get; init; }

    public required string ClientEmail { get; init; }

    /// <summary>PEM. Never logged.</summary>
    public required string PrivateKey { get; init; }

    /// <summary>Where the service account gets its access tokens.</summary>
    public required Uri TokenUri { get; init; }

    /// <summary>FCM_ENDPOINT: Google's, or a gateway's.</summary>
    public required Uri Endpoint { get; init; }
}

/// <summary>Apple Push Notification service.</summary>
public sealed class ApnsSettings
{
    /// <summary>PEM, P-256. Never logged.</summary>
    public required string PrivateKey { get; init; }

    public required string KeyId { get; init; }

    public required string TeamId { get; init; }

    /// <summary>Bundle ids; the first where a device names none of them.</summary>
    public required IReadOnlyList<string> Topics { get; init; }

    public required Uri Production { get; init; }

    public required Uri Sandbox { get; init; }
}
