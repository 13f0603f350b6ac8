// RFC 6749 §4.1.2 and §10.5: precedes OpenIddict's Protection.ValidatePresenters, which it switches off for codes: then another client that sends a used code
// kills its owner's tokens.
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Tokens;

/// <summary>Whose a token is comes before whether it was used. An exchanged one is another's as a rule (RFC 8693).</summary>
internal sealed class PresenterFirst : IOpenIddictServerHandler<ValidateTokenContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateTokenContext>()
        .UseSingletonHandler<PresenterFirst>()
        .SetOrder(int.MinValue + 50_000)
        .Build();

    public ValueTask HandleAsync(ValidateTokenContext context)
    {
        if (context.EndpointType == OpenIddictServerEndpointType.Token && context.ValidPresenters.Count > 0 && context.Request?.IsTokenExchangeGrantType() != true)
        {
            context.DisablePresenterValidation = false;
        }

        return default;
    }
}
