namespace Identity.OAuth.Clients;

/// <summary>The registered clients. Adapters may cache for up to a second.</summary>
public interface IClientStore
{
    /// <summary>The client with exactly this <c>client_id</c>, disabled ones too; null if there is none.</summary>
    ValueTask<Client?> FindAsync(string clientId, CancellationToken cancellationToken);

    ValueTask<IReadOnlyList<Client>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Adds the client or replaces the one with the same <c>client_id</c>.</summary>
    Task UpsertAsync(Client client, CancellationToken cancellationToken);
}
