// RFC 6749 §2.3.1 (secrets), RFC 8252 §7.3 (loopback redirects): where OpenIddict's manager has other rules.
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Authorize;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using OpenIddict.Core;

namespace Identity.OAuth.Clients;

/// <summary>One SHA-256 instead of 10,000 rounds over a machine-made secret; redirect URIs by our matcher.</summary>
internal sealed class ApplicationManager(
    IOpenIddictApplicationCache<OAuthApplication> cache,
    ILogger<OpenIddictApplicationManager<OAuthApplication>> logger,
    IOptionsMonitor<OpenIddictCoreOptions> options,
    IOpenIddictApplicationStore<OAuthApplication> store,
    ClientStore clients) : OpenIddictApplicationManager<OAuthApplication>(cache, logger, options, store)
{
    public override async ValueTask<bool> ValidateRedirectUriAsync(OAuthApplication application, string uri, CancellationToken cancellationToken = default) =>
        RedirectUriMatcher.Matches((await ClientAsync(application, cancellationToken)).RedirectUris, uri);

    public override async ValueTask<bool> ValidatePostLogoutRedirectUriAsync(OAuthApplication application, string uri, CancellationToken cancellationToken = default) =>
        RedirectUriMatcher.Matches((await ClientAsync(application, cancellationToken)).PostLogoutRedirectUris, uri);

    protected override ValueTask<string> ObfuscateClientSecretAsync(string secret, CancellationToken cancellationToken = default) => new(ClientSecret.Hash(secret));

    protected override ValueTask<bool> ValidateClientSecretAsync(string secret, string comparand, CancellationToken cancellationToken = default) =>
        new(ClientSecret.IsOneOf(secret, comparand.Split(' ')));

    private async ValueTask<Client> ClientAsync(OAuthApplication application, CancellationToken cancellationToken) =>
        await clients.FindAsync(application.ClientId!, cancellationToken) ?? throw new InvalidOperationException("An application without its client.");
}
