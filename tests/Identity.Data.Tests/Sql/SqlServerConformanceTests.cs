using Identity.Tests.Kit.Conformance;

namespace Identity.Data.Tests.Sql;

public sealed class SqlServerClientStoreTests(SqlServerFixture fixture) : ClientStoreConformance(fixture);

public sealed class SqlServerResourceStoreTests(SqlServerFixture fixture) : ResourceStoreConformance(fixture);

public sealed class SqlServerSigningKeyStoreTests(SqlServerFixture fixture) : SigningKeyStoreConformance(fixture);

public sealed class SqlServerConsentStoreTests(SqlServerFixture fixture) : ConsentStoreConformance(fixture);

public sealed class SqlServerRefreshFamilyStoreTests(SqlServerFixture fixture) : RefreshFamilyStoreConformance(fixture);

public sealed class SqlServerDenyListTests(SqlServerFixture fixture) : DenyListConformance(fixture);

public sealed class SqlServerReplayCacheTests(SqlServerFixture fixture) : ReplayCacheConformance(fixture);

public sealed class SqlServerRateLimiterTests(SqlServerFixture fixture) : RateLimiterConformance(fixture);

public sealed class SqlServerAccountStoreTests(SqlServerFixture fixture) : AccountStoreConformance(fixture);

public sealed class SqlServerCredentialStoreTests(SqlServerFixture fixture) : CredentialStoreConformance(fixture);

public sealed class SqlServerMetadataStoreTests(SqlServerFixture fixture) : MetadataStoreConformance(fixture);

public sealed class SqlServerSessionStoreTests(SqlServerFixture fixture) : SessionStoreConformance(fixture);

public sealed class SqlServerOneTimeCodeStoreTests(SqlServerFixture fixture) : OneTimeCodeStoreConformance(fixture);

public sealed class SqlServerAuditLogTests(SqlServerFixture fixture) : AuditLogConformance(fixture);

public sealed class SqlServerProcessedMessagesTests(SqlServerFixture fixture) : ProcessedMessagesConformance(fixture);

public sealed class SqlServerOutboxTests(SqlServerFixture fixture) : OutboxConformance(fixture);

public sealed class SqlServerSecondFactorStoreTests(SqlServerFixture fixture) : SecondFactorStoreConformance(fixture);

public sealed class SqlServerFactorProofStoreTests(SqlServerFixture fixture) : FactorProofStoreConformance(fixture);
