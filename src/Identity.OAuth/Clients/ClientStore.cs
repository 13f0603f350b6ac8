// RFC 7591 §2: clients, kept as OpenIddict applications. What its columns say is derived from the one record whenever it is written.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.OAuth.FirstParty;
using Microsoft.EntityFrameworkCore;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Identity.OAuth.Clients;

/// <summary>A client in both its forms.</summary>
/// <param name="Application">As OpenIddict's managers read it. Shared by all requests: never changed.</param>
/// <param name="Client">By the names of RFC 7591.</param>
/// <param name="IsBuiltIn">It is in no table.</param>
public sealed record ClientEntry(OAuthApplication Application, Client Client, bool IsBuiltIn = false);

/// <summary>Reads clients through a cache of a second, so that a change at another node holds here within that time.</summary>
public sealed class ClientStore(StoreDatabase database, TimeProvider timeProvider)
{
    private static readonly ClientEntry BuiltIn = new(Application(FirstPartyClient.Client, Guid.Empty), FirstPartyClient.Client, IsBuiltIn: true);

    private static readonly string[] Columns =
    [
        "id", "client_id", "application_type", "client_secret", "client_type", "concurrency_token", "consent_type", "display_name", "json_web_key_set",
        "permissions", "post_logout_redirect_uris", "redirect_uris", "requirements", "metadata", "updated_at",
    ];

    private readonly ShortCache<string, ClientEntry> _cache = new(timeProvider);
    private readonly ShortCache<string, IReadOnlyList<Client>> _all = new(timeProvider);
    private readonly string _upsert = database.Dialect.Upsert(
        "applications",
        ["client_id"],
        Columns,
        Columns.Where(column => column is not ("id" or "client_id")).ToDictionary(column => column, column => "excluded." + column, StringComparer.Ordinal),
        where: null);

    /// <summary>The client, disabled or not; null: there is none of that id.</summary>
    public async ValueTask<Client?> FindAsync(string clientId, CancellationToken cancellationToken) => (await FindEntryAsync(clientId, cancellationToken))?.Client;

    public ValueTask<ClientEntry?> FindEntryAsync(string clientId, CancellationToken cancellationToken)
    {
        if (clientId == FirstPartyClient.ClientId)
        {
            return new(BuiltIn);
        }

        return _cache.GetAsync(
            clientId,
            async (id, token) =>
            {
                var row = await database.ReadAsync((context, t) => context.Applications.FirstOrDefaultAsync(r => r.ClientId == id, t), token);
                return row is null ? null : new ClientEntry(row, Text.Parse<Client>(row.Metadata!));
            },
            cancellationToken);
    }

    /// <summary>Whether a client of this id was found before; without a question to the store. What is no client's id may be anything that somebody sent in its place.</summary>
    public bool WasFound(string clientId) => clientId == FirstPartyClient.ClientId || _cache.WasFound(clientId);

    /// <summary>All of them but the built-in one, by id.</summary>
    public async ValueTask<IReadOnlyList<Client>> ListAsync(CancellationToken cancellationToken)
    {
        var documents = await database.ReadAsync((context, token) => context.Applications.OrderBy(r => r.ClientId).Select(r => r.Metadata!).ToListAsync(token), cancellationToken);
        return [.. documents.Select(Text.Parse<Client>)];
    }

    /// <summary>As above, as they were up to a second ago: for what anybody may ask as often as they like.</summary>
    public async ValueTask<IReadOnlyList<Client>> ListRecentAsync(CancellationToken cancellationToken) =>
        (await _all.GetAsync("", async (_, token) => await ListAsync(token), cancellationToken))!;

    public async Task UpsertAsync(Client client, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(client);
        await database.WriteAsync((context, token) => UpsertAsync(context, client, token), cancellationToken);
        Forget(client.ClientId);
    }

    /// <summary>All of them, or none.</summary>
    public async Task UpsertAllAsync(IReadOnlyList<Client> clients, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(clients);
        await database.TransactAsync(
            async (context, token) =>
            {
                await LockAsync(context, token);
                foreach (var client in clients)
                {
                    await UpsertAsync(context, client, token);
                }

                return clients.Count;
            },
            cancellationToken);
        foreach (var client in clients)
        {
            Forget(client.ClientId);
        }
    }

