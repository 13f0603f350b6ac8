// OpenID Connect Core §3.1.2.4: what people allowed, and what they still have to be asked.
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Storage;
using Identity.OAuth.Tokens;

namespace Identity.OAuth.Consents;

/// <summary>Asks for, remembers and takes back consent.</summary>
public sealed class ConsentService(ConsentStore store, ClientStore clients, IDenyList denyList, TimeProvider timeProvider)
{
    /// <summary>Under which id the deny list knows all that a person allowed a client.</summary>
    public static string DenyId(string subject, string clientId) => "consent:" + SecureValue.Hash(subject + "\n" + clientId);

    /// <summary>Whether the operator vouches for the client, or this person once allowed it.</summary>
    public async Task<bool> IsKnownAsync(string clientId, string? subject, CancellationToken cancellationToken) =>
        await clients.FindAsync(clientId, cancellationToken) is { } client
        && (!client.RequireConsent || (subject is not null && await store.FindAsync(subject, clientId, cancellationToken) is not null));

    /// <summary>The scopes that are new to the person; null: nobody has to be asked.</summary>
    public async Task<IReadOnlyList<string>?> FindNeedAsync(AuthorizeRequest request, string subject, Interaction? interaction, CancellationToken cancellationToken)
    {
        var asksAgain = request.Asks("consent");
        if (!asksAgain && !request.Client.RequireConsent)
        {
            return null;
        }

        var consent = await store.FindAsync(subject, request.Client.ClientId, cancellationToken);
        var fresh = request.ScopesToAllow.Where(scope => consent is null || !consent.Scopes.Contains(scope, StringComparer.Ordinal)).ToArray();
        var allowed = consent is not null && fresh.Length == 0;

        // prompt=consent is met by a consent that was given because of this request.
        return allowed && (!asksAgain || (interaction is not null && consent!.GrantedAt >= interaction.StartedAt)) ? null : fresh;
    }

    /// <summary>Remembers that the person allowed these scopes, besides what they allowed before.</summary>
    public Task GrantAsync(string subject, string clientId, IReadOnlyList<string> scopes, CancellationToken cancellationToken) =>
        store.GrantAsync(new Consent(subject, clientId, scopes, timeProvider.GetUtcNow()), cancellationToken);

    public Task<IReadOnlyList<Consent>> ListAsync(string subject, CancellationToken cancellationToken) => store.ListAsync(subject, cancellationToken);

    /// <summary>Takes it back; the client's codes, refresh families and access tokens of this person die with it. What the person allows afterwards lives.</summary>
    public async Task RevokeAsync(string subject, string clientId, CancellationToken cancellationToken)
    {
        // Both or, where a store is away, again: whoever hangs up in between would leave families that outlive the deny list's entry.
        cancellationToken.ThrowIfCancellationRequested();
        var now = timeProvider.GetUtcNow();

        // The clock of the node that granted may be ahead of this one.
        var until = await store.FindLatestGrantAsync(subject, clientId, CancellationToken.None) is { } latest && latest > now ? latest : now;
        await denyList.DenyAsync(DenyId(subject, clientId), grantedUntil: until, now + AccessTokenClaims.MaximumLifetime, CancellationToken.None);
        await store.RevokeAsync(subject, clientId, now, CancellationToken.None);
    }
}
