// NIST SP 800-63B-4 §3.1.1 (passwords), §3.2.2 (limits): one way in, whatever route leads to it.
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;

namespace Identity.Accounts.SignIn;

/// <summary>What a person is found by.</summary>
public enum LoginKind
{
    /// <summary>An e-mail address if it holds '@', else a user name or phone number: the sign-in page's one field.</summary>
    Any,
    Email,
    UserName,
    PhoneNumber,
}

/// <summary>What a sign-in came to.</summary>
public abstract record SignInAttempt
{
    private SignInAttempt()
    {
    }

    /// <summary>The session is stored and <c>session.created</c> is in the outbox.</summary>
    public sealed record Succeeded(Account Account, Session Session) : SignInAttempt;

    /// <summary>Unknown, wrong, disabled, locked and passwordless alike, in the same time. The audit trail knows which.</summary>
    public sealed record Refused : SignInAttempt;

    /// <summary>The password was right, and the e-mail address must be verified first.</summary>
    public sealed record EmailNotVerified(Account Account) : SignInAttempt;

    /// <summary>The password was right, and a second factor is due: no session yet.</summary>
    public sealed record SecondFactorDue(Account Account, HalfSignIn Half) : SignInAttempt;

    public sealed record RateLimited(TimeSpan RetryAfter) : SignInAttempt;
}

/// <summary>Signs people in: by page and by API alike, with the same lockout, limits, audit and timing.</summary>
public interface ISignIn
{
    Task<SignInAttempt> WithPasswordAsync(LoginKind kind, string login, string password, Caller caller, CancellationToken cancellationToken);
}
