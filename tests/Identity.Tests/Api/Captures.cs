using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Identity.Accounts.Delivery;
using Identity.Tests.Kit;
using Microsoft.Extensions.Logging;

namespace Identity.Tests.Api;

/// <summary>Mail and SMS as they were handed over.</summary>
public sealed partial class CapturedMessages
{
    private readonly List<(string Channel, PersonalMessage Message)> _messages = [];
    private readonly List<(Func<string, PersonalMessage, bool> Matches, TaskCompletionSource<PersonalMessage> Found)> _waiting = [];
    private readonly Lock _lock = new();

    public IMessageSender Sender(string channel) => new CapturingSender(this, channel);

    public int CountTo(string to)
    {
        lock (_lock)
        {
            return _messages.Count(message => message.Message.To == to);
        }
    }

    /// <summary>Messages to this address that have a code.</summary>
    public int CountCodesTo(string to)
    {
        lock (_lock)
        {
            return _messages.Count(message => message.Message.To == to && Code().IsMatch(message.Message.Text));
        }
    }

    /// <summary>The code in the <paramref name="nth"/> message to this address that has one; waits for it.</summary>
    public async Task<string> CodeAsync(string to, int nth = 1)
    {
        TaskCompletionSource<PersonalMessage>? found = null;
        lock (_lock)
        {
            var withCode = _messages.Where(message => message.Message.To == to && Code().IsMatch(message.Message.Text)).ToList();
            if (withCode.Count >= nth)
            {
                return Code().Match(withCode[nth - 1].Message.Text).Value;
            }

            var missing = nth - withCode.Count;
            found = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add(((_, message) => message.To == to && Code().IsMatch(message.Text) && --missing == 0, found));
        }

        var message = await found.Task.WaitAsync(TimeLimit.Patience, TestContext.Current.CancellationToken);
        return Code().Match(message.Text).Value;
    }

    /// <summary>The <paramref name="nth"/> message to this address whose text or subject holds these words; waits for it.</summary>
    public async Task<PersonalMessage> WithAsync(string to, string words, int nth = 1)
    {
        bool Holds(PersonalMessage message) => message.To == to && (message.Subject + "\n" + message.Text).Contains(words, StringComparison.Ordinal);
        TaskCompletionSource<PersonalMessage> found;
        lock (_lock)
        {
            var there = _messages.Where(message => Holds(message.Message)).ToList();
            if (there.Count >= nth)
            {
                return there[nth - 1].Message;
            }

            var missing = nth - there.Count;
            found = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add(((_, message) => Holds(message) && --missing == 0, found));
        }

        return await found.Task.WaitAsync(TimeLimit.Patience, TestContext.Current.CancellationToken);
    }

    /// <summary>Waits until a message with this subject is there.</summary>
    public async Task WaitForAsync(string to, string subject)
    {
        TaskCompletionSource<PersonalMessage> found = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_messages.Any(message => message.Message.To == to && message.Message.Subject == subject))
            {
                return;
            }

            _waiting.Add(((_, message) => message.To == to && message.Subject == subject, found));
        }

        await found.Task.WaitAsync(TimeLimit.Patience, TestContext.Current.CancellationToken);
    }

    private void Add(string channel, PersonalMessage message)
    {
        lock (_lock)
        {
            _messages.Add((channel, message));
            foreach (var waiting in _waiting.Where(waiting => waiting.Matches(channel, message)).ToList())
            {
                waiting.Found.TrySetResult(message);
                _waiting.Remove(waiting);
            }
        }
    }

    [GeneratedRegex(@"\b[0-9]{6}\b")]
    private static partial Regex Code();

    private sealed class CapturingSender(CapturedMessages messages, string channel) : IMessageSender
    {
        public string Channel => channel;

        public Task SendAsync(PersonalMessage message, CancellationToken cancellationToken)
        {
            messages.Add(channel, message);
            return Task.CompletedTask;
        }
    }
}

/// <summary>Every log line at every level, with its exception.</summary>
public sealed class CapturedLogs : ILoggerProvider
{
    private readonly ConcurrentQueue<string> _lines = new();

    public IReadOnlyCollection<string> Lines => _lines;

    public ILogger CreateLogger(string categoryName) => new CapturingLogger(this, categoryName);

    public void Dispose()
    {
    }

    private sealed class CapturingLogger(CapturedLogs logs, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var values = state is IEnumerable<KeyValuePair<string, object?>> pairs ? string.Join(' ', pairs.Select(pair => $"{pair.Key}={pair.Value}")) : "";
            logs._lines.Enqueue($"{logLevel} {category} {eventId.Id} {formatter(state, exception)} {values} {exception}");
        }
    }
}
