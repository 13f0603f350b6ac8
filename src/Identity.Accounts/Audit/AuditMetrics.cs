using System.Diagnostics.Metrics;

namespace Identity.Accounts.Audit;

/// <summary>What is written to the audit trail, counted: sign-ins and their refusals, registrations, resets, codes.</summary>
internal static class AuditMetrics
{
    private static readonly Meter Meter = new("Identity.Accounts");

    private static readonly Counter<long> Actions = Meter.CreateCounter<long>("identity.accounts.actions", "{action}", "What was done with accounts, by action and outcome.");

    public static void Count(string action, string outcome) => Actions.Add(1, new KeyValuePair<string, object?>("action", action), new KeyValuePair<string, object?>("outcome", outcome));
}
