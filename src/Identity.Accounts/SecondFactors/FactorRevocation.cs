// OWASP ASVS 5.0 §6.4.3 and §6.3.7; Sudhodanan and Paverd, "Pre-hijacked accounts" (USENIX Security 2022), trojan identifiers: what a stranger added to an account goes with the stranger.
using Identity.Accounts.Audit;
using Identity.Accounts.Events;
using Identity.Accounts.Profile;

namespace Identity.Accounts.SecondFactors;

/// <summary>Takes factors back from whoever had no right to add them. Not for a reset by mail alone: a mailbox must not do away with second factors.</summary>
public sealed class FactorRevocation(IAccountStore accounts, ISecondFactorStore factors, IFactorProofStore proofs, LifecycleEvents events, AuditTrail audit, TimeProvider timeProvider) : IGrantedAccess
{
    private static readonly Caller s_owner = new(Ip: null, UserAgent: null, ActorId: "owner_claim");

    /// <summary>All of them: the account was never proven to be theirs who added them.</summary>
    public Task ForgetAsync(Guid accountId, CancellationToken cancellationToken) => RevokeAsync(accountId, DateTimeOffset.MinValue, aloneToo: false, s_owner, cancellationToken);

    /// <summary>A stranger's passkey would go on opening the account; a stranger's app only asks its owner for more than they have, and a mailbox that was taken over for what it lacks.</summary>
    public Task ForgetDoubtfulAsync(Guid accountId, CancellationToken cancellationToken) => RevokeAsync(accountId, Recent, aloneToo: true, s_owner, cancellationToken);

    /// <summary>
    /// Factors and recovery codes that are not older than the link of a notice lives. Of each its owner was told, with such a link, so whoever holds
    /// one can undo it; what has stood for longer is the owner's, and a stolen mailbox does not take it away.
    /// </summary>
    public Task ForgetRecentAsync(Guid accountId, Caller caller, CancellationToken cancellationToken) =>
        RevokeAsync(accountId, Recent, aloneToo: false, caller, cancellationToken);

    private DateTimeOffset Recent => timeProvider.GetUtcNow() - AccessNotices.LinkLifetime;

    internal static LifecycleEvent Removed(LifecycleEvents events, Account account, string kind)
    {
        var told = events.OfUser(EventTypes.UserFactorRemoved, account);
        told.Data["factor"] = kind;
        return told;
    }

    private async Task RevokeAsync(Guid accountId, DateTimeOffset since, bool aloneToo, Caller caller, CancellationToken cancellationToken)
    {
        if (await accounts.FindAsync(accountId, cancellationToken) is not { } account)
        {
            return;
        }

        var enrolled = await factors.ListAsync(accountId, cancellationToken);
        foreach (var factor in enrolled.Where(Goes))
        {
            if (await factors.RemoveAsync(accountId, factor.Id, Removed(events, account, factor.Kind), notice: null, cancellationToken))
            {
                await audit.WriteAsync("factor_revoke", factor.Kind, accountId, caller, sessionId: null, cancellationToken);
            }
        }

        // Substitutes of factors that are gone; those of older factors stay unless they were made anew.
        await factors.RemoveRecoveryCodesAsync(accountId, enrolled.All(Goes) ? DateTimeOffset.MinValue : since, cancellationToken);
        await proofs.ForgetAsync(accountId, id: null, cancellationToken);

        bool Goes(SecondFactor factor) => factor.CreatedAt >= since || (aloneToo && (factor.Kind == FactorKinds.Passkey || FactorKinds.IsAlone(factor)));
    }
}
