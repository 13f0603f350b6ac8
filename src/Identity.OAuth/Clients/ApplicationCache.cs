// RFC 6749 §2: replaces OpenIddict's OpenIddictApplicationCache, which is made with each request and never asked: DisableEntityCaching is set, since clients come from ClientStore.
using Identity.Accounts.Data.Tables;
using OpenIddict.Abstractions;

namespace Identity.OAuth.Clients;

/// <summary>Remembers nothing.</summary>
internal sealed class ApplicationCache : IOpenIddictApplicationCache<OAuthApplication>
{
    public ValueTask AddAsync(OAuthApplication application, CancellationToken cancellationToken) => default;

    public ValueTask<OAuthApplication?> FindByClientIdAsync(string identifier, CancellationToken cancellationToken) => default;

    public ValueTask<OAuthApplication?> FindByIdAsync(string identifier, CancellationToken cancellationToken) => default;

    public IAsyncEnumerable<OAuthApplication> FindByPostLogoutRedirectUriAsync(string uri, CancellationToken cancellationToken) => AsyncEnumerable.Empty<OAuthApplication>();

    public IAsyncEnumerable<OAuthApplication> FindByRedirectUriAsync(string uri, CancellationToken cancellationToken) => AsyncEnumerable.Empty<OAuthApplication>();

    public ValueTask RemoveAsync(OAuthApplication application, CancellationToken cancellationToken) => default;
}
