// APNs provider API over HTTP/2 (RFC 9113): POST /3/device/{token}, with a provider token (RFC 7519, ES256).
using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Accounts.Devices;
using Identity.ServiceDefaults.Settings;

namespace Identity.Accounts.Delivery.Push;

/// <summary>Sends to iOS devices through Apple, to the environment that the device belongs to.</summary>
internal sealed class ApnsSender(ApnsSettings settings, ApnsProviderToken providerToken, TimeProvider timeProvider) : IPushSender, IDisposable
{
    private static readonly TimeSpan DeviceWait = TimeSpan.FromMinutes(1);

    // Apple looks at how often a token was changed in the last twenty minutes.
    private static readonly TimeSpan TokenWait = TimeSpan.FromMinutes(1);

    private readonly HttpClient _client = PushHttp.Client();

    public string Platform => DevicePlatforms.Ios;

    public async Task<PushOutcome> SendAsync(PushTarget target, PushMessage message, CancellationToken cancellationToken)
    {
        var startedAt = timeProvider.GetUtcNow();
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(PushHttp.Timeout);
        try
        {
            var token = await providerToken.GetAsync(timeout.Token);
            var (status, reason, answer, retryAfter) = await PostAsync(target, message, token, timeout.Token);
            if (reason == "ExpiredProviderToken" && await providerToken.RenewAsync(token, timeout.Token) is { } renewed)
            {
                (status, reason, answer, retryAfter) = await PostAsync(target, message, renewed, timeout.Token);
            }

            return Judge(status, reason, answer, retryAfter, startedAt);
        }
        catch (HttpRequestException exception)
        {
            return new PushOutcome.Later(exception.HttpRequestError.ToString());
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new PushOutcome.Later("timeout");
        }
        catch (IOException)
        {
            return new PushOutcome.Later("connection");
        }
    }

    public void Dispose() => _client.Dispose();

    private async Task<(HttpStatusCode Status, string? Reason, JsonObject? Answer, TimeSpan RetryAfter)> PostAsync(PushTarget target, PushMessage message, string token, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(target.Environment == "sandbox" ? settings.Sandbox : settings.Production, "/3/device/" + target.Token))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(Body(message)),
        };
        request.Headers.Authorization = new("bearer", token);
        request.Headers.Add("apns-topic", target.AppId is { } app && settings.Topics.Contains(app, StringComparer.Ordinal) ? app : settings.Topics[0]);
        request.Headers.Add("apns-push-type", "alert");
        request.Headers.Add("apns-priority", "10");
        request.Headers.Add("apns-expiration", message.ExpiresAt.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture));
        request.Headers.Add("apns-id", message.Id.ToString("D"));
        request.Headers.Add("apns-collapse-id", message.Id.ToString("N"));
        using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (response.StatusCode == HttpStatusCode.OK)
        {
            return (response.StatusCode, null, null, TimeSpan.Zero);
        }

        var answer = Read(await PushHttp.ReadAsync(response, cancellationToken));
        return (response.StatusCode, answer?["reason"]?.GetValueKind() == JsonValueKind.String ? (string?)answer["reason"] : null, answer, PushHttp.RetryAfter(response.Headers, timeProvider.GetUtcNow()));
    }

    private static PushOutcome Judge(HttpStatusCode status, string? reason, JsonObject? answer, TimeSpan retryAfter, DateTimeOffset startedAt)
    {
        if (status == HttpStatusCode.OK)
        {
            return new PushOutcome.Sent();
        }

        var word = PushHttp.Word(reason, (int)status);
        return (status, reason) switch
        {
            (HttpStatusCode.Gone, _) => new PushOutcome.Gone(Timestamp(answer) ?? startedAt, word),
            (_, "BadDeviceToken") => new PushOutcome.Gone(startedAt, word),
            (_, "ExpiredProviderToken") => new PushOutcome.Later(word, TokenWait, PausesAll: true),
            (_, "TooManyProviderTokenUpdates") => new PushOutcome.Later(word, Longer(retryAfter, TokenWait), PausesAll: true),
            (HttpStatusCode.TooManyRequests, _) => new PushOutcome.Later(word, Longer(retryAfter, DeviceWait)),
            (_, "IdleTimeout") or (HttpStatusCode.RequestTimeout, _) or ( >= HttpStatusCode.InternalServerError, _) => new PushOutcome.Later(word, retryAfter),
            (_, "PayloadTooLarge") => new PushOutcome.Refused(word, IsAlarm: false),

            // Key, team or topic are not what Apple knows. Devices stay: they are not at fault.
            _ => new PushOutcome.Refused(word, IsAlarm: true),
        };
    }

    private static byte[] Body(PushMessage message)
    {
        var body = new JsonObject
        {
            ["aps"] = new JsonObject
            {
                ["alert"] = new JsonObject { ["title"] = message.Title, ["body"] = message.Text },
                ["sound"] = "default",
            },
            ["id"] = message.Id.ToString(),
        };
        foreach (var (name, value) in message.Data)
        {
            body[name] = value;
        }

        return JsonSerializer.SerializeToUtf8Bytes(body);
    }

    private static JsonObject? Read(byte[] body)
    {
        try
        {
            return JsonNode.Parse(body) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Milliseconds since 1970 at which Apple saw that the token is dead.</summary>
    private static DateTimeOffset? Timestamp(JsonObject? answer) =>
        answer?["timestamp"] is JsonValue value && value.TryGetValue<long>(out var milliseconds) && milliseconds is > 0 and < 253_402_300_800_000 ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds) : null;

    private static TimeSpan Longer(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
