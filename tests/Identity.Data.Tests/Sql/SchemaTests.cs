using System.Data.Common;
using Identity.Accounts.Administration;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.ServiceDefaults.Settings;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Storage;

namespace Identity.Data.Tests.Sql;

/// <summary>Migrations give the model's schema: what a migrated database holds is what one made straight from the model holds.</summary>
public sealed class SchemaTests(PostgresFixture postgres, SqlServerFixture sqlServer)
{
    [Fact]
    public void Migrations_OnEveryProvider_LeaveNoChangeOfTheModelOut()
    {
        foreach (var context in Offline())
        {
            using (context)
            {
                Assert.False(context.Database.HasPendingModelChanges(), context.GetType().Name);
                Assert.NotEmpty(context.Database.GetMigrations());
            }
        }
    }

    [Fact]
    public void CompiledModel_OnEveryProvider_IsTheModel()
    {
        foreach (var context in Offline())
        {
            using (context)
            {
                // What the tables say, worked out now and made read-only the same way.
                var model = context.GetService<IModelRuntimeInitializer>().Initialize((IModel)context.GetService<IDesignTimeModel>().Model, designTime: false);
                Assert.NotSame(model, context.Model);
                Assert.Equal(Describe(model), Describe(context.Model));
            }
        }

        static IEnumerable<string> Describe(IModel model) =>
            [.. model.ToDebugString(MetadataDebugStringOptions.LongDefault).Split('\n'), .. model.GetRelationalModel().ToDebugString(MetadataDebugStringOptions.LongDefault).Split('\n')];
    }

    // An erasure and the copy of a person's data ask each of these tables for a person's rows.
    [Fact]
    public void Tables_ThatNameAnAccount_HaveAnIndexThatBeginsWithIt()
    {
        foreach (var context in Offline())
        {
            using (context)
            {
                var audit = context.Model.FindEntityType(typeof(AuditRow))!;
                var named = AccountErasure.PersonalTables(context.Model).Append((Type: audit, Property: audit.FindProperty(nameof(AuditRow.ActorId))!)).ToArray();
                Assert.True(named.Length > 10);
                Assert.All(named, table => Assert.Contains(
                    table.Property,
                    table.Type.GetIndexes().Select(index => index.Properties[0]).Concat(table.Type.GetKeys().Select(key => key.Properties[0]))));
            }
        }
    }

    [Fact]
    public async Task Migrations_OnSqlite_GiveTheModelsSchema()
    {
        using var directory = new TemporaryDirectory();
        var migrated = StorageSettings.Embedded(Path.Combine(directory.Path, "migrated"));
        await using (await StoreHost.StartAsync(migrated))
        {
        }

        var made = StorageSettings.SqliteConnectionString(Path.Combine(directory.Path, "made.db"));
        await AssertSameAsync(
            new SqliteIdentityDbContext(ProviderOptions.Sqlite(migrated.ConnectionString, services: null)),
            new SqliteIdentityDbContext(ProviderOptions.Sqlite(made, services: null)),
            "SELECT m.name || '|' || c.name || '|' || c.type || '|' || c.\"notnull\" || '|' || c.pk FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE '\\_\\_EF%' ESCAPE '\\'",
            "SELECT m.tbl_name || '|' || m.name || '|' || coalesce(m.sql, '') FROM sqlite_master m WHERE m.type = 'index' AND m.tbl_name NOT LIKE '\\_\\_EF%' ESCAPE '\\'");
    }

    [Fact]
    public async Task Migrations_OnPostgres_GiveTheModelsSchema()
    {
        var migrated = await postgres.NewDatabaseAsync();
        await using (await StoreHost.StartAsync(migrated))
        {
        }

        var made = await postgres.NewDatabaseAsync();
        await AssertSameAsync(
            new PostgresIdentityDbContext(ProviderOptions.Postgres(migrated.ConnectionString, services: null)),
            new PostgresIdentityDbContext(ProviderOptions.Postgres(made.ConnectionString, services: null)),
            "SELECT concat_ws('|', table_name, column_name, data_type, character_maximum_length, is_nullable, is_identity, column_default) FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '__EFMigrationsHistory'",
            "SELECT concat_ws('|', tablename, indexdef) FROM pg_indexes WHERE schemaname = 'public' AND tablename <> '__EFMigrationsHistory' AND indexname NOT IN ('ix_accounts_search_text', 'ix_accounts_with_roles')");
    }

    [Fact]
    public async Task Migrations_OnSqlServer_GiveTheModelsSchema()
    {
        var migrated = sqlServer.NewDatabase();
        await using (await StoreHost.StartAsync(migrated))
        {
        }

        var made = sqlServer.NewDatabase();
        await AssertSameAsync(
            new SqlServerIdentityDbContext(ProviderOptions.SqlServer(migrated.ConnectionString, services: null)),
            new SqlServerIdentityDbContext(ProviderOptions.SqlServer(made.ConnectionString, services: null)),
            "SELECT concat_ws('|', TABLE_NAME, COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, DATETIME_PRECISION, IS_NULLABLE, COLLATION_NAME) FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME <> '__EFMigrationsHistory'",
            "SELECT concat_ws('|', t.name, i.name, i.is_unique, i.filter_definition, c.name, ic.key_ordinal) FROM sys.indexes i JOIN sys.tables t ON t.object_id = i.object_id JOIN sys.index_columns ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id JOIN sys.columns c ON c.object_id = ic.object_id AND c.column_id = ic.column_id WHERE t.name <> '__EFMigrationsHistory'");
    }

