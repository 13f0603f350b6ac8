namespace Identity.Accounts.Data.Tables;

public sealed class ProcessedMessageRow
{
    /// <summary>SHA-256 (base64url) of the message id, which is the sender's to choose and compares byte by byte so.</summary>
    public required string Key { get; set; }

    public Guid Claim { get; set; }

    /// <summary>Nobody else begins the work before this; after it, work that was begun and not told done is in doubt.</summary>
    public DateTimeOffset ClaimedUntil { get; set; }

    /// <summary>Set once the work is committed to; with a blank before it until that is done, where it takes time.</summary>
    public string? Answer { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }
}
