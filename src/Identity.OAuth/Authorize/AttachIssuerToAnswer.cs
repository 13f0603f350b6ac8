// RFC 9207 §2: replaces OpenIddict's Authentication.AttachIssuer, which writes the issuer with a trailing slash.
using Microsoft.Extensions.Options;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Authorize;

/// <summary><c>iss</c> without a trailing slash, on success and on error.</summary>
internal sealed class AttachIssuerToAnswer(IOptions<OAuthOptions> options) : IOpenIddictServerHandler<ApplyAuthorizationResponseContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ApplyAuthorizationResponseContext>()
        .UseSingletonHandler<AttachIssuerToAnswer>()
        .SetOrder(Authentication.AttachIssuer.Descriptor.Order)
        .Build();

    public ValueTask HandleAsync(ApplyAuthorizationResponseContext context)
    {
        if (!string.IsNullOrEmpty(context.RedirectUri))
        {
            context.Response.Iss = options.Value.Issuer;
        }

        return default;
    }
}
