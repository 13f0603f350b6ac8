// FCM HTTP v1 (projects.messages.send, google.firebase.fcm.v1.FcmError); RFC 7523 for the service account's access token.
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Apis.Auth.OAuth2;
using Google.Apis.Auth.OAuth2.Responses;
using Identity.Accounts.Devices;
using Identity.ServiceDefaults.Settings;

namespace Identity.Accounts.Delivery.Push;

/// <summary>Sends to Android devices through Firebase.</summary>
public sealed class FcmSender : IPushSender, IDisposable
{
    private const string Scope = "https://www.googleapis.com/auth/firebase.messaging";

    // What Google asks for where a quota ran out.
    private static readonly TimeSpan QuotaWait = TimeSpan.FromMinutes(1);

    private readonly Uri _send;
    private readonly TimeProvider _timeProvider;
    private readonly ServiceAccountCredential _credential;
    private readonly HttpClient _client = PushHttp.Client();
    private readonly SemaphoreSlim _renewal = new(1, 1);

    public FcmSender(FcmSettings settings, TimeProvider timeProvider)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _timeProvider = timeProvider;
        _send = new Uri(settings.Endpoint, $"/v1/projects/{Uri.EscapeDataString(settings.ProjectId)}/messages:send");
        _credential = new(new ServiceAccountCredential.Initializer(settings.ClientEmail, settings.TokenUri.AbsoluteUri) { Scopes = [Scope], ProjectId = settings.ProjectId }.FromPrivateKey(settings.PrivateKey));
    }

    public string Platform => DevicePlatforms.Android;

    public async Task<PushOutcome> SendAsync(PushTarget target, PushMessage message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(message);
        var startedAt = _timeProvider.GetUtcNow();
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(PushHttp.Timeout);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, _send) { Content = new ByteArrayContent(Body(target, message, startedAt)) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            var accessToken = await _credential.GetAccessTokenForRequestAsync(cancellationToken: timeout.Token);
            request.Headers.Authorization = new("Bearer", accessToken);
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, timeout.Token);
            return response.IsSuccessStatusCode
                ? new PushOutcome.Sent()
                : await JudgeAsync(response, accessToken, startedAt, timeout.Token);
        }
        catch (TokenResponseException refused)
        {
            // The token endpoint said no: the key was withdrawn, or it has a bad moment.
            return (int?)refused.StatusCode is { } status and < 500 and not 429
                ? new PushOutcome.Refused(PushHttp.Word(refused.Error?.Error, status), IsAlarm: true)
                : new PushOutcome.Later("credentials");
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

    public void Dispose()
    {
        _client.Dispose();
        _renewal.Dispose();
    }

    private static byte[] Body(PushTarget target, PushMessage message, DateTimeOffset now)
    {
        var data = new JsonObject { ["id"] = message.Id.ToString() };
        foreach (var (name, value) in message.Data)
        {
            data[name] = value;
        }

        var seconds = Math.Max(0, (long)(message.ExpiresAt - now).TotalSeconds);
        return JsonSerializer.SerializeToUtf8Bytes(new JsonObject
        {
            ["message"] = new JsonObject
            {
                ["token"] = target.Token,
                ["notification"] = new JsonObject { ["title"] = message.Title, ["body"] = message.Text },
                ["data"] = data,
                ["android"] = new JsonObject
                {
                    ["priority"] = "HIGH",
                    ["ttl"] = seconds.ToString(CultureInfo.InvariantCulture) + "s",
                    ["collapse_key"] = message.Id.ToString("N"),
                    ["notification"] = new JsonObject { ["tag"] = message.Id.ToString("N") },
                },
            },
        });
    }

    private async Task<PushOutcome> JudgeAsync(HttpResponseMessage response, string accessToken, DateTimeOffset startedAt, CancellationToken cancellationToken)
    {
        var status = (int)response.StatusCode;
        var (code, isTheToken, isOneDevices) = Read(await PushHttp.ReadAsync(response, cancellationToken));
        var reason = PushHttp.Word(code, status);
        var retryAfter = PushHttp.RetryAfter(response.Headers, _timeProvider.GetUtcNow());
        switch (code)
        {
            case "UNREGISTERED":
            case "INVALID_ARGUMENT" when isTheToken:
                return new PushOutcome.Gone(startedAt, reason);
            case "SENDER_ID_MISMATCH" or "THIRD_PARTY_AUTH_ERROR":
                return new PushOutcome.Refused(reason, IsAlarm: true);
            case "QUOTA_EXCEEDED" or "RESOURCE_EXHAUSTED":
                // Too much to one device is no reason to keep the others waiting.
                return new PushOutcome.Later(reason, retryAfter > QuotaWait ? retryAfter : QuotaWait, PausesAll: !isOneDevices);
        }

        switch (response.StatusCode)
        {
            case HttpStatusCode.TooManyRequests:
                return new PushOutcome.Later(reason, retryAfter > QuotaWait ? retryAfter : QuotaWait, PausesAll: true);
            case HttpStatusCode.RequestTimeout or >= HttpStatusCode.InternalServerError:
                return new PushOutcome.Later(reason, retryAfter);
            case HttpStatusCode.Unauthorized:
                // Our access token was taken back before its time: the next attempt has a new one, asked for by the first to notice.
                await RenewAsync(accessToken, cancellationToken);
                return new PushOutcome.Later(reason);
            default:
                // What is wrong with every message (a project that is none, an API that is off) is the operator's; a single message is ours.
                return new PushOutcome.Refused(reason, IsAlarm: true);
        }
    }

    // One after the other: those who were refused together find the first one's.
    private async Task RenewAsync(string refused, CancellationToken cancellationToken)
    {
        await _renewal.WaitAsync(cancellationToken);
        try
        {
            if (_credential.Token?.AccessToken == refused)
            {
                await _credential.RequestAccessTokenAsync(cancellationToken);
            }
        }
        finally
        {
            _renewal.Release();
        }
    }

    /// <summary>The code of FcmError, else the status; whether a bad argument is the registration token; and whether the quota is that of one device.</summary>
    private static (string? Code, bool IsTheToken, bool IsOneDevices) Read(byte[] body)
    {
        try
        {
            if (JsonNode.Parse(body)?["error"] is not JsonObject error)
            {
                return (null, false, false);
            }

            var details = (error["details"] as JsonArray ?? []).OfType<JsonObject>().ToList();
            var fcm = details.Find(detail => ((string?)detail["@type"])?.EndsWith("google.firebase.fcm.v1.FcmError", StringComparison.Ordinal) == true);
            var fields = details.SelectMany(detail => detail["fieldViolations"] as JsonArray ?? []).OfType<JsonObject>().Select(violation => (string?)violation["field"]).ToList();
            var quotas = details.SelectMany(detail => detail["violations"] as JsonArray ?? []).OfType<JsonObject>().Select(violation => $"{(string?)violation["subject"]} {(string?)violation["description"]}");

            // A token that is none is told without naming the field, by the message alone. A message that is too big, or another fault of
            // ours, must not cost everybody their devices: without a word of the token it is not the token.
            var namesToken = fcm is not null && ((string?)error["message"])?.Contains("registration token", StringComparison.OrdinalIgnoreCase) == true;
            return (
                (string?)fcm?["errorCode"] ?? (string?)error["status"],
                fields.Count == 0 ? namesToken : fields.TrueForAll(field => field == "message.token"),
                quotas.Any(quota => quota.Contains("device", StringComparison.OrdinalIgnoreCase)));
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return (null, false, false);
        }
    }
}
