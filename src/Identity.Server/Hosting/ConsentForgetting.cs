// OpenID Connect Core §3.1.2.4: consent is its giver's, and goes with them.
using Identity.Accounts.Profile;
using Identity.OAuth.Consents;

namespace Identity.Server.Hosting;

/// <summary>Takes back the consents of an account that turned out to be somebody else's.</summary>
internal sealed class ConsentForgetting(ConsentService consents) : IGrantedAccess
{
    public async Task ForgetAsync(Guid accountId, CancellationToken cancellationToken)
    {
        var subject = accountId.ToString("D");
        foreach (var consent in await consents.ListAsync(subject, cancellationToken))
        {
            await consents.RevokeAsync(subject, consent.ClientId, cancellationToken);
        }
    }
}
