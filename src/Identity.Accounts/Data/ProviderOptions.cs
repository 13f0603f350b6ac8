using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Data;

/// <summary>EF Core's options per provider, the same at run time and at design time.</summary>
internal static class ProviderOptions
{
    public static DbContextOptions<SqliteIdentityDbContext> Sqlite(string connectionString, IServiceProvider? services) =>
        Common(new DbContextOptionsBuilder<SqliteIdentityDbContext>(), services).UseSqlite(connectionString).Options;

    public static DbContextOptions<PostgresIdentityDbContext> Postgres(string connectionString, IServiceProvider? services) =>
        Common(new DbContextOptionsBuilder<PostgresIdentityDbContext>(), services).UseNpgsql(connectionString).Options;

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
