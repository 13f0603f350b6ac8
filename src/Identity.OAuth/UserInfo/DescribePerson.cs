// OpenID Connect Core §5.3.2: replaces OpenIddict's UserInfo.AttachAudiences and AttachClaims, which know few claims and no claims parameter.
using Identity.OAuth.Sessions;
using Identity.OAuth.Tokens;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.UserInfo;

/// <summary>Claims about the person an access token stands for: those of its scopes, and those asked for by name.</summary>
internal sealed class DescribePerson(Subjects subjects) : IOpenIddictServerHandler<HandleUserInfoRequestContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<HandleUserInfoRequestContext>()
        .UseSingletonHandler<DescribePerson>()
        .SetOrder(OpenIddictServerHandlers.UserInfo.AttachClaims.Descriptor.Order)
        .Build();

    public async ValueTask HandleAsync(HandleUserInfoRequestContext context)
    {
        var token = AccessToken.Of(context.Transaction)!;
        if (await subjects.FindActiveAsync(token.Subject, context.CancellationToken, token.Person) is not { } person)
        {
            context.Reject(OAuthErrors.InvalidToken, "The access token is expired, revoked, malformed, or not for this resource.");
            return;
        }

        context.Subject = token.Subject;
        foreach (var name in token.Scopes.SelectMany(ClaimsByScope.Of).Concat(token.UserInfoClaims))
        {
            if (ClaimsByScope.IsStandardClaim(name) && person.Claims[name] is { } claim)
            {
                context.Claims[name] = claim.DeepClone();
            }
        }
    }
}
