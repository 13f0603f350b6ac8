namespace Identity.Accounts.Credentials;

/// <summary>What an account proves itself with. Passkeys and authenticator keys find their place here.</summary>
/// <param name="AccountId">Whose they are.</param>
/// <param name="PasswordHash">ASP.NET Core Identity's format (v3, PBKDF2-HMAC-SHA512), or what another system made until its person signs in; null: no password.</param>
/// <param name="PasswordChangedAt">When the password was set.</param>
public sealed record AccountCredentials(Guid AccountId, string? PasswordHash, DateTimeOffset? PasswordChangedAt);

/// <summary>Credentials, apart from accounts so that they can live in another database.</summary>
public interface ICredentialStore
{
    /// <summary>Null where the account has none.</summary>
    Task<AccountCredentials?> FindAsync(Guid accountId, CancellationToken cancellationToken);

    /// <summary>
    /// Sets the password hash if the stored one still is <paramref name="expectedHash"/>: of two parallel changes one wins.
    /// </summary>
    Task<bool> TrySetPasswordAsync(Guid accountId, string? expectedHash, string passwordHash, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Of an account that is deleted. None there: nothing happens.</summary>
    Task DeleteAsync(Guid accountId, CancellationToken cancellationToken);
}
