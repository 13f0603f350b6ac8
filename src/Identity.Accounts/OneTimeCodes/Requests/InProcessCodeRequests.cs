using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.OneTimeCodes.Requests;

/// <summary>
/// The queue otp_requests without a broker: the same requests, answers, retries and dropping of repeats, for code in this process.
/// What waits when the process ends is refused; there is nobody left to answer.
/// </summary>
public sealed partial class InProcessCodeRequests(CodeRequestProcessor processor, TimeProvider timeProvider, ILogger<InProcessCodeRequests> logger) : BackgroundService
{
    private const int Workers = 4;

    private static readonly TimeSpan[] s_retryDelays = [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(60)];

    private readonly Channel<Request> _requests = Channel.CreateBounded<Request>(1000);

    /// <summary>The answer in the framing of the request, as the broker's queue would give it.</summary>
    public async Task<byte[]> AskAsync(ReadOnlyMemory<byte> body, string? messageId, CancellationToken cancellationToken)
    {
        var request = new Request(body, messageId, new(TaskCreationOptions.RunContinuationsAsynchronously));
        await _requests.Writer.WriteAsync(request, cancellationToken);
        return await request.Answer.Task.WaitAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        _requests.Writer.TryComplete();
        await base.StopAsync(cancellationToken);
        while (_requests.Reader.TryRead(out var request))
        {
            request.Answer.TrySetCanceled(CancellationToken.None);
        }
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(Enumerable.Range(0, Workers).Select(async _ =>
    {
        try
        {
            await foreach (var request in _requests.Reader.ReadAllAsync(stoppingToken))
            {
                await WorkAsync(request, 0, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Told to stop.
        }
    }));

    private async Task WorkAsync(Request request, int attempt, CancellationToken stoppingToken)
    {
        var result = await processor.ProcessAsync(request.Body, request.MessageId, isAnswered: true, CancellationToken.None);
        if (result.Fate == CodeRequestFate.Retry && attempt < s_retryDelays.Length)
        {
            // Beside the queue, not in it: nothing behind waits for it.
            _ = AgainAsync(request, attempt, stoppingToken);
            return;
        }

        if (result.Fate != CodeRequestFate.Finished)
        {
            LogGivenUp(result.Reason ?? result.Outcome, attempt + 1);
        }

        request.Answer.TrySetResult(result.Reply);
    }

    private async Task AgainAsync(Request request, int attempt, CancellationToken stoppingToken)
    {
        try
        {
            await Task.Delay(s_retryDelays[attempt], timeProvider, stoppingToken);
            await WorkAsync(request, attempt + 1, stoppingToken);
        }
        catch (Exception exception)
        {
            request.Answer.TrySetException(exception);
        }
    }

    private sealed record Request(ReadOnlyMemory<byte> Body, string? MessageId, TaskCompletionSource<byte[]> Answer);

    [LoggerMessage(2813, LogLevel.Warning, "A request for a one-time code was given up at attempt {Attempt}: {Reason}")]
    private partial void LogGivenUp(string reason, int attempt);
}
