// NIST SP 800-63B-4 §3.1.1.2.
namespace Identity.Accounts.Passwords;

/// <summary>What a change of password came to.</summary>
public abstract record PasswordChange
{
    private PasswordChange()
    {
    }

    /// <summary>The account's sessions, refresh families and access tokens are dead, and <c>user.password_changed</c> is in the outbox.</summary>
    public sealed record Changed : PasswordChange;

    /// <summary>The current password, or the code, is not right. Counts towards the lockout.</summary>
    public sealed record WrongProof : PasswordChange;

    /// <summary>Each says what is wrong, as the end of a sentence that begins with the member's name.</summary>
    public sealed record Refused(IReadOnlyList<string> Problems) : PasswordChange;

    public sealed record RateLimited(TimeSpan RetryAfter) : PasswordChange;
}

/// <summary>Changes of password, by page and by API alike.</summary>
public interface IPasswords
{
    Task<PasswordChange> ChangeAsync(Guid accountId, string currentPassword, string newPassword, Caller caller, CancellationToken cancellationToken);

    /// <summary>An administrator's: no proof is asked for, all sessions end, and the person is told. Null: no such account.</summary>
    Task<PasswordChange?> SetAsync(Guid accountId, string newPassword, Caller caller, CancellationToken cancellationToken);

    /// <summary>Sends a code of purpose <c>password_reset</c> to the address if there is an account; null, or how long to wait.</summary>
    Task<TimeSpan?> ForgotAsync(string email, Caller caller, CancellationToken cancellationToken);

    /// <summary>A new password that breaks a rule is refused before the code is looked at: it spends no guess.</summary>
    Task<PasswordChange> ResetAsync(string email, string code, string newPassword, Caller caller, CancellationToken cancellationToken);
}
