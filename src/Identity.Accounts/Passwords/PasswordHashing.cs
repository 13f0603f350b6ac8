// NIST SP 800-63B-4 §3.1.1.2: salted hashes, upgraded at sign-in.
using System.Diagnostics;
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts.Passwords;

/// <summary>Hashes and checks passwords, a few at a time: a hash costs a fifth of a second of one core, and must not starve everybody else.</summary>
public sealed class PasswordHashing
{
    private static readonly ActivitySource Activities = new("Identity.Accounts");

    private readonly IPasswordHasher<Account> _hasher;
    private readonly HashingTurns _turns;
    private readonly TimeProvider _timeProvider;
    private readonly string _dummy;
    private static readonly Account Nobody = new() { Id = Guid.Empty, Email = "", NormalizedEmail = "" };

    public PasswordHashing(IPasswordHasher<Account> hasher, TimeProvider timeProvider)
    {
        (_hasher, _timeProvider) = (hasher, timeProvider);
        _turns = new(Math.Max(1, Environment.ProcessorCount), timeProvider);
        _dummy = _hasher.HashPassword(Nobody, Guid.NewGuid().ToString());
    }

    /// <exception cref="Data.StoreUnavailableException">More wait for theirs than can be served in some seconds.</exception>
    public Task<string> HashAsync(string password, CancellationToken cancellationToken) => RunAsync(() => _hasher.HashPassword(Nobody, password), isRegistration: false, cancellationToken);

    /// <summary>For an account that is only being made, by anybody: after those who have one.</summary>
    /// <exception cref="Data.StoreUnavailableException">More wait for theirs than can be served in some seconds.</exception>
    public Task<string> HashForRegistrationAsync(string password, CancellationToken cancellationToken) => RunAsync(() => _hasher.HashPassword(Nobody, password), isRegistration: true, cancellationToken);

    /// <summary>Checks against <paramref name="hash"/>; without one it costs the same and fails.</summary>
    /// <exception cref="Data.StoreUnavailableException">More wait for theirs than can be served in some seconds.</exception>
    public async Task<PasswordVerificationResult> VerifyAsync(string? hash, string password, CancellationToken cancellationToken)
    {
        var result = await RunAsync(() => _hasher.VerifyHashedPassword(Nobody, hash ?? _dummy, password), isRegistration: false, cancellationToken);
        return hash is null ? PasswordVerificationResult.Failed : result;
    }

    private async Task<T> RunAsync<T>(Func<T> work, bool isRegistration, CancellationToken cancellationToken)
    {
        // The wait is in it: what is slow at sign-in is this, and a trace must say so.
        using var activity = Activities.StartActivity("password hash");
        await _turns.EnterAsync(isRegistration, cancellationToken);
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
}
