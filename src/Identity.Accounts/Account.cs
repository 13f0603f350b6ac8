using System.Text.Json.Nodes;

namespace Identity.Accounts;

/// <summary>A person's account. Credentials and free metadata are kept apart, behind their own ports.</summary>
public sealed class Account
{
    /// <summary>Time-ordered (UUIDv7). <c>sub</c> in tokens, in the form "D".</summary>
    public required Guid Id { get; init; }

    public required string Email { get; set; }

    /// <summary>Upper-cased by ASP.NET Core Identity's lookup normalizer; unique.</summary>
    public required string NormalizedEmail { get; set; }

    public string? UserName { get; set; }

    /// <summary>Unique where set.</summary>
    public string? NormalizedUserName { get; set; }

    /// <summary>E.164 (+ and digits); unique where set.</summary>
    public string? PhoneNumber { get; set; }

    public string? FirstName { get; set; }

    public string? LastName { get; set; }

    public bool EmailVerified { get; set; }

    public bool PhoneNumberVerified { get; set; }

    public bool IsActive { get; set; } = true;

    /// <summary>Role names, sorted; <c>admin</c> is the one we know.</summary>
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

    /// <summary>Wrong passwords and codes since the last success. Changed only by <see cref="IAccountStore"/>'s atomic statements.</summary>
    public int AccessFailedCount { get; init; }

    /// <summary>Until when no sign-in is let through.</summary>
    public DateTimeOffset? LockoutEnd { get; init; }
}
