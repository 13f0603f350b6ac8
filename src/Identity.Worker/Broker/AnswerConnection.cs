using RabbitMQ.Client;

namespace Identity.Worker.Broker;

/// <summary>
/// Answers have a connection of their own: where they go is the sender's to choose, and a broker may close the whole connection
/// over a malformed direct reply-to. Requests in progress would come again with it, and that one again and again.
/// Answers are confirmed; one that was on its way when another's bad address closed the connection is sent again by itself.
/// </summary>
internal sealed class AnswerConnection(RabbitMqConnection broker, TimeSpan timeout) : IAsyncDisposable
{
    private readonly SemaphoreSlim _opening = new(1);
    private readonly SemaphoreSlim _alone = new(1);
    private (IConnection Connection, IChannel Channel)? _shared;

    public async Task SendAsync(string replyTo, BasicProperties properties, byte[] body)
    {
        try
        {
            await PublishAsync(await SharedAsync(), replyTo, properties, body);
            return;
        }
        catch (Exception exception) when (exception is not ObjectDisposedException)
        {
            // By this answer or by another's: told apart below.
        }

        // One at a time: a sender of many bad addresses costs one connection at a time.
        await _alone.WaitAsync();
        try
        {
            var (connection, channel) = await OpenAsync();
            await using (connection)
            await using (channel)
            {
                await PublishAsync(channel, replyTo, properties, body);
            }
        }
        finally
        {
            _alone.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        _opening.Dispose();
        _alone.Dispose();
    }

    private async Task<IChannel> SharedAsync()
    {
        await _opening.WaitAsync();
        try
        {
            if (_shared is { Channel: { IsOpen: true } open })
            {
                return open;
            }

            await CloseAsync();
            _shared = await OpenAsync();
            return _shared.Value.Channel;
        }
        finally
        {
            _opening.Release();
        }
    }

    private async Task<(IConnection Connection, IChannel Channel)> OpenAsync()
    {
        using var limit = new CancellationTokenSource(timeout);
        var connection = await broker.OpenAnotherAsync(limit.Token);
        try
        {
            return (connection, await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), limit.Token));
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private async Task PublishAsync(IChannel channel, string replyTo, BasicProperties properties, byte[] body)
    {
        using var limit = new CancellationTokenSource(timeout);
        await channel.BasicPublishAsync("", replyTo, mandatory: false, properties, body, limit.Token);
    }

    private async Task CloseAsync()
    {
        if (_shared is { } shared)
        {
            _shared = null;
            await shared.Channel.DisposeAsync();
            await shared.Connection.DisposeAsync();
        }
    }
}
