using System.Collections;
using System.Linq.Expressions;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Data.Mongo;
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Storage;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit;
using Microsoft.Data.SqlClient;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using MongoDB.Driver;

namespace Identity.Data.Tests.Sql;

/// <summary>
/// What a SQL Server would be sent: by every method of every store, and by the migrations, kept as text beside this file. It changes when a
/// query does: IDENTITY_TEST_WRITE_STATEMENTS=1 writes it anew, to be read before it is committed.
/// </summary>
public sealed partial class SqlServerStatementTests
{
    private static readonly DateTimeOffset s_time = new(2026, 11, 29, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Of SQL Server 2017 and later, or of no SQL Server: 2016 is the oldest that Microsoft still mends.</summary>
    private static readonly string[] s_tooNew =
    [
        "STRING_AGG", "CONCAT_WS", "TRIM(", "TRANSLATE(", "APPROX_COUNT", "GREATEST(", "LEAST(", "GENERATE_SERIES", "DATETRUNC", "IS DISTINCT FROM", "IS NOT DISTINCT FROM",
        "DATE_BUCKET", "JSON_OBJECT", "JSON_ARRAY", "JSON_CONTAINS", "JSON_PATH_EXISTS", "WINDOW ", " json ", "VECTOR", "REGEXP_", "ON CONFLICT", "\nLIMIT ", "RETURNING",
    ];

    [Fact]
    public async Task Statements_OfEveryStore_AreTheOnesThatWereReadAndNoOthers()
    {
        var statements = new SortedSet<string>(StringComparer.Ordinal);
        var called = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (hasRow, hasValues) in new[] { (false, false), (true, true), (true, false) })
        {
            foreach (var changed in new[] { 1, 0 })
            {
                var server = new RecordingSqlServer(hasRow, hasValues, changed);
                await using var database = server.Open();
                await CallEverythingAsync(server, database, called);
                statements.UnionWith(server.Statements);
            }
        }

        Assert.True(called.Count > 100, $"{called.Count} methods were called.");
        Compare("sqlserver-statements.sql", string.Join("\n\n", statements) + "\n");
        AssertOldEnough(statements);
    }

    [Fact]
    public void Migrations_ForSqlServer_AreTheOnesThatWereRead()
    {
        using var context = new SqlServerIdentityDbContext(ProviderOptions.SqlServer("Server=none", services: null));
        var script = context.GetService<IMigrator>().GenerateScript().ReplaceLineEndings("\n");
        Compare("sqlserver-migrations.sql", script);
        AssertOldEnough([script]);
    }

    // A rule decides by its WHERE and its keys. The one hint there is spares a MERGE a failure on its key, and decides nothing.
    [Fact]
    public void Statements_WithALockHint_AreMergesByKeyAlone()
    {
        foreach (var statement in File.ReadAllText(PathOf("sqlserver-statements.sql")).Split("\n\n"))
        {
            if (Hint().IsMatch(statement))
            {
                Assert.Matches(@"^MERGE INTO \w+ WITH \(HOLDLOCK\) AS old USING \(VALUES ", statement);
            }
        }
    }

    [Theory]
    [InlineData(2601, true)]
    [InlineData(2627, true)]
    [InlineData(547, false)]
    [InlineData(1205, false)]
    public void UniqueViolation_IsUnderstoodByItsNumber_WithTheIndexItNames(int number, bool isOne)
    {
        var exception = Failure(number, "Cannot insert duplicate key row in object 'dbo.accounts' with unique index 'ix_accounts_normalized_email'. The duplicate key value is (pk_fooled_you).");
        Assert.Equal(isOne, new SqlServerDialect().IsUniqueViolation(new Microsoft.EntityFrameworkCore.DbUpdateException("x", exception), out var detail));
        Assert.Equal(isOne ? "ix_accounts_normalized_email" : null, detail);
        Assert.Equal(number == 1205, new SqlServerDialect().IsDeadlock(exception));
    }

