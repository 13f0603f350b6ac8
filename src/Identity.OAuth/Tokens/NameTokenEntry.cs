// RFC 6749 §10.10: replaces OpenIddict's Protection.CreateTokenEntry, which writes a row that AttachTokenPayload writes again.
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlerFilters;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Tokens;

/// <summary>Gives a token that will be a row its id: the payload names it.</summary>
internal sealed class NameTokenEntry(TimeProvider timeProvider) : IOpenIddictServerHandler<GenerateTokenContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<GenerateTokenContext>()
        .AddFilter<RequireTokenEntryCreated>()
        .UseSingletonHandler<NameTokenEntry>()
        .SetOrder(Protection.CreateTokenEntry.Descriptor.Order)
        .Build();

    public ValueTask HandleAsync(GenerateTokenContext context)
    {
        context.Principal.SetTokenId(Guid.CreateVersion7(timeProvider.GetUtcNow()).ToString("D"));
        return default;
    }
}
