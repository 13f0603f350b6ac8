// NIST SP 800-63B-4 §3.1.1.2: salted hashes, upgraded at sign-in.
using System.Diagnostics;
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts.Passwords;

/// <summary>Hashes and checks passwords, a few at a time: a hash costs a fifth of a second of one core, and must not starve everybody else.</summary>
public sealed class PasswordHashing : IDisposable
{
    private static readonly ActivitySource Activities = new("Identity.Accounts");

    private readonly IPasswordHasher<Account> _hasher;
    private readonly SemaphoreSlim _gate = new(Math.Max(1, Environment.ProcessorCount));
    private readonly string _dummy;
    private static readonly Account Nobody = new() { Id = Guid.Empty, Email = "", NormalizedEmail = "" };

    public PasswordHashing(IPasswordHasher<Account> hasher)
    {
        _hasher = hasher;
        _dummy = _hasher.HashPassword(Nobody, Guid.NewGuid().ToString());
    }

    public Task<string> HashAsync(string password, CancellationToken cancellationToken) => RunAsync(() => _hasher.HashPassword(Nobody, password), cancellationToken);

    /// <summary>Checks against <paramref name="hash"/>; without one it costs the same and fails.</summary>
    public async Task<PasswordVerificationResult> VerifyAsync(string? hash, string password, CancellationToken cancellationToken)
    {
        var result = await RunAsync(() => _hasher.VerifyHashedPassword(Nobody, hash ?? _dummy, password), cancellationToken);
        return hash is null ? PasswordVerificationResult.Failed : result;
    }

    public void Dispose() => _gate.Dispose();

    private async Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellationToken)
    {
        // The wait is in it: what is slow at sign-in is this, and a trace must say so.
        using var activity = Activities.StartActivity("password hash");
        await _gate.WaitAsync(cancellationToken);
        try
        {
            return await Task.Run(work, cancellationToken);
        }
        finally
        {
            _gate.Release();
        }
    }
}
