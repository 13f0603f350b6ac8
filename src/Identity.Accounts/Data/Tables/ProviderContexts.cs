using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Data.Tables;

public sealed class SqliteIdentityDbContext(DbContextOptions<SqliteIdentityDbContext> options) : IdentityDbContext(options)
{
    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder)
    {
        configurationBuilder.Properties<DateTimeOffset>().HaveConversion<UnixMicrosecondsConverter>();
        configurationBuilder.Properties<Guid>().HaveConversion<GuidBytesConverter>();
    }
}

public sealed class PostgresIdentityDbContext(DbContextOptions<PostgresIdentityDbContext> options) : IdentityDbContext(options)
{
    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder) =>
        configurationBuilder.Properties<DateTimeOffset>().HaveConversion<UtcMicrosecondsConverter>();
}

public sealed class SqlServerIdentityDbContext(DbContextOptions<SqlServerIdentityDbContext> options) : IdentityDbContext(options)
{
    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder)
    {
        configurationBuilder.Properties<DateTimeOffset>().HaveConversion<UtcMicrosecondsConverter>().HavePrecision(6);
        configurationBuilder.Properties<Guid>().HaveConversion<GuidBytesConverter>().HaveMaxLength(16).AreFixedLength();

        // Identifiers, hashes and handles are compared byte by byte (RFC 6749 §1.9); SQL Server's default collations ignore case.
        configurationBuilder.Properties<string>().UseCollation("Latin1_General_100_BIN2");
    }
}
