using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Identity.Accounts.Delivery.Mail;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Delivery.Sms;

/// <summary>SMS as .json files, while no SMS_WEBHOOK_URL is set: <c>{"id","to","text","createdAt"}</c>.</summary>
public sealed partial class FileSmsSender(DeliverySettings settings, TimeProvider timeProvider, ILogger<FileSmsSender> logger) : IMessageSender
{
    private static readonly JsonSerializerOptions s_readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public string Channel => "sms";

    public async Task SendAsync(PersonalMessage message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        var now = timeProvider.GetUtcNow();
        var id = message.Id ?? Guid.CreateVersion7(now);
        var content = JsonSerializer.SerializeToUtf8Bytes(new { id, to = message.To, text = message.Text, createdAt = now.UtcDateTime }, s_readable);
        var file = await OutboxFile.WriteAsync(settings.OutboxDirectory, id, "json", content, cancellationToken);
        LogWritten(file);
    }

    [LoggerMessage(3300, LogLevel.Information, "SMS written to {File}; set SMS_WEBHOOK_URL to send it")]
    private partial void LogWritten(string file);
}

/// <summary>
/// SMS through the operator's gateway: POST of <c>{"id","to","text"}</c> with <c>Idempotency-Key</c> (the id) and
/// <c>Identity-Signature: t=&lt;unix seconds&gt;,v1=&lt;hex HMAC-SHA256 of "t.body"&gt;</c>. The receiver recomputes it and refuses an old t.
/// </summary>
public sealed partial class WebhookSmsSender : IMessageSender, IDisposable
{
    public const string SignatureHeader = "Identity-Signature";

    private readonly SmsWebhookSettings _settings;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger<WebhookSmsSender> _logger;
    private readonly HttpClient _client;

    public WebhookSmsSender(DeliverySettings settings, TimeProvider timeProvider, ILogger<WebhookSmsSender> logger)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _settings = settings.SmsWebhook ?? throw new InvalidOperationException("SMS_WEBHOOK_URL is not set.");
        _timeProvider = timeProvider;
        _logger = logger;
        _client = new HttpClient(new SocketsHttpHandler
        {
            // A redirect would carry the message to somebody the operator did not name.
            AllowAutoRedirect = false,
            UseCookies = false,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            ConnectTimeout = _settings.Timeout,
            MaxResponseHeadersLength = 16,
        })
        { Timeout = Timeout.InfiniteTimeSpan };
    }

    public string Channel => "sms";

    public async Task SendAsync(PersonalMessage message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        var id = message.Id ?? Guid.CreateVersion7(_timeProvider.GetUtcNow());
        var body = JsonSerializer.SerializeToUtf8Bytes(new { id, to = message.To, text = message.Text });
        for (var attempt = 0; ; attempt++)
        {
            string failure;
            var passing = true;
            try
            {
                // What the gateway may have begun to send is not ended by a stop.
                cancellationToken.ThrowIfCancellationRequested();
                using var timeout = new CancellationTokenSource(_settings.Timeout);
                using var request = Sign(body, id);
                // The answer's body is never read: it may be endless.
                using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, timeout.Token);
                if (response.IsSuccessStatusCode)
                {
                    LogSent(attempt + 1);
                    return;
                }

                failure = string.Create(CultureInfo.InvariantCulture, $"status {(int)response.StatusCode}");

                // What is wrong with the message stays wrong. A secret, a gateway's address or a limit is the operator's to mend, while codes still count.
                passing = response.StatusCode
                    is < HttpStatusCode.BadRequest or >= HttpStatusCode.InternalServerError
                    or HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.NotFound or HttpStatusCode.ProxyAuthenticationRequired
                    or HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests;
            }
            catch (HttpRequestException exception)
            {
                failure = exception.HttpRequestError.ToString();
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                failure = "timeout";
            }

            if (!passing)
            {
                throw new MessageRefusedException(failure);
            }

            if (attempt >= _settings.RetryDelays.Count)
            {
                throw new HttpRequestException($"The SMS gateway did not take the message: {failure}.");
            }

            LogRetry(failure, attempt + 1);
            await Task.Delay(_settings.RetryDelays[attempt] * (0.75 + (Random.Shared.NextDouble() / 2)), _timeProvider, cancellationToken);
        }
    }

    public void Dispose() => _client.Dispose();

    private HttpRequestMessage Sign(byte[] body, Guid id)
    {
        var time = _timeProvider.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        byte[] signed = [.. Encoding.ASCII.GetBytes(time), (byte)'.', .. body];
        var request = new HttpRequestMessage(HttpMethod.Post, _settings.Url) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.TryAddWithoutValidation("Idempotency-Key", id.ToString());
        request.Headers.TryAddWithoutValidation(SignatureHeader, $"t={time},v1={Convert.ToHexStringLower(HMACSHA256.HashData(_settings.Secret, signed))}");
        return request;
    }

    [LoggerMessage(3301, LogLevel.Information, "SMS handed to the gateway at attempt {Attempt}")]
    private partial void LogSent(int attempt);

    [LoggerMessage(3302, LogLevel.Warning, "The SMS gateway did not take a message at attempt {Attempt} ({Failure}); trying again")]
    private partial void LogRetry(string failure, int attempt);
}
