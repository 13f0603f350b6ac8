using Identity.Tests.Kit.Conformance;

namespace Identity.Data.Tests.Sql;

public sealed class PostgresClientStoreTests(PostgresFixture fixture) : ClientStoreConformance(fixture);

public sealed class PostgresResourceStoreTests(PostgresFixture fixture) : ResourceStoreConformance(fixture);

public sealed class PostgresSigningKeyStoreTests(PostgresFixture fixture) : SigningKeyStoreConformance(fixture);

public sealed class PostgresConsentStoreTests(PostgresFixture fixture) : ConsentStoreConformance(fixture);

public sealed class PostgresRefreshFamilyStoreTests(PostgresFixture fixture) : RefreshFamilyStoreConformance(fixture);

public sealed class PostgresDenyListTests(PostgresFixture fixture) : DenyListConformance(fixture);

public sealed class PostgresReplayCacheTests(PostgresFixture fixture) : ReplayCacheConformance(fixture);

public sealed class PostgresRateLimiterTests(PostgresFixture fixture) : RateLimiterConformance(fixture);

public sealed class PostgresAccountStoreTests(PostgresFixture fixture) : AccountStoreConformance(fixture);

public sealed class PostgresCredentialStoreTests(PostgresFixture fixture) : CredentialStoreConformance(fixture);

public sealed class PostgresMetadataStoreTests(PostgresFixture fixture) : MetadataStoreConformance(fixture);

public sealed class PostgresSessionStoreTests(PostgresFixture fixture) : SessionStoreConformance(fixture);

public sealed class PostgresOneTimeCodeStoreTests(PostgresFixture fixture) : OneTimeCodeStoreConformance(fixture);

public sealed class PostgresAuditLogTests(PostgresFixture fixture) : AuditLogConformance(fixture);

public sealed class PostgresProcessedMessagesTests(PostgresFixture fixture) : ProcessedMessagesConformance(fixture);

public sealed class PostgresOutboxTests(PostgresFixture fixture) : OutboxConformance(fixture);

public sealed class PostgresSecondFactorStoreTests(PostgresFixture fixture) : SecondFactorStoreConformance(fixture);

public sealed class PostgresFactorProofStoreTests(PostgresFixture fixture) : FactorProofStoreConformance(fixture);
