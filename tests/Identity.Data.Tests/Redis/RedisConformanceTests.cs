using Identity.Tests.Kit.Conformance;

namespace Identity.Data.Tests.Redis;

public sealed class RedisOneTimeCodeStoreTests(RedisFixture fixture) : OneTimeCodeStoreConformance(fixture);

public sealed class RedisRateLimiterTests(RedisFixture fixture) : RateLimiterConformance(fixture);

public sealed class RedisDenyListTests(RedisFixture fixture) : DenyListConformance(fixture);

public sealed class RedisReplayCacheTests(RedisFixture fixture) : ReplayCacheConformance(fixture);

public sealed class RedisSessionStoreTests(RedisFixture fixture) : SessionStoreConformance(fixture);

public sealed class RedisClusterOneTimeCodeStoreTests(RedisClusterFixture fixture) : OneTimeCodeStoreConformance(fixture);

public sealed class RedisClusterRateLimiterTests(RedisClusterFixture fixture) : RateLimiterConformance(fixture);

public sealed class RedisClusterDenyListTests(RedisClusterFixture fixture) : DenyListConformance(fixture);

public sealed class RedisClusterReplayCacheTests(RedisClusterFixture fixture) : ReplayCacheConformance(fixture);

public sealed class RedisClusterSessionStoreTests(RedisClusterFixture fixture) : SessionStoreConformance(fixture);
