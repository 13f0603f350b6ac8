using System.Text.Json.Nodes;

namespace Identity.Accounts.Profile;

/// <summary>Free metadata of accounts: a JSON object of at most 16 KB each.</summary>
public interface IMetadataStore
{
    /// <summary>An empty object where none was ever set.</summary>
    Task<JsonObject> FindAsync(Guid accountId, CancellationToken cancellationToken);

    /// <summary>Of a page of accounts; an empty object where none was ever set.</summary>
    Task<IReadOnlyDictionary<Guid, JsonObject>> FindManyAsync(IReadOnlyCollection<Guid> accountIds, CancellationToken cancellationToken);

    /// <summary>Of an account that is deleted. None there: nothing happens.</summary>
    Task DeleteAsync(Guid accountId, CancellationToken cancellationToken);

    /// <summary>Merged at top level, null removes. False, and nothing changed, where the result would be over the limit.</summary>
    Task<bool> MergeAsync(Guid accountId, JsonObject patch, CancellationToken cancellationToken);
}
