// RFC 6749 §4.1.3 and RFC 7636 §4.6: redeeming an authorization code, once, by the client it was issued to.
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Consents;
using Identity.OAuth.DPoP;
using Identity.OAuth.Refresh;
using Identity.OAuth.Resources;
using Identity.OAuth.Sessions;
using Identity.OAuth.Tokens;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Token;

/// <summary>
/// <c>grant_type=authorization_code</c>. That it is the client's, unexpired and unused is seen by OpenIddict and <see cref="ReadTokens"/>;
/// redirect_uri and verifier by <see cref="CodeRules"/>; <see cref="RedeemTokens"/> decides who of several is the one.
/// </summary>
public sealed class AuthorizationCodeGrant(RefreshFamilies families, Subjects subjects, ResourceCatalog resources, IOptions<OAuthOptions> options, TimeProvider timeProvider) : ITokenGrant
{
    public string GrantType => OpenIddictConstants.GrantTypes.AuthorizationCode;

    public async Task<Outcome<TokenIssue>> ProveAsync(HandleTokenRequestContext context, Client client, CancellationToken cancellationToken)
    {
        if (GrantClaim.Read(context.AuthorizationCodePrincipal) is not { } grant)
        {
            return Invalid("not a code of ours");
        }

        return await IssueAsync(context, client, grant, cancellationToken);
    }

    /// <summary>What a person granted at the authorize or the device endpoint, as tokens; refused where it died since.</summary>
    public async Task<Outcome<TokenIssue>> IssueAsync(HandleTokenRequestContext context, Client client, AuthorizationGrant grant, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(grant);
        var requested = ResourceCatalog.Requested(context.Request);
        if (await resources.CheckAsync(requested, grant.Resources, grant.Scopes, cancellationToken) is { } error)
        {
            return error;
        }

        if (!(await resources.ResolveAsync(requested.Count > 0 ? requested : grant.Resources, grant.Scopes, DPoPProof.IsIn(context.Transaction), cancellationToken)).TryGet(out var target, out error))
        {
            return error;
        }

        // Written with the code, or before it: no code is without its family.
        if (await families.FindPresentedAsync(grant.GrantId, timeProvider.GetUtcNow(), cancellationToken, ConsentService.DenyId(grant.Subject, grant.ClientId)) is not { IsDenied: false, Family.RevokedAt: null } family)
        {
            return Invalid("what it stands for was revoked, or taken back by the person");
        }

        if (family.Account is null || subjects.Of(family.Account) is not { } person || person.Id != grant.Subject)
        {
            return Invalid("its session has ended");
        }

        if (family.Session is null || subjects.IsStopped(family.Account, family.Session))
        {
            return Invalid("the account is locked");
        }

        return new TokenIssue(client, target, grant.GrantId)
        {
            Grant = grant,
            Person = person,
            RefreshGeneration = RefreshDue.IsDue(client, grant.Scopes) ? RefreshDue.FirstGeneration : null,
            RefreshExpiresAt = AuthorizationGrant.BeganAt(grant.GrantId) + options.Value.RefreshTokenLifetime,
        };
    }

    private static OAuthError Invalid(string detail) =>
        new(OAuthErrors.InvalidGrant, "The code is not valid: unknown, used, expired, or not for this request.") { Detail = "code: " + detail };
}
