namespace Identity.Tests.Kit.Conformance;

/// <summary>An adapter under test. Tests of one adapter share its data and keep apart by unique ids.</summary>
public abstract class StoreFixture
{
    /// <summary>Whether each opening is another node over the same data (and not a world of its own).</summary>
    public virtual bool HasNodes => true;

    /// <summary>The stores of one node. Skips the test where the adapter cannot run here.</summary>
    public abstract ValueTask<IServiceProvider> OpenAsync(TimeProvider timeProvider);

    /// <summary>Stores over data of their own, for ports that have no ids to keep apart by; each call of the result is another node.</summary>
    public abstract ValueTask<Func<ValueTask<IServiceProvider>>> IsolateAsync(TimeProvider timeProvider);
}
