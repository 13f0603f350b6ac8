// RFC 6749 §4.1.2 (codes are redeemed once) and RFC 7009 §2.2.1: OpenIddict's manager lets an outage look like a refusal, and redeems by a row it read before.
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Tokens;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using OpenIddict.Core;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Identity.OAuth.Storage;

/// <summary>Redeeming, rejecting and revoking are one conditional UPDATE each; a store that is away throws.</summary>
internal sealed class TokenManager(
    IOpenIddictTokenCache<OAuthToken> cache,
    ILogger<OpenIddictTokenManager<OAuthToken>> logger,
    IOptionsMonitor<OpenIddictCoreOptions> options,
    IOpenIddictTokenStore<OAuthToken> store,
    TimeProvider timeProvider) : OpenIddictTokenManager<OAuthToken>(cache, logger, options, store)
{
    public override ValueTask<bool> TryRedeemAsync(OAuthToken token, CancellationToken cancellationToken = default) =>
        ((TokenStore)Store).TryMoveAsync(token.Id, Statuses.Valid, Statuses.Redeemed, timeProvider.GetUtcNow(), cancellationToken);

    public override ValueTask<bool> TryRejectAsync(OAuthToken token, CancellationToken cancellationToken = default) =>
        ((TokenStore)Store).TryMoveAsync(token.Id, token.Status!, Statuses.Rejected, redeemedAt: null, cancellationToken);

    public override ValueTask<bool> TryRevokeAsync(OAuthToken token, CancellationToken cancellationToken = default) =>
        ((TokenStore)Store).TryMoveAsync(token.Id, token.Status!, Statuses.Revoked, redeemedAt: null, cancellationToken);

    protected override ValueTask<string> ObfuscateReferenceIdAsync(string identifier, CancellationToken cancellationToken = default) => new(SecureValue.Hash(identifier));
}
