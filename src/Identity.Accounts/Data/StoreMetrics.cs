namespace Identity.Accounts.Data;

/// <summary>What operators watch of the stores.</summary>
public static class StoreMetrics
{
    public const string MeterName = "Identity.Stores";
}