    [Theory]
    [InlineData(1205, 13, true)]
    [InlineData(50000, 3, true)]
    [InlineData(50000, 1, false)]
    [InlineData(2627, 1, false)]
    public void Deadlock_IsUnderstoodHoweverDeepItLies_AlsoOfALockByName(int number, byte state, bool isOne)
    {
        var wrapped = new InvalidOperationException("transient", new Microsoft.EntityFrameworkCore.DbUpdateException("x", Failure(number, "y", state)));
        Assert.Equal(isOne, new SqlServerDialect().IsDeadlock(wrapped));
    }

    // Of a database that is read-only, be it by its setting or as a secondary.
    [Theory]
    [InlineData(3906, true)]
    [InlineData(64, false)]
    public void ReadOnlyServer_IsUnderstoodByItsNumber(int number, bool isOne) =>
        Assert.Equal(isOne, new SqlServerDialect().IsReadOnly(new Microsoft.EntityFrameworkCore.DbUpdateException("x", Failure(number, "Failed to update database because the database is read-only."))));

    [Fact]
    public async Task ReadOnlyServer_IsAskedForByItsUpdateability()
    {
        var server = new RecordingSqlServer(hasRow: false, hasValues: false, changed: 0);
        await using var database = server.Open();
        server.Budget = 5;
        Assert.True(await database.TakesWritesAsync(TestContext.Current.CancellationToken));
        Assert.Contains("DATABASEPROPERTYEX(DB_NAME(), 'Updateability')", Assert.Single(server.Statements), StringComparison.Ordinal);
    }

    private static SqlException Failure(int number, string message, byte state = 1)
    {
        var error = (SqlError)RuntimeHelpers.GetUninitializedObject(typeof(SqlError));
        Set(error, "Number", number);
        Set(error, "State", state);
        Set(error, "Message", message);
        var errors = (SqlErrorCollection)Activator.CreateInstance(typeof(SqlErrorCollection), nonPublic: true)!;
        typeof(SqlErrorCollection).GetMethod("Add", BindingFlags.Instance | BindingFlags.NonPublic)!.Invoke(errors, [error]);
        return (SqlException)typeof(SqlException)
            .GetMethods(BindingFlags.Static | BindingFlags.NonPublic)
            .First(method => method.Name == "CreateException" && method.GetParameters() is [var first, var second] && first.ParameterType == typeof(SqlErrorCollection) && second.ParameterType == typeof(string))
            .Invoke(null, [errors, "15.0"])!;

        static void Set(SqlError error, string property, object value) =>
            typeof(SqlError).GetFields(BindingFlags.Instance | BindingFlags.NonPublic).First(field => field.Name.Contains(property, StringComparison.OrdinalIgnoreCase)).SetValue(error, value);
    }

    private static void AssertOldEnough(IEnumerable<string> statements)
    {
        foreach (var statement in statements)
        {
            Assert.All(s_tooNew, word => Assert.DoesNotContain(word, statement, StringComparison.OrdinalIgnoreCase));
        }
    }

    private static void Compare(string name, string text)
    {
        if (Environment.GetEnvironmentVariable("IDENTITY_TEST_WRITE_STATEMENTS") == "1")
        {
            File.WriteAllText(PathOf(name), text);
        }

        var kept = File.ReadAllText(PathOf(name)).ReplaceLineEndings("\n");
        var missing = kept.Split("\n\n").Except(text.Split("\n\n"), StringComparer.Ordinal).ToArray();
        var more = text.Split("\n\n").Except(kept.Split("\n\n"), StringComparer.Ordinal).ToArray();
        Assert.True(kept == text, $"{name} is not what would be sent (IDENTITY_TEST_WRITE_STATEMENTS=1 writes it anew).\nNo more:\n{string.Join("\n\n", missing)}\n\nNew:\n{string.Join("\n\n", more)}");
    }

    private static string PathOf(string name) => Path.Combine(Checkout.Root, "tests", "Identity.Data.Tests", "Sql", name);

