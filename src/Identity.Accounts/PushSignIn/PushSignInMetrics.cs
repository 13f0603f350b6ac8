using System.Diagnostics.Metrics;

namespace Identity.Accounts.PushSignIn;

/// <summary>How long people take to answer. How many were asked, and with what outcome, the audit trail's counter says (action push_sign_in).</summary>
internal static class PushSignInMetrics
{
    private static readonly Meter Meter = new("Identity.Accounts");

    private static readonly Histogram<double> Duration = Meter.CreateHistogram<double>("identity.push_sign_in.duration", "s", "From asking a person's devices about a sign-in to the answer, by outcome.");

    public static void Answered(string outcome, TimeSpan duration) => Duration.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome));
}
