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