    /// <summary>Gives the client other secrets where it still has those that were seen: of two rotations at once one shows a secret, and that one works. False: it has others, or is gone.</summary>
    public async Task<bool> TryReplaceSecretsAsync(string clientId, IReadOnlyList<string> seen, IReadOnlyList<string> secrets, CancellationToken cancellationToken)
    {
        var isDone = await database.TransactAsync(
            async (context, token) =>
            {
                await LockAsync(context, token);
                var metadata = await context.Applications.Where(r => r.ClientId == clientId).Select(r => r.Metadata).FirstOrDefaultAsync(token);
                if (metadata is null)
                {
                    return false;
                }

                var client = Text.Parse<Client>(metadata);
                if (!client.SecretHashes.SequenceEqual(seen, StringComparer.Ordinal))
                {
                    return false;
                }

                await UpsertAsync(context, client with { SecretHashes = secrets }, token);
                return true;
            },
            cancellationToken);
        Forget(clientId);
        return isDone;
    }

    private Task LockAsync(IdentityDbContext context, CancellationToken cancellationToken) => database.Dialect.LockAsync(context, "clients", cancellationToken);

    private Task<int> UpsertAsync(IdentityDbContext context, Client client, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var row = Application(client, Guid.CreateVersion7(now));
        object?[] values =
        [
            database.Dialect.Id(row.Id), row.ClientId, row.ApplicationType, row.ClientSecret, row.ClientType, row.ConcurrencyToken, row.ConsentType, row.DisplayName, row.JsonWebKeySet,
            row.Permissions, row.PostLogoutRedirectUris, row.RedirectUris, row.Requirements, row.Metadata, database.Dialect.Time(now),
        ];
        return context.Database.ExecuteSqlRawAsync(_upsert, values!, cancellationToken);
    }

    private void Forget(string clientId)
    {
        _cache.Remove(clientId);
        _all.Remove("");
    }

    private static OAuthApplication Application(Client client, Guid id) => new()
    {
        Id = id,
        ClientId = client.ClientId,
        ApplicationType = ApplicationTypes.Web,
        ClientSecret = client.SecretHashes.Count == 0 ? null : string.Join(' ', client.SecretHashes),
        ClientType = client.IsPublic ? ClientTypes.Public : ClientTypes.Confidential,
        ConsentType = client.RequireConsent ? ConsentTypes.Explicit : ConsentTypes.Implicit,
        DisplayName = client.ClientName,
        JsonWebKeySet = client.Jwks,
        Permissions = Text.Json(PermissionsOf(client)),
        RedirectUris = Text.Json(client.RedirectUris),
        PostLogoutRedirectUris = Text.Json(client.PostLogoutRedirectUris),
        Requirements = Text.Json(RequirementsOf(client)),
        Metadata = Text.Json(client),
    };

    private static List<string> PermissionsOf(Client client)
    {
        List<string> permissions = [Permissions.Endpoints.Token, Permissions.Endpoints.Revocation, .. client.GrantTypes.Select(grant => Permissions.Prefixes.GrantType + grant)];
        if (!client.IsPublic)
        {
            permissions.Add(Permissions.Endpoints.Introspection);
        }

        if (client.GrantTypes.Contains(GrantTypes.AuthorizationCode, StringComparer.Ordinal))
        {
            permissions.AddRange([Permissions.Endpoints.Authorization, Permissions.Endpoints.PushedAuthorization, Permissions.Endpoints.EndSession, Permissions.ResponseTypes.Code]);
        }

        if (client.GrantTypes.Contains(GrantTypes.DeviceCode, StringComparer.Ordinal))
        {
            permissions.Add(Permissions.Endpoints.DeviceAuthorization);
        }

        return permissions;
    }

    private static List<string> RequirementsOf(Client client)
    {
        List<string> requirements = [];
        if (client.RequirePkce || client.IsPublic)
        {
            requirements.Add(Requirements.Features.ProofKeyForCodeExchange);
        }

        if (client.RequirePushedAuthorizationRequests)
        {
            requirements.Add(Requirements.Features.PushedAuthorizationRequests);
        }

        return requirements;
    }
}
