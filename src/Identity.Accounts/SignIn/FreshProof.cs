// OWASP ASVS 5.0 §7.5.1, NIST SP 800-63B-4 §4.1: changing what lets somebody in needs more than a session.
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Passwords;
using Identity.Accounts.Sessions;
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts.SignIn;

/// <summary>What a person brings to show that it is still them.</summary>
/// <param name="CurrentPassword">Counts where it is given: wrong, the freshest session is no excuse.</param>
/// <param name="SessionId">The session of the request, where a sign-in of the last minutes counts.</param>
public sealed record PersonProof(string? CurrentPassword, string? SessionId);

/// <summary>Judges such proof, for every door: e-mail, phone, user name, factors, deletion.</summary>
public sealed class FreshProof(
    IAccountStore accounts,
    ICredentialStore credentials,
    PasswordHashing hashing,
    Lockout lockout,
    SessionService sessions,
    AuditTrail audit,
    TimeProvider timeProvider)
{
    /// <summary>How long a sign-in counts.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(10);

    public bool IsFresh(Session session) => timeProvider.GetUtcNow() - session.AuthenticatedAt <= Window;

    public async Task<bool> ProveAsync(Guid accountId, PersonProof proof, Caller caller, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(proof.CurrentPassword))
        {
            return proof.SessionId is { } id && await sessions.FindLiveAsync(id, cancellationToken) is { } session && session.AccountId == accountId && IsFresh(session);
        }

        var stored = await credentials.FindAsync(accountId, cancellationToken);
        var verified = await hashing.VerifyAsync(stored?.PasswordHash, proof.CurrentPassword, cancellationToken);

        // Read again: failures that were counted while this hash was computed may have locked the account.
        var current = await accounts.FindAsync(accountId, cancellationToken);
        if (current is { IsActive: true } && verified != PasswordVerificationResult.Failed && !await lockout.KeepsOutAsync(current, caller, cancellationToken))
        {
            return true;
        }

        await lockout.CountAsync(current, caller, cancellationToken);
        await audit.WriteAsync("fresh_proof", "wrong_password", accountId, caller, sessionId: null, cancellationToken);
        return false;
    }
}
