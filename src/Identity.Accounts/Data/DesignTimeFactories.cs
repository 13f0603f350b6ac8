using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore.Design;

namespace Identity.Accounts.Data;

// For Migrations/regenerate.sh and `dotnet ef migrations add`; no database is opened.

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
