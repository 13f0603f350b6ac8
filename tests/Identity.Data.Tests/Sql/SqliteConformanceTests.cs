using Identity.Tests.Kit.Conformance;

namespace Identity.Data.Tests.Sql;

public sealed class SqliteClientStoreTests(SqliteFixture fixture) : ClientStoreConformance(fixture);

public sealed class SqliteResourceStoreTests(SqliteFixture fixture) : ResourceStoreConformance(fixture);

public sealed class SqliteSigningKeyStoreTests(SqliteFixture fixture) : SigningKeyStoreConformance(fixture);

public sealed class SqliteConsentStoreTests(SqliteFixture fixture) : ConsentStoreConformance(fixture);

public sealed class SqliteRefreshFamilyStoreTests(SqliteFixture fixture) : RefreshFamilyStoreConformance(fixture);

public sealed class SqliteDenyListTests(SqliteFixture fixture) : DenyListConformance(fixture);

public sealed class SqliteReplayCacheTests(SqliteFixture fixture) : ReplayCacheConformance(fixture);

public sealed class SqliteRateLimiterTests(SqliteFixture fixture) : RateLimiterConformance(fixture);

public sealed class SqliteAccountStoreTests(SqliteFixture fixture) : AccountStoreConformance(fixture);

public sealed class SqliteCredentialStoreTests(SqliteFixture fixture) : CredentialStoreConformance(fixture);

public sealed class SqliteMetadataStoreTests(SqliteFixture fixture) : MetadataStoreConformance(fixture);

public sealed class SqliteSessionStoreTests(SqliteFixture fixture) : SessionStoreConformance(fixture);

public sealed class SqliteOneTimeCodeStoreTests(SqliteFixture fixture) : OneTimeCodeStoreConformance(fixture);

public sealed class SqliteAuditLogTests(SqliteFixture fixture) : AuditLogConformance(fixture);

public sealed class SqliteProcessedMessagesTests(SqliteFixture fixture) : ProcessedMessagesConformance(fixture);

public sealed class SqliteOutboxTests(SqliteFixture fixture) : OutboxConformance(fixture);

public sealed class SqliteSecondFactorStoreTests(SqliteFixture fixture) : SecondFactorStoreConformance(fixture);

public sealed class SqliteFactorProofStoreTests(SqliteFixture fixture) : FactorProofStoreConformance(fixture);
