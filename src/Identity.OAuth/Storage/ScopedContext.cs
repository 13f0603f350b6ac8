// OpenIddict.EntityFrameworkCore's stores work on a scoped DbContext: here it is one of the store's own.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;
using OpenIddict.EntityFrameworkCore;

namespace Identity.OAuth.Storage;

/// <summary>A context for the members of OpenIddict's stores that ours do not override: listing, counting, administration. No request of a client gets here.</summary>
internal sealed class ScopedContext(StoreDatabase database) : IOpenIddictEntityFrameworkCoreContext, IAsyncDisposable
{
    private IdentityDbContext? _context;

    public ValueTask<DbContext> GetDbContextAsync(CancellationToken cancellationToken) => new(_context ??= database.CreateContext());

    public ValueTask DisposeAsync() => _context?.DisposeAsync() ?? ValueTask.CompletedTask;
}
