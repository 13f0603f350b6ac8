// OpenID Connect Back-Channel Logout 1.0 §2.5: a client's address for logout tokens.
using System.Threading.Channels;
using Identity.Tests.External;
using Identity.Tests.Kit;
using Microsoft.AspNetCore.WebUtilities;

namespace Identity.Tests.Conformance;

/// <summary>Takes logout tokens, or answers as it is told.</summary>
public sealed class LogoutReceiver : IAsyncDisposable
{
    private readonly StubProvider _server;
    private readonly Channel<string> _received = Channel.CreateUnbounded<string>();

    private LogoutReceiver(StubProvider server) => _server = server;

    public string Address => $"http://127.0.0.1:{_server.Port}/backchannel_logout";

    public Func<Task<StubAnswer>> Answer { get; set; } = () => Task.FromResult(new StubAnswer(200, ""));

    /// <summary>How many came and were not looked at.</summary>
    public int Waiting => _received.Reader.Count;

    public static async Task<LogoutReceiver> StartAsync()
    {
        var receiver = new LogoutReceiver(await StubProvider.StartAsync());
        receiver._server.Routes["POST /backchannel_logout"] = async request =>
        {
            Assert.Equal("application/x-www-form-urlencoded", request.Headers["Content-Type"]);
            var (name, value) = Assert.Single(QueryHelpers.ParseQuery(request.Body));
            Assert.Equal("logout_token", name);
            receiver._received.Writer.TryWrite(value.ToString());
            return await receiver.Answer();
        };
        return receiver;
    }

    /// <summary>The next token, or a failure after a while.</summary>
    public async Task<string> NextAsync()
    {
        using var patience = new CancellationTokenSource(TimeLimit.Patience);
        return await _received.Reader.ReadAsync(patience.Token);
    }

    public void IsDown(bool isDown) => _server.IsDown = isDown;

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
