namespace Identity.Accounts.Data.Tables;

// Rows are what the tables hold, not what the ports speak of: each store maps between the two.

public sealed class ResourceRow
{
    public required string Identifier { get; set; }

    public required string Document { get; set; }

    public DateTimeOffset UpdatedAt { get; set; }
}

public sealed class SigningKeyRow
{
    public required string Kid { get; set; }

    public required string Algorithm { get; set; }

    public int Ordinal { get; set; }

    public required byte[] ProtectedKey { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset ActivatesAt { get; set; }

    public DateTimeOffset? RetiresAt { get; set; }
}

public sealed class DenyEntryRow
{
    public required string Id { get; set; }

    public DateTimeOffset GrantedUntil { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }
}

public sealed class ReplayEntryRow
{
    public required string Kind { get; set; }

    /// <summary>SHA-256 (base64url) of the value, which may be of any length.</summary>
    public required string Key { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }
}
