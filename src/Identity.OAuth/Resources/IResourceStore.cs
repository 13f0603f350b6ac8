namespace Identity.OAuth.Resources;

/// <summary>The declared APIs. Few, read at every token request: adapters may cache for up to a second.</summary>
public interface IResourceStore
{
    ValueTask<IReadOnlyList<Resource>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Adds the resource or replaces the one with the same identifier.</summary>
    Task UpsertAsync(Resource resource, CancellationToken cancellationToken);
}
