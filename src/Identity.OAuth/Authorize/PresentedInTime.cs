// RFC 9126 §2.2 and §4: precedes OpenIddict's Protection.ValidateExpirationDate (and our EndAtExpiry), which know only that a pushed request lives a minute.
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Authorize;

/// <summary>The minute is for bringing the reference here. A browser that did so in time may come back from the pages with it as with any other request.</summary>
internal sealed class PresentedInTime : IOpenIddictServerHandler<ValidateTokenContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateTokenContext>()
        .UseSingletonHandler<PresentedInTime>()
        .SetOrder(Protection.ValidateExpirationDate.Descriptor.Order - 500)
        .Build();

    public ValueTask HandleAsync(ValidateTokenContext context)
    {
        // An interaction starts only with a request that was found sound, and is bound to its reference and client.
        if (context.Principal?.HasTokenType(TokenTypeIdentifiers.Private.RequestToken) == true
            && Interaction.Of(context.Transaction) is { } interaction
            && interaction.IsUnderWay(context.Options.TimeProvider.GetUtcNow())
            && interaction.StartedAt < context.Principal.GetExpirationDate())
        {
            context.DisableLifetimeValidation = true;
        }

        return default;
    }
}