    // No server is at hand everywhere, so what the script would do is checked as text: each table, column and index of the model, as the model has it.
    [Fact]
    public void Migrations_ForSqlServer_MakeEachTableColumnAndIndexOfTheModel()
    {
        using var context = new SqlServerIdentityDbContext(ProviderOptions.SqlServer("Server=none", services: null));
        var script = context.GetService<IMigrator>().GenerateScript();
        foreach (var table in context.GetService<IDesignTimeModel>().Model.GetRelationalModel().Tables)
        {
            var start = script.IndexOf($"CREATE TABLE [{table.Name}] (", StringComparison.Ordinal);
            Assert.True(start >= 0, table.Name);
            var body = script[start..script.IndexOf("\n);", start, StringComparison.Ordinal)];
            foreach (var column in table.Columns)
            {
                var collation = column.StoreType.StartsWith("nvarchar", StringComparison.Ordinal) ? " COLLATE Latin1_General_100_BIN2" : "";
                var definition = $"[{column.Name}] {column.StoreType}{collation} {(column.IsNullable ? "NULL" : "NOT NULL")}";
                Assert.True(
                    body.Contains(definition, StringComparison.Ordinal)
                    || script.Contains($"ALTER TABLE [{table.Name}] ADD {definition};", StringComparison.Ordinal)
                    || script.Contains($"ALTER TABLE [{table.Name}] ALTER COLUMN {definition};", StringComparison.Ordinal),
                    $"{table.Name}: {definition}");
            }

            foreach (var index in table.Indexes)
            {
                var columns = string.Join(", ", index.Columns.Select(c => $"[{c.Name}]"));
                Assert.Contains($"CREATE {(index.IsUnique ? "UNIQUE " : "")}INDEX [{index.Name}] ON [{table.Name}] ({columns})", script, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void Model_OnSqlServer_HasKeysThatFitItsLimits()
    {
        using var context = new SqlServerIdentityDbContext(ProviderOptions.SqlServer("Server=none", services: null));
        foreach (var table in context.GetService<IDesignTimeModel>().Model.GetRelationalModel().Tables)
        {
            Assert.InRange(Bytes(table.PrimaryKey!.Columns), 1, 900);
            Assert.All(table.Indexes, index => Assert.InRange(Bytes(index.Columns), 1, 1700));
        }

        static int Bytes(IEnumerable<IColumn> columns) => columns.Sum(column => column.StoreTypeMapping switch
        {
            { ClrType: var type } when type == typeof(string) => 2 * (column.StoreTypeMapping.Size ?? 100_000),
            { Size: { } size } => size,
            _ => 16,
        });
    }

    [Fact]
    public void Upsert_ForSqlServer_IsAMergeThatHoldsItsRange()
    {
        var sql = new SqlServerDialect().Upsert(
            "rate_limits",
            ["key"],
            ["key", "count"],
            new Dictionary<string, string> { ["count"] = "old.\"count\" + 1" },
            "old.\"count\" < {2}");
        Assert.Equal(
            "MERGE INTO rate_limits WITH (HOLDLOCK) AS old USING (VALUES ({0}, {1})) AS excluded (\"key\", \"count\") ON old.\"key\" = excluded.\"key\""
            + " WHEN MATCHED AND (old.\"count\" < {2}) THEN UPDATE SET \"count\" = old.\"count\" + 1"
            + " WHEN NOT MATCHED THEN INSERT (\"key\", \"count\") VALUES (excluded.\"key\", excluded.\"count\");",
            sql);
    }

    private static IEnumerable<IdentityDbContext> Offline() =>
    [
        new SqliteIdentityDbContext(ProviderOptions.Sqlite("Data Source=:memory:", services: null)),
        new PostgresIdentityDbContext(ProviderOptions.Postgres("Host=none", services: null)),
        new SqlServerIdentityDbContext(ProviderOptions.SqlServer("Server=none", services: null)),
    ];

    private static async Task AssertSameAsync(IdentityDbContext migrated, IdentityDbContext made, params string[] queries)
    {
        await using (migrated)
        await using (made)
        {
            var creator = made.GetService<IRelationalDatabaseCreator>();
            await creator.EnsureCreatedAsync();
            foreach (var query in queries)
            {
                var expected = await ReadAsync(made, query);
                Assert.NotEmpty(expected);
                Assert.Equal(expected, await ReadAsync(migrated, query));
            }
        }
    }

    private static async Task<IReadOnlyList<string>> ReadAsync(IdentityDbContext context, string query)
    {
        await context.Database.OpenConnectionAsync();
        await using DbCommand command = context.Database.GetDbConnection().CreateCommand();
#pragma warning disable CA2100 // The queries are the ones above.
        command.CommandText = query;
#pragma warning restore CA2100
        var lines = new List<string>();
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            lines.Add(reader.GetString(0));
        }

        lines.Sort(StringComparer.Ordinal);
        return lines;
    }
}
