using Identity.Tests.Kit.Conformance;

namespace Identity.Data.Tests.Mongo;

public sealed class MongoCredentialStoreTests(MongoFixture fixture) : CredentialStoreConformance(fixture);

public sealed class MongoMetadataStoreTests(MongoFixture fixture) : MetadataStoreConformance(fixture);

/// <summary>Accounts stay relational; what they do to passwords goes both ways.</summary>
public sealed class MongoAccountStoreTests(MongoFixture fixture) : AccountStoreConformance(fixture);

/// <summary>Rows stay relational, what proves a factor does not.</summary>
public sealed class MongoSecondFactorStoreTests(MongoFixture fixture) : SecondFactorStoreConformance(fixture);

public sealed class MongoAndPostgresSecondFactorStoreTests(MongoAndPostgresFixture fixture) : SecondFactorStoreConformance(fixture);

public sealed class MongoAndPostgresCredentialStoreTests(MongoAndPostgresFixture fixture) : CredentialStoreConformance(fixture);
