// JSON Lines by HTTP (RFC 9110): files that another service renders, MEDIA_SERVICE_URL.
using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.ExceptionServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.Export;

/// <summary>
/// Posts the rows, one JSON object a line, to MEDIA_SERVICE_URL with <c>?format=xlsx</c> (or pdf, csv) and <c>Accept</c> of that type, and hands on
/// the file that is answered. Tried three times, each with the rows anew, as long as nothing was handed on.
/// </summary>
internal sealed partial class MediaService : IDisposable
{
    private static readonly TimeSpan[] RetryDelays = [TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(3)];

    private readonly Uri _address;
    private readonly TimeSpan _timeout;
    private readonly ExportMetrics _metrics;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger<MediaService> _logger;
    private readonly HttpClient _client;

    public MediaService(ExportSettings settings, IOptions<ExportOptions> options, ExportMetrics metrics, TimeProvider timeProvider, ILogger<MediaService> logger)
    {
        _address = settings.MediaServiceUrl ?? throw new InvalidOperationException("MEDIA_SERVICE_URL is not set.");
        (_timeout, _metrics, _timeProvider, _logger) = (options.Value.MediaTimeout, metrics, timeProvider, logger);
        _client = new HttpClient(new SocketsHttpHandler
        {
            // A redirect would carry everybody's data to somebody the operator did not name.
            AllowAutoRedirect = false,
            UseCookies = false,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            ConnectTimeout = TimeSpan.FromSeconds(5),
            MaxResponseHeadersLength = 16,
        })
        { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <param name="format">Wanted.</param>
    /// <param name="users">The rows from the first one, each time it is asked.</param>
    /// <param name="output">Gets the file; nothing before the service has begun to answer with one.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<ExportOutcome> RenderAsync(ExportFormat format, Func<IAsyncEnumerable<ExportedUser>> users, Stream output, CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            var result = await TryAsync(format, users(), output, cancellationToken);
            if (result.Failure is null)
            {
                return new ExportOutcome.Done(result.Rows);
            }

            if (result.Begun)
            {
                LogBroken(result.Failure);
                return new ExportOutcome.Broken(result.Failure);
            }

            if (!result.Passing || attempt >= RetryDelays.Length)
            {
                LogFailed(attempt + 1, result.Failure);
                return new ExportOutcome.Unavailable(result.Failure);
            }

            LogRetry(attempt + 1, result.Failure);
            _metrics.Retried();
            await Task.Delay(RetryDelays[attempt] * (0.75 + (Random.Shared.NextDouble() / 2)), _timeProvider, cancellationToken);
        }
    }

    public void Dispose() => _client.Dispose();

    private async Task<Attempt> TryAsync(ExportFormat format, IAsyncEnumerable<ExportedUser> users, Stream output, CancellationToken cancellationToken)
    {
        using var idle = new CancellationTokenSource(_timeout, _timeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, idle.Token);
        using var lines = new Lines(users, () => idle.CancelAfter(_timeout));
        using var request = new HttpRequestMessage(HttpMethod.Post, Address(format)) { Content = lines };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(format.MediaType));
        var (buffer, begun, reading) = (ArrayPool<byte>.Shared.Rent(64 * 1024), false, false);
        try
        {
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                var passing = (int)response.StatusCode >= 500 || response.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout;
                return Failed(string.Create(CultureInfo.InvariantCulture, $"status {(int)response.StatusCode}"), passing);
            }

            if (response.Content.Headers.ContentType?.MediaType is { } type && !string.Equals(type, format.MediaType, StringComparison.OrdinalIgnoreCase) && !string.Equals(type, "application/octet-stream", StringComparison.OrdinalIgnoreCase))
            {
                return Failed($"an answer that is not of type {format.MediaType}", passing: false);
            }

            await using var file = await response.Content.ReadAsStreamAsync(either.Token);
            while (true)
            {
                idle.CancelAfter(_timeout);
                reading = true;
                var read = await file.ReadAsync(buffer, either.Token);
                reading = false;
                if (read == 0)
                {
                    return !begun ? Failed("an empty answer", passing: true) : lines.IsSent ? new Attempt(null, false, begun, lines.Count) : Failed("an answer before all rows were read", passing: true, begun);
                }

                // How long the caller takes is not the service's fault.
                idle.CancelAfter(Timeout.InfiniteTimeSpan);
                begun = true;
                await output.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }
        }
        catch (Exception) when (lines.Fault is not null)
        {
            ExceptionDispatchInfo.Throw(lines.Fault);
            throw;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Failed("a time-out", passing: true, begun);
        }
        catch (HttpRequestException exception)
        {
            return Failed(exception.HttpRequestError.ToString(), passing: true, begun);
        }
        catch (IOException exception) when (reading)
        {
            // A connection that is reset is told without HTTP's own kinds of failure.
            return Failed(exception is HttpIOException http ? http.HttpRequestError.ToString() : "a connection that was cut", passing: true, begun);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private Uri Address(ExportFormat format) =>
        new UriBuilder(_address) { Query = (_address.Query.Length > 1 ? _address.Query[1..] + "&" : "") + "format=" + format.Name }.Uri;

    private static Attempt Failed(string failure, bool passing, bool begun = false) => new(failure, passing, begun, 0);

    [LoggerMessage(3460, LogLevel.Warning, "The media service failed at attempt {Attempt} ({Failure}); trying again")]
    private partial void LogRetry(int attempt, string failure);

    [LoggerMessage(3461, LogLevel.Error, "The media service rendered no export in {Attempts} attempts: {Failure}")]
    private partial void LogFailed(int attempts, string failure);

    [LoggerMessage(3462, LogLevel.Error, "The media service failed in the middle of its answer ({Failure}); the export was cut off")]
    private partial void LogBroken(string failure);

    private sealed record Attempt(string? Failure, bool Passing, bool Begun, long Rows);

    /// <summary>The rows, read as the service takes them.</summary>
    private sealed class Lines : HttpContent
    {
        private const int Batch = 32 * 1024;

        private readonly IAsyncEnumerable<ExportedUser> _users;
        private readonly Action _moved;

        public Lines(IAsyncEnumerable<ExportedUser> users, Action moved)
        {
            (_users, _moved) = (users, moved);
            Headers.ContentType = new MediaTypeHeaderValue("application/x-ndjson");
        }

        public long Count { get; private set; }

        public bool IsSent { get; private set; }

        /// <summary>What went wrong on our side, which is not the service's fault.</summary>
        public Exception? Fault { get; private set; }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            var buffer = new ArrayBufferWriter<byte>(Batch + 4096);
            await using var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
            await using var rows = _users.GetAsyncEnumerator(cancellationToken);
            while (await NextAsync(rows, cancellationToken))
            {
                rows.Current.WriteTo(json);
                await json.FlushAsync(cancellationToken);
                json.Reset();
                buffer.Write("\n"u8);
                Count++;
                if (buffer.WrittenCount >= Batch)
                {
                    await SendAsync();
                }
            }

            await SendAsync();
            IsSent = true;

            async Task SendAsync()
            {
                await stream.WriteAsync(buffer.WrittenMemory, cancellationToken);
                buffer.ResetWrittenCount();
                _moved();
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }

        private async Task<bool> NextAsync(IAsyncEnumerator<ExportedUser> rows, CancellationToken cancellationToken)
        {
            try
            {
                return await rows.MoveNextAsync();
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                Fault = exception;
                throw;
            }
        }
    }
}
