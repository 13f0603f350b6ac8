using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Migrations.Operations;

namespace Identity.Data.Tests.Sql;

/// <summary>
/// A version works with the schema of the next one: after the first migration of each provider none takes away, renames or narrows what the
/// version before writes and reads. One that contracts what no version before needs any more is named in CHANGELOG.md, in a line with "contract".
/// </summary>
public sealed class ExpandContractTests
{
    [Fact]
    public void Migrations_AfterTheFirst_OnlyExpand_OrAreToldOfInTheChangelog()
    {
        var told = File.ReadLines(Path.Combine(Checkout.Root, "CHANGELOG.md")).Where(line => line.Contains("**contract**", StringComparison.Ordinal)).ToArray();
        foreach (var context in new IdentityDbContext[]
        {
            new SqliteIdentityDbContext(ProviderOptions.Sqlite("Data Source=:memory:", services: null)),
            new PostgresIdentityDbContext(ProviderOptions.Postgres("Host=none", services: null)),
            new SqlServerIdentityDbContext(ProviderOptions.SqlServer("Server=none", services: null)),
        })
        {
            using (context)
            {
                var assembly = context.GetService<IMigrationsAssembly>();
                Assert.NotEmpty(assembly.Migrations);
                foreach (var (id, type) in assembly.Migrations.OrderBy(migration => migration.Key, StringComparer.Ordinal).Skip(1))
                {
                    var migration = assembly.CreateMigration(type, context.Database.ProviderName!);
                    var problems = migration.UpOperations.Select(Problem).OfType<string>().ToArray();
                    Assert.True(problems.Length == 0 || told.Any(line => line.Contains(id, StringComparison.Ordinal)), $"{id}: {string.Join("; ", problems)}");
                }
            }
        }
    }

    public static TheoryData<string, bool, MigrationOperation> Operations() => new()
    {
        { "new table", true, new CreateTableOperation { Name = "new" } },
        { "new column that may be null", true, new AddColumnOperation { Table = "t", Name = "c", ClrType = typeof(string), IsNullable = true } },
        { "new column with a default", true, new AddColumnOperation { Table = "t", Name = "c", ClrType = typeof(int), DefaultValue = 0 } },
        { "new column with an SQL default", true, new AddColumnOperation { Table = "t", Name = "c", ClrType = typeof(string), DefaultValueSql = "''" } },
        { "new column that must have a value", false, new AddColumnOperation { Table = "t", Name = "c", ClrType = typeof(string) } },
        { "new index", true, new CreateIndexOperation { Table = "t", Name = "i", Columns = ["c"] } },
        { "new unique index", false, new CreateIndexOperation { Table = "t", Name = "i", Columns = ["c"], IsUnique = true } },
        { "index gone", true, new DropIndexOperation { Table = "t", Name = "i" } },
        { "column gone", false, new DropColumnOperation { Table = "t", Name = "c" } },
        { "table gone", false, new DropTableOperation { Name = "t" } },
        { "column renamed", false, new RenameColumnOperation { Table = "t", Name = "c", NewName = "d" } },
        { "table renamed", false, new RenameTableOperation { Name = "t", NewName = "u" } },
        { "column wider", true, new AlterColumnOperation { Table = "t", Name = "c", ClrType = typeof(string), MaxLength = 200, OldColumn = new AddColumnOperation { ClrType = typeof(string), MaxLength = 100 } } },
        { "column that may be null now", true, new AlterColumnOperation { Table = "t", Name = "c", ClrType = typeof(string), IsNullable = true, OldColumn = new AddColumnOperation { ClrType = typeof(string) } } },
        { "column narrower", false, new AlterColumnOperation { Table = "t", Name = "c", ClrType = typeof(string), MaxLength = 100, OldColumn = new AddColumnOperation { ClrType = typeof(string), MaxLength = 200 } } },
        { "column that must have a value now", false, new AlterColumnOperation { Table = "t", Name = "c", ClrType = typeof(string), OldColumn = new AddColumnOperation { ClrType = typeof(string), IsNullable = true } } },
        { "column of another type", false, new AlterColumnOperation { Table = "t", Name = "c", ClrType = typeof(int), OldColumn = new AddColumnOperation { ClrType = typeof(string) } } },
        { "new check", false, new AddCheckConstraintOperation { Table = "t", Name = "k", Sql = "c > 0" } },
        { "new foreign key", false, new AddForeignKeyOperation { Table = "t", Name = "f", Columns = ["c"], PrincipalTable = "u" } },
        { "SQL that nobody has looked at", false, new SqlOperation { Sql = "UPDATE t SET c = 1" } },
    };

    [Theory]
    [MemberData(nameof(Operations), DisableDiscoveryEnumeration = true)]
    public void Operation_WhenTheVersionBeforeCouldNotGoOn_IsAProblem(string what, bool isExpansion, MigrationOperation operation) => Assert.True(Problem(operation) is null == isExpansion, what);

    // Null: the version before does not notice.
    private static string? Problem(MigrationOperation operation) => operation switch
    {
        CreateTableOperation or DropIndexOperation or RenameIndexOperation or AlterDatabaseOperation or EnsureSchemaOperation or CreateSequenceOperation => null,
        CreateIndexOperation { IsUnique: false } => null,
        DropForeignKeyOperation or DropCheckConstraintOperation or DropUniqueConstraintOperation => null,
        AddColumnOperation { IsNullable: true } or AddColumnOperation { DefaultValue: not null } or AddColumnOperation { DefaultValueSql: not null } or AddColumnOperation { ComputedColumnSql: not null } => null,
        AlterColumnOperation column when (column.IsNullable || !column.OldColumn.IsNullable)
            && column.ClrType == column.OldColumn.ClrType
            && (column.MaxLength is null || column.OldColumn.MaxLength <= column.MaxLength) => null,
        ITableMigrationOperation table => $"{operation.GetType().Name} on {table.Table}",
        _ => operation.GetType().Name,
    };
}
