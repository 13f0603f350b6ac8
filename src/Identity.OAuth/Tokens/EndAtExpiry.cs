// RFC 6749 §4.1.2, RFC 8628 §3.5, RFC 9126 §2.2: follows OpenIddict's ValidateExpirationDate, which still takes a token in the very instant that its life ends.
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Tokens;

/// <summary>A code that lives 60 seconds is over when they are: at the same instant as the access tokens that we read ourselves.</summary>
internal sealed class EndAtExpiry : IOpenIddictServerHandler<ValidateTokenContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateTokenContext>()
        .AddFilter<OpenIddictServerHandlerFilters.RequireTokenLifetimeValidationEnabled>()
        .UseSingletonHandler<EndAtExpiry>()
        .SetOrder(Protection.ValidateExpirationDate.Descriptor.Order + 500)
        .Build();

    public ValueTask HandleAsync(ValidateTokenContext context)
    {
        if (context.Principal?.GetExpirationDate() is { } expiration && expiration == context.Options.TimeProvider.GetUtcNow())
        {
            var error = context.Principal.GetTokenType() switch
            {
                TokenTypeIdentifiers.Private.ClientAssertion => OAuthErrors.InvalidClient,
                TokenTypeIdentifiers.Private.DeviceCode => Errors.ExpiredToken,
                _ => OAuthErrors.InvalidToken,
            };
            context.Reject(error, "The token is no longer valid.");
        }

        return default;
    }
}
