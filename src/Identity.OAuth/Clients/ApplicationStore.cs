// RFC 6749 §2: OpenIddict's application store on EF Core, read through the cache of a second: it is asked several times a request.
using Identity.Accounts.Data.Tables;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;
using OpenIddict.EntityFrameworkCore;

namespace Identity.OAuth.Clients;

/// <summary>A disabled client is not found: it gets nothing.</summary>
internal sealed class ApplicationStore(IMemoryCache cache, IOpenIddictEntityFrameworkCoreContext context, IOptionsMonitor<OpenIddictEntityFrameworkCoreOptions> options, ClientStore clients)
    : OpenIddictEntityFrameworkCoreApplicationStore<OAuthApplication, OAuthAuthorization, OAuthToken, Guid>(cache, context, options)
{
    public override async ValueTask<OAuthApplication?> FindByClientIdAsync(string identifier, CancellationToken cancellationToken) =>
        await clients.FindEntryAsync(identifier, cancellationToken) is { Client.Disabled: false } entry ? entry.Application : null;
}
