using Identity.Adapters.Sql.Model;
using Microsoft.EntityFrameworkCore.Design;

namespace Identity.Adapters.Sql;

// For `dotnet ef migrations add NAME --context <Provider>IdentityDbContext --output-dir Sql/Migrations/<Provider>`; no database is opened.

internal sealed class SqliteDesignTimeFactory : IDesignTimeDbContextFactory<SqliteIdentityDbContext>
{
    public SqliteIdentityDbContext CreateDbContext(string[] args) => new(ProviderOptions.Sqlite("Data Source=:memory:", services: null));
}

internal sealed class PostgresDesignTimeFactory : IDesignTimeDbContextFactory<PostgresIdentityDbContext>
{
    public PostgresIdentityDbContext CreateDbContext(string[] args) => new(ProviderOptions.Postgres("Host=localhost", services: null));
}

internal sealed class SqlServerDesignTimeFactory : IDesignTimeDbContextFactory<SqlServerIdentityDbContext>
{
    public SqlServerIdentityDbContext CreateDbContext(string[] args) => new(ProviderOptions.SqlServer("Server=localhost", services: null));
}
