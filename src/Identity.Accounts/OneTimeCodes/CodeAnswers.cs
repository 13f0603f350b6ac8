// NIST SP 800-63B-4 §3.1.3 (out-of-band) and the wire contract's one-time codes.
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;

namespace Identity.Accounts.OneTimeCodes;

/// <summary>The purposes that mean something here. Others are the caller's: a code for them proves possession and does nothing more.</summary>
public static class OneTimeCodePurposes
{
    public const string Verification = "verification";
    public const string Login = "login";
    public const string PasswordReset = "password_reset";
    public const string Transaction = "transaction";

    /// <summary>With a colon, which neither a route nor the queue takes: only a sign-in asks for such a code, and only it can use one.</summary>
    public static string SecondFactor(string channel) => SecondFactorPrefix + channel;

    internal static bool IsSecondFactor(string purpose) => purpose.StartsWith(SecondFactorPrefix, StringComparison.Ordinal);

    // What is sent to an address or number that is not in force yet: apart from the one that is, for the same purpose to the outside.
    internal const string NewEmail = "email_new";
    internal const string NewPhone = "sms_new";

    /// <summary>A code for an address or number that waits is kept under a name of its own.</summary>
    internal static string Stored(string purpose, string channel) => channel is NewEmail or NewPhone ? $"{purpose}.{channel}" : purpose;

    /// <summary>Whether codes are kept under this name that nobody asked for by it. In any case: not every store tells one from another.</summary>
    internal static bool IsOurs(string purpose) =>
        purpose.StartsWith(SecondFactorPrefix, StringComparison.OrdinalIgnoreCase)
        || purpose.EndsWith("." + NewEmail, StringComparison.OrdinalIgnoreCase)
        || purpose.EndsWith("." + NewPhone, StringComparison.OrdinalIgnoreCase);

    private const string SecondFactorPrefix = "second_factor:";
}

/// <summary>Where a code has to have gone, for a page that takes it as a proof of the mailbox: a code of the same purpose may have been sent to a number or device.</summary>
public static class CodeDestinations
{
    /// <summary>The address in force.</summary>
    public static IReadOnlyCollection<string> Address { get; } = ["email"];

    /// <summary>The address in force, or the one that waits to be and is by then.</summary>
    public static IReadOnlyCollection<string> AddressOrNewOne { get; } = ["email", OneTimeCodePurposes.NewEmail];
}

/// <summary>Whom a code is for: exactly one member is set.</summary>
public sealed record CodeRecipient(Guid? AccountId, string? Email, string? PhoneNumber);

/// <summary>What came of asking for a code.</summary>
public abstract record GeneratedCode
{
    private GeneratedCode()
    {
    }

    /// <summary>The same for an unknown recipient, to whom nothing is sent.</summary>
    /// <param name="Id">Of the code.</param>
    /// <param name="Channel">How it went.</param>
    /// <param name="MaskedDestination">Where to.</param>
    /// <param name="ExpiresAt">When it is dead.</param>
    /// <param name="Lifetime">From when it was made until then, however long its answer took.</param>
    public sealed record Sent(Guid Id, string Channel, string MaskedDestination, DateTimeOffset ExpiresAt, TimeSpan Lifetime) : GeneratedCode;

    /// <summary>The channel is not one this server has, or does not fit the recipient named; told without looking at any account.</summary>
    public sealed record ChannelUnavailable : GeneratedCode;

    public sealed record RateLimited(TimeSpan RetryAfter) : GeneratedCode;
}

/// <summary>What came of trying a code.</summary>
public abstract record TriedCode
{
    private TriedCode()
    {
    }

    /// <summary>
    /// Right, and used up. Purpose <c>verification</c> has marked the address or phone verified; purpose <c>login</c> has made
    /// <paramref name="Session"/> where codes may sign in.
    /// </summary>
    public sealed record Verified(Account Account, Session? Session) : TriedCode
    {
        /// <summary>Somebody else had made the account: it is who brought the code's now, and has no password.</summary>
        public bool IsTakenOver { get; init; }
    }

    /// <summary>A login code that was right, where the account asks for a second factor as well: no session yet.</summary>
    public sealed record SecondFactorDue(Account Account, HalfSignIn Half) : TriedCode;

    /// <summary>Wrong, expired, used, replaced and exhausted alike; also for locked and disabled accounts.</summary>
    public sealed record Invalid : TriedCode;

    public sealed record RateLimited(TimeSpan RetryAfter) : TriedCode;
}
