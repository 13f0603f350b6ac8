using Identity.Tests.Kit.Conformance;
using Identity.Tests.Kit.InMemory;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.OAuth.Tests.InMemory;

/// <summary>What the engine is tested on behaves like what it runs on.</summary>
public sealed class InMemoryFixture : StoreFixture
{
    public override bool HasNodes => false;

    public override ValueTask<IServiceProvider> OpenAsync(TimeProvider timeProvider) =>
        new(new ServiceCollection().AddSingleton(timeProvider).AddInMemoryOAuthStores().BuildServiceProvider());

    public override async ValueTask<Func<ValueTask<IServiceProvider>>> IsolateAsync(TimeProvider timeProvider)
    {
        var services = await OpenAsync(timeProvider);
        return () => new(services);
    }
}

public sealed class InMemoryClientStoreTests() : ClientStoreConformance(new InMemoryFixture());

public sealed class InMemoryResourceStoreTests() : ResourceStoreConformance(new InMemoryFixture());

public sealed class InMemorySigningKeyStoreTests() : SigningKeyStoreConformance(new InMemoryFixture());

public sealed class InMemoryConsentStoreTests() : ConsentStoreConformance(new InMemoryFixture());

public sealed class InMemorySingleUseStoreTests() : SingleUseStoreConformance(new InMemoryFixture());

public sealed class InMemoryRefreshFamilyStoreTests() : RefreshFamilyStoreConformance(new InMemoryFixture());

public sealed class InMemoryDenyListTests() : DenyListConformance(new InMemoryFixture());

public sealed class InMemoryReplayCacheTests() : ReplayCacheConformance(new InMemoryFixture());

public sealed class InMemoryReferenceTokenStoreTests() : ReferenceTokenStoreConformance(new InMemoryFixture());