    /// <summary>Whatever has the database for its store, with values that mean nothing: what is sent is looked at, not what comes of it.</summary>
    // Off where the database was made by hand: it works, and every sign-in waits for every other.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Database_WhenItsReadersWaitForWriters_IsToldWithTheStatementThatMendsIt(bool doTheyWait)
    {
        var server = new RecordingSqlServer(hasRow: doTheyWait, hasValues: true, changed: 1) { Budget = 5 };
        await using var database = server.Open();
        var trap = await database.FindTrapAsync(default);
        Assert.Contains("is_read_committed_snapshot_on", Assert.Single(server.Statements), StringComparison.Ordinal);
        Assert.Equal(doTheyWait, trap?.Contains("SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE", StringComparison.Ordinal) ?? false);
    }

    private static async Task CallEverythingAsync(RecordingSqlServer server, StoreDatabase database, HashSet<string> called)
    {
        var services = new ServiceCollection();
        services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.None));
        services.AddSingleton<TimeProvider>(new FakeTimeProvider());
        services.AddSqlStores(StorageSettings.Embedded(Path.GetTempPath(), new byte[32]));
        services.AddStoreDataProtection();
        services.AddOAuthStores();
        services.Replace(ServiceDescriptor.Singleton(database));
        await using var provider = services.BuildServiceProvider();
        await using var scope = provider.CreateAsyncScope();
        var stores = services
            .Where(service => !service.IsKeyedService && !service.ServiceType.IsGenericTypeDefinition && (service.ImplementationType ?? service.ServiceType).Namespace?.StartsWith("Identity.", StringComparison.Ordinal) == true)
            .Select(service => Try(() => scope.ServiceProvider.GetService(service.ServiceType)))
            .OfType<object>()
            .Distinct(ReferenceEqualityComparer.Instance)
            .Where(store => store is not StoreDatabase && Fields(store.GetType()).Any(field => field.FieldType == typeof(StoreDatabase)))
            .OrderBy(store => store.GetType().FullName, StringComparer.Ordinal);

        // Beside the others: what is looked at is what they do to their rows, and nobody is to ask this MongoDB.
        using var mongo = new MongoServer(new MongoSettings { Url = MongoUrl.Create("mongodb://127.0.0.1:1/none"), StartWait = TimeSpan.Zero }, NullLogger<MongoServer>.Instance);
        var home = new CredentialHome(database, TimeProvider.System);
        MongoSecrets[] secrets = [new FactorSecrets(mongo, database, home, TimeProvider.System), new DeviceSecrets(mongo, database, home, TimeProvider.System)];
        foreach (var store in stores.Concat(secrets))
        {
            foreach (var method in store.GetType().GetMethods(BindingFlags.Instance | BindingFlags.Public | (store is MongoSecrets ? BindingFlags.NonPublic : BindingFlags.Default) | BindingFlags.DeclaredOnly)
                .Where(method => typeof(Task).IsAssignableFrom(method.ReturnType) || method.ReturnType.Name.StartsWith("ValueTask", StringComparison.Ordinal) || method.ReturnType.Name.StartsWith("IAsyncEnumerable", StringComparison.Ordinal))
                .Where(method => !method.IsGenericMethod && method.Name is not ("DisposeAsync" or "StartAsync" or "StopAsync"))
                .OrderBy(method => method.ToString(), StringComparer.Ordinal))
            {
                called.Add($"{store.GetType().Name}.{method}");
                try
                {
                    server.Budget = 100;
                    await AwaitAsync(method.Invoke(store, [.. method.GetParameters().Select(parameter => Value(parameter.ParameterType, 0))])).WaitAsync(TimeSpan.FromMilliseconds(300));
                }
                catch (Exception exception) when (exception is not OutOfMemoryException)
                {
                    // Answers that mean nothing lead nowhere sooner or later; what was sent until then is kept.
                }
            }
        }
    }

    private static async Task AwaitAsync(object? result)
    {
        switch (result)
        {
            case Task task:
                await task;
                break;
            case null:
                break;
            case var other when other.GetType().GetMethod("AsTask") is { } asTask:
                await (Task)asTask.Invoke(other, null)!;
                break;
            case IAsyncEnumerable<object> items:
                await foreach (var _ in items)
                {
                    break;
                }

                break;
        }
    }

    private static IEnumerable<FieldInfo> Fields(Type type)
    {
        for (var current = type; current is not null && current != typeof(object); current = current.BaseType)
        {
            foreach (var field in current.GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public))
            {
                yield return field;
            }
        }
    }

    private static object? Value(Type type, int depth)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return type switch
        {
            _ when depth > 5 => null,
            _ when type == typeof(string) => "x",
            _ when type == typeof(Guid) => new Guid("01900000-0000-7000-8000-000000000001"),
            _ when type == typeof(DateTimeOffset) => s_time,
            _ when type == typeof(DateTime) => s_time.UtcDateTime,
            _ when type == typeof(TimeSpan) => TimeSpan.FromMinutes(1),
            _ when type == typeof(CancellationToken) => CancellationToken.None,
            _ when type == typeof(bool) => true,
            _ when type == typeof(int) => 10,
            _ when type == typeof(long) => 1L,
            _ when type == typeof(RowSecret) => new RowSecret(new Guid("01900000-0000-7000-8000-000000000001"), "01900000000070008000000000000001.x", "AQ=="),
            _ when type == typeof(JsonObject) => new JsonObject { ["a"] = 1 },
            _ when type == typeof(ReadOnlyMemory<string>) => (ReadOnlyMemory<string>)new[] { "x" },
            _ when type.IsEnum => Enum.GetValues(type).GetValue(0),
            _ when type.IsArray => Items(type.GetElementType()!, depth),
            _ when type.IsGenericType && typeof(IEnumerable).IsAssignableFrom(type) && type.IsInterface && type.GetGenericArguments() is [var item] => Items(item, depth),
            _ when typeof(Delegate).IsAssignableFrom(type) => Function(type, depth),
            _ when type.IsAbstract || type.IsInterface || type.IsPointer || type.IsByRef => null,
            _ => Made(type, depth),
        };
    }

    private static Array Items(Type type, int depth)
    {
        var items = Array.CreateInstance(type, 1);
        items.SetValue(type == typeof(byte) ? (byte)1 : Value(type, depth + 1), 0);
        return items;
    }

    private static object? Function(Type type, int depth)
    {
        var invoke = type.GetMethod("Invoke")!;
        var parameters = invoke.GetParameters().Select(parameter => Expression.Parameter(parameter.ParameterType)).ToArray();
        return invoke.ReturnType == typeof(void)
            ? Expression.Lambda(type, Expression.Empty(), parameters).Compile()
            : Expression.Lambda(type, Expression.Constant(Value(invoke.ReturnType, depth + 1), invoke.ReturnType), parameters).Compile();
    }

    private static object? Made(Type type, int depth) => Try(() =>
    {
        var constructor = type.GetConstructors(BindingFlags.Instance | BindingFlags.Public).OrderByDescending(candidate => candidate.GetParameters().Length).FirstOrDefault(candidate => candidate.GetParameters() is not [var only] || only.ParameterType != type);
        var made = constructor is null ? RuntimeHelpers.GetUninitializedObject(type) : constructor.Invoke([.. constructor.GetParameters().Select(parameter => Value(parameter.ParameterType, depth + 1))]);
        foreach (var property in type.GetProperties().Where(property => property.CanWrite && property.GetIndexParameters().Length == 0 && property.GetCustomAttribute<RequiredMemberAttribute>() is not null))
        {
            property.SetValue(made, Value(property.PropertyType, depth + 1));
        }

        // Consequences and the like: everything that may follow does.
        foreach (var property in type.GetProperties().Where(property => property.CanWrite && property.GetIndexParameters().Length == 0 && type.Name.EndsWith("Consequences", StringComparison.Ordinal)))
        {
            property.SetValue(made, Value(property.PropertyType, depth + 1));
        }

        return made;
    });

    private static T? Try<T>(Func<T?> make)
        where T : class
    {
        try
        {
            return make();
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            return null;
        }
    }

    [GeneratedRegex(@"\bWITH \((?!.*\bAS \()[A-Z, ]*LOCK", RegexOptions.IgnoreCase, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Hint();
}
