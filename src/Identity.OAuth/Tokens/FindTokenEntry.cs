// RFC 6749 §10.10: replaces OpenIddict's Protection.ValidateReferenceTokenIdentifier.
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Tokens;

/// <summary>OpenIddict's own looks in the token table for all that is no JWT; here it does not for what <see cref="ReadTokens"/> has read already.</summary>
internal sealed class FindTokenEntry(IOpenIddictTokenManager tokens) : IOpenIddictServerHandler<ValidateTokenContext>
{
    private readonly Protection.ValidateReferenceTokenIdentifier _builtIn = new(tokens);

    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateTokenContext>()
        .Import(Protection.ValidateReferenceTokenIdentifier.Descriptor)
        .AddFilter<RequireUnreadToken>()
        .UseScopedHandler<FindTokenEntry>()
        .Build();

    public ValueTask HandleAsync(ValidateTokenContext context) => _builtIn.HandleAsync(context);
}

/// <summary>What the token is was not found out yet.</summary>
internal sealed class RequireUnreadToken : IOpenIddictServerHandlerFilter<ValidateTokenContext>
{
    public ValueTask<bool> IsActiveAsync(ValidateTokenContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return new(context.Principal is null);
    }
}
