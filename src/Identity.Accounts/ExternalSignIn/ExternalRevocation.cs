// OWASP ASVS 5.0 §6.3.7; Sudhodanan and Paverd, "Pre-hijacked accounts" (USENIX Security 2022), classic-federated merge and trojan identifiers: a way in that a stranger connected goes with the stranger.
using Identity.Accounts.Audit;
using Identity.Accounts.Profile;

namespace Identity.Accounts.ExternalSignIn;

/// <summary>Takes back ways in through other providers from whoever had no right to connect them.</summary>
internal sealed class ExternalRevocation(ExternalIdentities identities, IAccountStore accounts, AuditTrail audit, TimeProvider timeProvider) : IGrantedAccess
{
    private static readonly Caller s_owner = new(Ip: null, UserAgent: null, ActorId: "owner_claim");

    public Task ForgetAsync(Guid accountId, CancellationToken cancellationToken) => RevokeAsync(accountId, DateTimeOffset.MinValue, s_owner, cancellationToken);

    /// <summary>The one that the account began with is nobody's addition: without it its owner might have no way in at all.</summary>
    public async Task ForgetRecentAsync(Guid accountId, Caller caller, CancellationToken cancellationToken)
    {
        if (await accounts.FindAsync(accountId, cancellationToken) is { } account)
        {
            var since = timeProvider.GetUtcNow() - AccessNotices.LinkLifetime;
            await RevokeAsync(accountId, since > account.CreatedAt ? since : account.CreatedAt.AddTicks(1), caller, cancellationToken);
        }
    }

    private async Task RevokeAsync(Guid accountId, DateTimeOffset since, Caller caller, CancellationToken cancellationToken)
    {
        if (await identities.RemoveSinceAsync(accountId, since, cancellationToken) > 0)
        {
            await audit.WriteAsync("unlink", "revoked", accountId, caller, sessionId: null, cancellationToken);
        }
    }
}
