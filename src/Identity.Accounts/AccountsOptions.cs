namespace Identity.Accounts;

/// <summary>Section <c>Accounts</c> of the settings. Validated at start.</summary>
public sealed class AccountsOptions
{
    public const string Section = "Accounts";

    /// <summary>Nobody signs in before the e-mail address is verified.</summary>
    public bool RequireVerifiedEmail { get; set; }

    /// <summary>POST /api/identity/register answers 201 in every case; the owner of the address is told by mail.</summary>
    public bool ConcealExistingAccounts { get; set; }

    /// <summary>Code points; 15 without a second factor (NIST SP 800-63B-4 §3.1.1.2), 8 where the operator accepts less.</summary>
    public int MinimumPasswordLength { get; set; } = 8;

    /// <summary>Code points.</summary>
    public int MaximumPasswordLength { get; set; } = 128;

    /// <summary>PBKDF2-HMAC-SHA512 iterations; at least 210,000 outside Development.</summary>
    public int PasswordHashIterations { get; set; } = 210_000;

    /// <summary>Wrong passwords or codes that lock an account.</summary>
    public int LockoutThreshold { get; set; } = 10;

    public TimeSpan LockoutDuration { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>Absolute end of single sign-on after a sign-in.</summary>
    public TimeSpan SessionLifetime { get; set; } = TimeSpan.FromDays(7);

    /// <summary>Single sign-on ends after this long without use.</summary>
    public TimeSpan SessionIdleTimeout { get; set; } = TimeSpan.FromHours(24);

    /// <summary>Life of a one-time code.</summary>
    public TimeSpan OneTimeCodeLifetime { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Guesses per one-time code.</summary>
    public int OneTimeCodeGuesses { get; set; } = 5;

    /// <summary>Codes that may be asked for per account and 15 minutes.</summary>
    public int OneTimeCodesPerAccount { get; set; } = 5;

    /// <summary>Codes that may be asked for per address and 15 minutes.</summary>
    public int OneTimeCodesPerAddress { get; set; } = 60;

    /// <summary>Tries with a password or reset code per address and minute.</summary>
    public int SignInsPerAddress { get; set; } = 600;

    /// <summary>How much later a wrong password is answered after three within a minute for one name, or thirty from one address. Zero: never.</summary>
    public TimeSpan WrongPasswordDelay { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Reset codes that may be tried per account and day: a lock does not stop them, as the owner's way out of it.</summary>
    public int ResetGuessesPerAccount { get; set; } = 50;

    /// <summary>Registrations per address and minute. Offices share addresses, so it only stops floods.</summary>
    public int RegistrationsPerAddress { get; set; } = 6000;

    /// <summary>Whether a code sent to the verified e-mail address or phone signs in (purpose <c>login</c>).</summary>
    public bool AllowCodeSignIn { get; set; }

    /// <summary>How long an account stays, disabled, after its person asked for it to be deleted.</summary>
    public TimeSpan DeletionGrace { get; set; } = TimeSpan.FromDays(14);

    /// <summary>Days the audit trail is kept.</summary>
    public int AuditDays { get; set; } = 365;

    /// <summary>DEFAULT_REGION: the region of phone numbers without a country code, such as DE; null: those are refused.</summary>
    public string? DefaultRegion { get; set; }

    /// <summary>PUBLIC_URL, for links in mails; set by a host that has pages.</summary>
    public string? PublicUrl { get; set; }

    /// <summary>32 bytes for the keyed hash of one-time codes. Derived from the master key, so it is never in the database.</summary>
    public byte[] OneTimeCodeKey { get; set; } = [];
}
