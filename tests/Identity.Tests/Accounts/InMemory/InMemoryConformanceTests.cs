using Identity.Tests.Kit.Conformance;
using Identity.Tests.Kit.InMemory;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Accounts.InMemory;

/// <summary>The stores that these tests stand on do what real ones do.</summary>
public sealed class InMemoryFixture : StoreFixture
{
    public override bool HasNodes => false;

    public override ValueTask<IServiceProvider> OpenAsync(TimeProvider timeProvider) =>
        new(new ServiceCollection().AddSingleton(timeProvider).AddInMemoryAccountStores().BuildServiceProvider());

    public override async ValueTask<Func<ValueTask<IServiceProvider>>> IsolateAsync(TimeProvider timeProvider)
    {
        var provider = await OpenAsync(timeProvider);
        return () => new(provider);
    }
}

public sealed class InMemoryAccountStoreTests() : AccountStoreConformance(new InMemoryFixture());

public sealed class InMemoryCredentialStoreTests() : CredentialStoreConformance(new InMemoryFixture());

public sealed class InMemoryMetadataStoreTests() : MetadataStoreConformance(new InMemoryFixture());

public sealed class InMemorySessionStoreTests() : SessionStoreConformance(new InMemoryFixture());

public sealed class InMemoryOneTimeCodeStoreTests() : OneTimeCodeStoreConformance(new InMemoryFixture());

public sealed class InMemoryRateLimiterTests() : RateLimiterConformance(new InMemoryFixture());

public sealed class InMemoryAuditLogTests() : AuditLogConformance(new InMemoryFixture());

public sealed class InMemoryProcessedMessagesTests() : ProcessedMessagesConformance(new InMemoryFixture());

public sealed class InMemorySecondFactorStoreTests() : SecondFactorStoreConformance(new InMemoryFixture());

public sealed class InMemoryFactorProofStoreTests() : FactorProofStoreConformance(new InMemoryFixture());
