namespace Identity.Accounts.Data.Tables;

public sealed class AccountRow
{
    public Guid Id { get; set; }

    public required string Email { get; set; }

    public required string NormalizedEmail { get; set; }

    public string? PendingEmail { get; set; }

    public string? UserName { get; set; }

    public string? NormalizedUserName { get; set; }

    public string? PhoneNumber { get; set; }

    public string? PendingPhoneNumber { get; set; }

    public int Claim { get; set; }

    public string? FirstName { get; set; }

    public string? LastName { get; set; }

    public bool EmailVerified { get; set; }

    public bool PhoneNumberVerified { get; set; }

    public bool IsActive { get; set; }

    public required string Roles { get; set; }

    public required string Profile { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset UpdatedAt { get; set; }

    public DateTimeOffset? LastLoginAt { get; set; }

    public required string SecurityStamp { get; set; }

    public long Version { get; set; }

    public int AccessFailedCount { get; set; }

    public DateTimeOffset? LockoutEnd { get; set; }

    public DateTimeOffset? DeleteAfter { get; set; }

    /// <summary>Address, names and number, folded: what an administrator searches in.</summary>
    public required string SearchText { get; set; }
}

public sealed class CredentialRow
{
    public Guid AccountId { get; set; }

    public string? PasswordHash { get; set; }

    public DateTimeOffset? PasswordChangedAt { get; set; }
}

public sealed class MetadataRow
{
    public Guid AccountId { get; set; }

    public required string Document { get; set; }
}

public sealed class SessionRow
{
    public required string Id { get; set; }

    public Guid AccountId { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset AuthenticatedAt { get; set; }

    public required string Amr { get; set; }

    public required string Acr { get; set; }

    public DateTimeOffset SignInUntil { get; set; }

    public DateTimeOffset LastSeenAt { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }

    public DateTimeOffset? EndedAt { get; set; }

    /// <summary>One a line: one UPDATE can then add one that is not there yet.</summary>
    public required string ClientIds { get; set; }

    /// <summary>Those of them that are to be told when it ends, one a line.</summary>
    public string ToldClientIds { get; set; } = "";

    public string? Ip { get; set; }

    public string? UserAgent { get; set; }

    public string? DeviceId { get; set; }
}

public sealed class OneTimeCodeRow
{
    public Guid Id { get; set; }

    public Guid? AccountId { get; set; }

    public required string Channel { get; set; }

    public required string Purpose { get; set; }

    public required byte[] CodeHash { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }

    public int Guesses { get; set; }

    public DateTimeOffset? UsedAt { get; set; }
}

public sealed class OutboxRow
{
    public long Sequence { get; set; }

    public required string Exchange { get; set; }

    public required string RoutingKey { get; set; }

    public Guid MessageId { get; set; }

    public Guid AccountId { get; set; }

    public required string Body { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public string? ClaimedBy { get; set; }

    public DateTimeOffset? ClaimedUntil { get; set; }

    public string? TraceParent { get; set; }
}

public sealed class AuditRow
{
    public Guid Id { get; set; }

    public DateTimeOffset Time { get; set; }

    public required string Action { get; set; }

    public required string Outcome { get; set; }

    public Guid? AccountId { get; set; }

    public string? ActorId { get; set; }

    public string? ClientId { get; set; }

    public string? SessionId { get; set; }

    public string? Ip { get; set; }

    public string? UserAgent { get; set; }
}

public sealed class RateLimitRow
{
    /// <summary>SHA-256 (base64url) of the key: keys hold addresses and e-mail addresses.</summary>
    public required string Key { get; set; }

    public DateTimeOffset WindowStart { get; set; }

    public int Count { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }
}

public sealed class StoreValueRow
{
    public required string Name { get; set; }

    public required string Value { get; set; }
}
