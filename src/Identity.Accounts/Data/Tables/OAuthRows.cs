namespace Identity.Accounts.Data.Tables;

// Rows are what the tables hold, not what the ports speak of: each store maps between the two.

internal sealed class ClientRow
{
    public required string ClientId { get; set; }

    /// <summary>The client as JSON: read as a whole, so a new member needs no migration.</summary>
    public required string Document { get; set; }

    public DateTimeOffset UpdatedAt { get; set; }
}

internal sealed class ResourceRow
{
    public required string Identifier { get; set; }

    public required string Document { get; set; }

    public DateTimeOffset UpdatedAt { get; set; }
}

internal sealed class SigningKeyRow
{
    public required string Kid { get; set; }

    public required string Algorithm { get; set; }

    public int Ordinal { get; set; }

    public required byte[] ProtectedKey { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset ActivatesAt { get; set; }

    public DateTimeOffset? RetiresAt { get; set; }
}

internal sealed class ConsentRow
{
    public required string Subject { get; set; }

    public required string ClientId { get; set; }

    public required string Scopes { get; set; }

    public DateTimeOffset GrantedAt { get; set; }
}

internal sealed class SingleUseRow
{
    public required string Kind { get; set; }

    public required string Key { get; set; }

    public required string ClientId { get; set; }

    public required string Payload { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }

    public DateTimeOffset KeepUntil { get; set; }

    public DateTimeOffset? ConsumedAt { get; set; }
}

internal sealed class RefreshFamilyRow
{
    public Guid Id { get; set; }

    public required string ClientId { get; set; }

    public required string Subject { get; set; }

    public required string SessionId { get; set; }

    public required string Scopes { get; set; }

    public required string Resources { get; set; }

    public int Generation { get; set; }

    public DateTimeOffset RotatedAt { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }

    public DateTimeOffset? RevokedAt { get; set; }

    public required string Details { get; set; }
}

internal sealed class DenyEntryRow
{
    public required string Id { get; set; }

    public DateTimeOffset GrantedUntil { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }
}

internal sealed class ReplayEntryRow
{
    public required string Kind { get; set; }

    /// <summary>SHA-256 (base64url) of the value, which may be of any length.</summary>
    public required string Key { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }
}

internal sealed class ReferenceTokenRow
{
    public required string Key { get; set; }

    public required string Claims { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }
}
