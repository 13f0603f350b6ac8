// RFC 6749 §5, in numbers: what the endpoints answered, tokens by grant, refusals by error.
using System.Diagnostics.Metrics;

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
