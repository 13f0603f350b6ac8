// NIST SP 800-63B-4 §3.1.1.2: salted hashes, upgraded at sign-in.
using System.Diagnostics;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Passwords;

/// <summary>Hashes and checks passwords, a few at a time: a hash costs a fifth of a second of one core, and must not starve everybody else.</summary>
public sealed partial class PasswordHashing
{
    private static readonly ActivitySource Activities = new("Identity.Accounts");
    private static readonly TimeSpan s_warnEvery = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly ILogger<PasswordHashing> _logger;
    private readonly IPasswordHasher<Account> _hasher;
    private readonly HashingTurns _turns;
    private readonly TimeProvider _timeProvider;
    private readonly string _dummy;
    private int _refused;
    private long? _warnedAt;
    private static readonly Account Nobody = new() { Id = Guid.Empty, Email = "", NormalizedEmail = "" };

    public PasswordHashing(IPasswordHasher<Account> hasher, TimeProvider timeProvider, ILogger<PasswordHashing> logger)
    {
        (_hasher, _timeProvider, _logger) = (hasher, timeProvider, logger);
        _turns = new(Math.Max(1, Environment.ProcessorCount), timeProvider);
        _dummy = _hasher.HashPassword(Nobody, Guid.NewGuid().ToString());
    }

    /// <exception cref="HashingBusyException">More wait for theirs than can be served in some seconds.</exception>
    public Task<string> HashAsync(string password, CancellationToken cancellationToken) => RunAsync(() => _hasher.HashPassword(Nobody, password), HashingReason.SignIn, cancellationToken);

    /// <summary>For an account that is only being made, by anybody: after those who have one.</summary>
    /// <exception cref="HashingBusyException">More wait for theirs than can be served in some seconds.</exception>
    public Task<string> HashForRegistrationAsync(string password, CancellationToken cancellationToken) => RunAsync(() => _hasher.HashPassword(Nobody, password), HashingReason.Registration, cancellationToken);

    /// <summary>For somebody whose proof was used up for it, and who could not bring it again: it waits for its turn, and is never refused one.</summary>
    public Task<string> HashOwedAsync(string password) => RunAsync(() => _hasher.HashPassword(Nobody, password), HashingReason.Owed, CancellationToken.None);

    /// <summary>Checks against <paramref name="hash"/>; without one it costs the same and fails.</summary>
    /// <exception cref="HashingBusyException">More wait for theirs than can be served in some seconds.</exception>
    public async Task<PasswordVerificationResult> VerifyAsync(string? hash, string password, CancellationToken cancellationToken)
    {
        var result = await RunAsync(() => _hasher.VerifyHashedPassword(Nobody, hash ?? _dummy, password), HashingReason.SignIn, cancellationToken);
        return hash is null ? PasswordVerificationResult.Failed : result;
    }

    private async Task<T> RunAsync<T>(Func<T> work, HashingReason reason, CancellationToken cancellationToken)
    {
        // The wait is in it: what is slow at sign-in is this, and a trace must say so.
        using var activity = Activities.StartActivity("password hash");
        try
        {
            await _turns.EnterAsync(reason, cancellationToken);
        }
        catch (HashingBusyException)
        {
            Warn();
            throw;
        }

        var started = _timeProvider.GetTimestamp();
        try
        {
            return await Task.Run(work, cancellationToken);
        }
        finally
        {
            _turns.Leave(started);
        }
    }

    // Whoever floods the sign-in must not flood the log.
    private void Warn()
    {
        lock (_lock)
        {
            _refused++;
            if (_warnedAt is { } last && _timeProvider.GetElapsedTime(last) < s_warnEvery)
            {
                return;
            }

            LogBusy(_refused);
            (_warnedAt, _refused) = (_timeProvider.GetTimestamp(), 0);
        }
    }

    [LoggerMessage(3431, LogLevel.Warning, "More passwords wait to be hashed than this node can serve in some seconds: {Count} requests were told so (503) since this was last said")]
    private partial void LogBusy(int count);
}
