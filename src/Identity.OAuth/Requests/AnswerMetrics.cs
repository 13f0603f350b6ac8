// RFC 6749 §5, in numbers: what the endpoints answered, tokens by grant, refusals by error. Follows OpenIddict's handlers of the token endpoint's answer.
using System.Diagnostics.Metrics;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Requests;

internal static class AnswerMetrics
{
    private static readonly Meter Meter = new("Identity.OAuth");

    private static readonly Counter<long> Tokens = Meter.CreateCounter<long>("identity.oauth.token_answers", "{answer}", "Tokens handed out by the token endpoint, by grant.");

    private static readonly Counter<long> Refusals = Meter.CreateCounter<long>("identity.oauth.refusals", "{answer}", "Requests refused by the protocol's endpoints, by endpoint and error.");

    /// <param name="grant">Of a request that was granted, so one of those that are switched on.</param>
    public static void CountTokens(string grant) => Tokens.Add(1, new KeyValuePair<string, object?>("grant_type", grant));

    public static void CountRefusal(string endpoint, string error) =>
        Refusals.Add(1, new KeyValuePair<string, object?>("endpoint", endpoint), new KeyValuePair<string, object?>("error", error));
}

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
