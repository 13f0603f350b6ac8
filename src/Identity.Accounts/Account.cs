using System.Text.Json.Nodes;

namespace Identity.Accounts;

/// <summary>Whose the members of an account are: anybody can register anybody's address.</summary>
public enum AccountClaim
{
    /// <summary>The owner's, or an administrator's for them.</summary>
    Settled,

    /// <summary>Whoever registered the address set them; nobody has proven it.</summary>
    Unproven,

    /// <summary>The address was proven by a code alone, without the password or session of whoever registered it.</summary>
    ProvenAlone,

    /// <summary>An operator brought the account with a password, and nobody has proven its address here: the record is the operator's word, but whoever knows the password may be a stranger.</summary>
    Brought,

    /// <summary>As <see cref="ProvenAlone"/>, while it had no second factor: its mailbox was told of those it has.</summary>
    ProvenBare,
}

/// <summary>A person's account. Credentials and free metadata are kept apart, behind their own ports.</summary>
public sealed class Account
{
    /// <summary>Time-ordered (UUIDv7). <c>sub</c> in tokens, in the form "D".</summary>
    public required Guid Id { get; init; }

    public required string Email { get; set; }

    /// <summary>Upper-cased by ASP.NET Core Identity's lookup normalizer; unique.</summary>
    public required string NormalizedEmail { get; set; }

    /// <summary>The address that takes the place of <see cref="Email"/> once a code proves it.</summary>
    public string? PendingEmail { get; set; }

    public string? UserName { get; set; }

    /// <summary>Unique where set.</summary>
    public string? NormalizedUserName { get; set; }

    /// <summary>E.164 (+ and digits); unique where set.</summary>
    public string? PhoneNumber { get; set; }

    /// <summary>The number that takes the place of <see cref="PhoneNumber"/> once a code proves it.</summary>
    public string? PendingPhoneNumber { get; set; }

    public string? FirstName { get; set; }

    public string? LastName { get; set; }

    public bool EmailVerified { get; set; }

    public bool PhoneNumberVerified { get; set; }

    /// <summary>Whether what was set so far is known to be the address's owner's.</summary>
    public AccountClaim Claim { get; set; }

    public bool IsActive { get; set; } = true;

    /// <summary>Role names, sorted. Each exists before it is given (<see cref="Administration.RoleCatalog"/>).</summary>
    public IReadOnlyList<string> Roles { get; set; } = [];

    /// <summary>
    /// The rest of OpenID Connect Core §5.1, by claim name and typed as there: middle_name, nickname, profile, picture, website,
    /// gender, birthdate, zoneinfo, locale, address. Unset members are absent.
    /// </summary>
    public JsonObject Profile { get; set; } = [];

    public DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset UpdatedAt { get; set; }

    public DateTimeOffset? LastLoginAt { get; set; }

    /// <summary>Changes with every credential change; what carries an older one is dead.</summary>
    public string SecurityStamp { get; set; } = "";

    /// <summary>Counts changes; the ETag of the user resource.</summary>
    public long Version { get; set; } = 1;

    /// <summary>When it is deleted for good, because its person asked for that; it is disabled until then. Null: nobody asked.</summary>
    public DateTimeOffset? DeleteAfter { get; set; }

    /// <summary>Wrong passwords and codes since the last success. Changed only by <see cref="IAccountStore"/>'s atomic statements.</summary>
    public int AccessFailedCount { get; init; }

    /// <summary>Until when no sign-in is let through.</summary>
    public DateTimeOffset? LockoutEnd { get; init; }
}
