// RFC 9449 §7.1 and §9: follows OpenIddict's AttachWwwAuthenticateHeader at userinfo, which knows the scheme Bearer alone and answers 400 to what it does not know.
using Identity.OAuth.Tokens;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Http;
using OpenIddict.Server;
using static OpenIddict.Server.AspNetCore.OpenIddictServerAspNetCoreHandlers;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.DPoP;

/// <summary>Refuses by the scheme that the token came by, or should have come by.</summary>
internal sealed class ChallengeByDPoP : IOpenIddictServerHandler<ApplyUserInfoResponseContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ApplyUserInfoResponseContext>()
        .UseSingletonHandler<ChallengeByDPoP>()
        .SetOrder(AttachWwwAuthenticateHeader<ApplyUserInfoResponseContext>.Descriptor.Order + 500)
        .Build();

    public ValueTask HandleAsync(ApplyUserInfoResponseContext context)
    {
        var http = context.Transaction.GetHttpRequest()!;
        if (string.IsNullOrEmpty(context.Error)
            || !(PresentedToken.Read(http.Headers.Authorization.ToString()) is { ByDPoP: true } || AccessToken.Of(context.Transaction)?.BoundTo?.Key is not null))
        {
            return default;
        }

        var answer = http.HttpContext.Response;
        if (context.Error is OAuthErrors.InvalidDPoPProof or OAuthErrors.UseDPoPNonce)
        {
            answer.StatusCode = StatusCodes.Status401Unauthorized;
        }

        answer.Headers.WWWAuthenticate = PresentedToken.Challenge(answer.Headers.WWWAuthenticate.ToString()["Bearer ".Length..]);
        return default;
    }
}
