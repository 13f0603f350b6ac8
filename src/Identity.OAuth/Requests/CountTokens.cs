// RFC 6749 §5.1, in numbers: follows our WordErrors in OpenIddict's answer of the token endpoint.
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Requests;

/// <summary>Counts what the token endpoint grants.</summary>
internal sealed class CountTokens : IOpenIddictServerHandler<ApplyTokenResponseContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ApplyTokenResponseContext>()
        .UseSingletonHandler<CountTokens>()
        .SetOrder(WordErrors<ApplyTokenResponseContext>.Descriptor.Order + 1)
        .Build();

    public ValueTask HandleAsync(ApplyTokenResponseContext context)
    {
        if (string.IsNullOrEmpty(context.Error) && context.Request?.GrantType is { } grant)
        {
            AnswerMetrics.CountTokens(grant);
        }

        return default;
    }
}
