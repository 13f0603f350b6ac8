using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.Logging;
using Npgsql;
using Npgsql.EntityFrameworkCore.PostgreSQL.Infrastructure;

namespace Identity.Accounts.Data;

/// <summary>EF Core's options per provider, the same at run time and at design time.</summary>
internal static class ProviderOptions
{
    // A node that froze, or whose machine is gone, in the midst of a transaction holds its locks for as long as the server believes in its connection, which is two
    // hours by default; and some of them all nodes take in turn. Said over the connection and not while it is made: PgBouncer refuses parameters that it does not know.
    private const string PostgresLimits = "SET idle_in_transaction_session_timeout = '30s'; SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3";

    // One delegate for all: EF Core tells options apart by it.
    private static readonly Action<NpgsqlDbContextOptionsBuilder> s_postgres = options => options.ConfigureDataSource(source => source.UsePhysicalConnectionInitializer(
        connection =>
        {
            using var command = new NpgsqlCommand(PostgresLimits, connection);
            command.ExecuteNonQuery();
        },
        async connection =>
        {
            await using var command = new NpgsqlCommand(PostgresLimits, connection);
            await command.ExecuteNonQueryAsync();
        }));

    public static DbContextOptions<SqliteIdentityDbContext> Sqlite(string connectionString, IServiceProvider? services) =>
        Common(new DbContextOptionsBuilder<SqliteIdentityDbContext>(), services).UseSqlite(connectionString).Options;

    public static DbContextOptions<PostgresIdentityDbContext> Postgres(string connectionString, IServiceProvider? services) =>
        Common(new DbContextOptionsBuilder<PostgresIdentityDbContext>(), services).UseNpgsql(connectionString, s_postgres).Options;

    public static DbContextOptions<SqlServerIdentityDbContext> SqlServer(string connectionString, IServiceProvider? services) =>
        Common(new DbContextOptionsBuilder<SqlServerIdentityDbContext>(), services).UseSqlServer(connectionString).Options;

    private static DbContextOptionsBuilder<TContext> Common<TContext>(DbContextOptionsBuilder<TContext> builder, IServiceProvider? services)
        where TContext : IdentityDbContext
    {
        // Names alike on every provider, and none that needs quotes.
        builder.UseQueryTrackingBehavior(QueryTrackingBehavior.NoTracking).UseSnakeCaseNamingConvention();

        // A refused row is an expected answer here, and every other failure is thrown to a caller who logs it. Whether the migrations have all of the model, a test says,
        // and not every start of everybody, which would build the model anew for it.
        builder.ConfigureWarnings(warnings => warnings.Ignore(RelationalEventId.PendingModelChangesWarning).Log(
            (RelationalEventId.CommandExecuted, LogLevel.Debug),
            (RelationalEventId.CommandError, LogLevel.Debug),
            (CoreEventId.SaveChangesFailed, LogLevel.Debug)));
        return services is null ? builder : builder.UseApplicationServiceProvider(services);
    }
}
