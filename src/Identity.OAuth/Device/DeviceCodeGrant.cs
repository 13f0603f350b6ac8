// RFC 8628 §3.4: what a person allowed at another screen, as tokens for the device.
using Identity.OAuth.Clients;
using Identity.OAuth.Token;
using OpenIddict.Abstractions;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Device;

/// <summary>
/// <c>grant_type=urn:ietf:params:oauth:grant-type:device_code</c>. Whose the code is and whether it was answered is seen by OpenIddict and <see cref="DevicePolls"/>;
/// <see cref="RedeemTokens"/> decides who of several is the one. From there it is as with an authorization code.
/// </summary>
public sealed class DeviceCodeGrant(AuthorizationCodeGrant codes) : ITokenGrant
{
    public string GrantType => OpenIddictConstants.GrantTypes.DeviceCode;

    public async Task<Outcome<TokenIssue>> ProveAsync(HandleTokenRequestContext context, Client client, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        return GrantClaim.Read(context.DeviceCodePrincipal) is { } grant
            ? await codes.IssueAsync(context, client, grant, cancellationToken)
            : new OAuthError(OAuthErrors.InvalidGrant, "The device code is not valid.") { Detail = "device code: nobody allowed it" };
    }
}
