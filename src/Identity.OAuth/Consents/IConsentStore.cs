namespace Identity.OAuth.Consents;

/// <summary>What a person once allowed a client.</summary>
public sealed record Consent(string Subject, string ClientId, IReadOnlyList<string> Scopes, DateTimeOffset GrantedAt);

/// <summary>Remembers consents, one per person and client.</summary>
public interface IConsentStore
{
    Task<Consent?> FindAsync(string subject, string clientId, CancellationToken cancellationToken);

    Task<IReadOnlyList<Consent>> ListAsync(string subject, CancellationToken cancellationToken);

    /// <summary>Adds or replaces.</summary>
    Task SaveAsync(Consent consent, CancellationToken cancellationToken);

    /// <summary>Forgets the consent and, in the same transaction, revokes the refresh families of this person and client.</summary>
    Task RevokeAsync(string subject, string clientId, DateTimeOffset now, CancellationToken cancellationToken);
}
