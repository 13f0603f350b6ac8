using System.Threading.Channels;

namespace Identity.Accounts.Data;

/// <summary>Says that this process committed a mail, so that its delivery need not ask the store all the time. Where it says nothing (another process wrote it) the mail is found a little later.</summary>
internal sealed class MailSignal
{
    private readonly Channel<bool> _signals = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public void Set() => _signals.Writer.TryWrite(true);

    /// <summary>Whether there was one since this was last asked.</summary>
    public bool TryTake() => _signals.Reader.TryRead(out _);

    /// <summary>Until a mail is committed, or the time is over, or this process is told to stop.</summary>
    public async Task WaitAsync(TimeSpan atMost, TimeProvider timeProvider, CancellationToken stoppingToken)
    {
        using var over = new CancellationTokenSource(atMost, timeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, stoppingToken);
        try
        {
            await _signals.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException)
        {
            // Time to look.
        }
    }
}
