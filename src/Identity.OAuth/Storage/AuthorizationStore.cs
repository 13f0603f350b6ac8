// OpenIddict's authorization store on EF Core, read without joins and tracking.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;
using OpenIddict.EntityFrameworkCore;

namespace Identity.OAuth.Storage;

/// <summary>Consents and families. They are written by <see cref="Consents.ConsentService"/> and <see cref="Refresh.RefreshFamilies"/>.</summary>
internal sealed class AuthorizationStore(
    IMemoryCache cache,
    IOpenIddictEntityFrameworkCoreContext context,
    IOptionsMonitor<OpenIddictEntityFrameworkCoreOptions> options,
    StoreDatabase database) : OpenIddictEntityFrameworkCoreAuthorizationStore<OAuthAuthorization, OAuthApplication, OAuthToken, Guid>(cache, context, options)
{
    public override async ValueTask<OAuthAuthorization?> FindByIdAsync(string identifier, CancellationToken cancellationToken) =>
        Guid.TryParse(identifier, out var id) ? await database.ReadAsync((context, token) => context.Authorizations.FirstOrDefaultAsync(r => r.Id == id, token), cancellationToken) : null;

    public override ValueTask<string?> GetApplicationIdAsync(OAuthAuthorization authorization, CancellationToken cancellationToken) => new(authorization.ApplicationId?.ToString());
}
