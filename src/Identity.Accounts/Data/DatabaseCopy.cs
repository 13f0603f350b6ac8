// JSON Lines: everything that the database holds, to be taken in by another one, of whatever provider.
using System.Data;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Data.Mongo;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Profile;
using Microsoft.AspNetCore.DataProtection.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata;

namespace Identity.Accounts.Data;

/// <summary>What keeps a copy from being taken in. The message is one line for the operator; nothing was taken in.</summary>
public sealed class CopyRefusedException : Exception
{
    public CopyRefusedException()
    {
    }

    public CopyRefusedException(string message)
        : base(message)
    {
    }

    public CopyRefusedException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>
/// Writes every table, found by the model, as lines of JSON, and reads them into an empty database: all of them, or none. Credentials and metadata
/// come from wherever they live; what Redis holds does not come along. Keys stay encrypted under the master key, which both sides need.
/// </summary>
public sealed class DatabaseCopy
{
    private const string Format = "identity-export";

    private const int BatchSize = 200;

    // Of the database itself: what is noted of its key and its credentials.
    private static readonly Type[] s_own = [typeof(StoreValueRow)];

    // Made by `identity migrate`, in every database.
    private static readonly Type[] s_mayHaveRows = [typeof(StoreValueRow), typeof(DataProtectionKey)];

    private readonly StoreDatabase _database;
    private readonly MasterKey _masterKey;
    private readonly IMetadataStore _metadata;
    private readonly MongoCredentialStore? _credentials;
    private readonly FactorSecrets? _factors;
    private readonly DeviceSecrets? _devices;

    internal DatabaseCopy(StoreDatabase database, MasterKey masterKey, IMetadataStore metadata, MongoCredentialStore? credentials, FactorSecrets? factors, DeviceSecrets? devices) =>
        (_database, _masterKey, _metadata, _credentials, _factors, _devices) = (database, masterKey, metadata, credentials, factors, devices);

    /// <summary>Writes one moment of the database (on SQL Server: what is committed meanwhile may be in one table and not in the next). How many rows.</summary>
    public async Task<long> WriteAsync(Stream stream, Action<long>? progress, CancellationToken cancellationToken)
    {
        await using var context = _database.CreateContext();

        // SQLite: the other levels take the write lock, and a running server would wait for us.
        await using var transaction = await context.Database.BeginTransactionAsync(_database.Dialect switch { SqliteDialect => IsolationLevel.ReadUncommitted, PostgresDialect => IsolationLevel.RepeatableRead, _ => IsolationLevel.ReadCommitted }, cancellationToken);
        using var lines = new Lines(stream, progress);
        await lines.WriteAsync(new JsonObject { ["format"] = Format, ["schema"] = Schema(context.Model), ["masterKey"] = KeyCheck() }, isRow: false, cancellationToken);
        foreach (var type in Tables(context.Model))
        {
            if (_credentials is not null && type.ClrType == typeof(CredentialRow))
            {
                await WriteCredentialsAsync(context, type, lines, _credentials, cancellationToken);
            }
            else if (_credentials is not null && type.ClrType == typeof(MetadataRow))
            {
                await WriteMetadataAsync(context, type, lines, cancellationToken);
            }
            else
            {
                await (Task)typeof(DatabaseCopy).GetMethod(nameof(WriteTableAsync), BindingFlags.NonPublic | BindingFlags.Static)!.MakeGenericMethod(type.ClrType).Invoke(null, [context, type, Completion(type.ClrType, cancellationToken), lines, cancellationToken])!;
            }
        }

        await lines.EndAsync(cancellationToken);
        return lines.Count;
    }

    /// <summary>Takes in what <see cref="WriteAsync"/> wrote. How many rows.</summary>
    /// <param name="open">Opens the copy from its beginning; asked again where the database chose the transaction as a deadlock's victim.</param>
    /// <param name="progress">Told of every row.</param>
    /// <param name="cancellationToken">Ends it; nothing is taken in then.</param>
    /// <exception cref="CopyRefusedException">It is no whole copy of this version under this master key, or the database is not empty.</exception>
    public Task<long> ReadAsync(Func<Stream> open, Action<long>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(open);
        return _database.TransactAsync(
            async (context, token) =>
            {
                await RefuseNonEmptyAsync(context, token);
                await using var stream = open();
                return await ReadAsync(context, stream, progress, cancellationToken);
            },
            cancellationToken);
    }

    private async Task<long> ReadAsync(IdentityDbContext context, Stream stream, Action<long>? progress, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true);
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        CheckHead(context, await NextAsync(reader, cancellationToken), digest);
        var types = Tables(context.Model).ToDictionary(type => type.GetTableName()!, StringComparer.Ordinal);
        context.ChangeTracker.AutoDetectChangesEnabled = false;
        try
        {
            for (var count = 0L; ; count++)
            {
                var line = await NextAsync(reader, cancellationToken);
                var node = Parse(line);
                if (node["end"] is not null)
                {
                    await context.SaveChangesAsync(cancellationToken);
                    return (long?)node["rows"] == count && (string?)node["sha256"] == Convert.ToHexStringLower(digest.GetHashAndReset())
                        ? count
                        : throw new CopyRefusedException("The file is not what was exported: its end does not fit its rows.");
                }

                Add(digest, line);
                var type = node["table"]?.GetValue<string>() is { } table && types.TryGetValue(table, out var known) ? known : throw NoCopy();
                Insert(context, type, node["row"] as JsonObject ?? throw NoCopy());
                if (count % BatchSize == BatchSize - 1)
                {
                    await context.SaveChangesAsync(cancellationToken);
                    context.ChangeTracker.Clear();
                    progress?.Invoke(count);
                }
            }
        }
        finally
        {
            context.ChangeTracker.Clear();
            context.ChangeTracker.AutoDetectChangesEnabled = true;
        }
    }

    private void CheckHead(IdentityDbContext context, string line, IncrementalHash digest)
    {
        var head = Parse(line);
        Add(digest, line);
        if ((string?)head["format"] != Format)
        {
            throw NoCopy();
        }

        if ((string?)head["schema"] != Schema(context.Model))
        {
            throw new CopyRefusedException("The file was exported by another version of this service: export and import with the same one, and update afterwards.");
        }

        if ((string?)head["masterKey"] != KeyCheck())
        {
            throw new CopyRefusedException("MASTER_KEY: expected the master key of the database that was exported; its keys are encrypted under that one.");
        }
    }

    private static async Task<string> NextAsync(StreamReader reader, CancellationToken cancellationToken) =>
        await reader.ReadLineAsync(cancellationToken) ?? throw new CopyRefusedException("The file is cut off: its last line is missing.");

    private static JsonNode Parse(string line)
    {
        try
        {
            return JsonNode.Parse(line) as JsonObject ?? throw NoCopy();
        }
        catch (JsonException exception)
        {
            throw new CopyRefusedException("The file is not what was exported: a line of it is no JSON.", exception);
        }
    }

    private static CopyRefusedException NoCopy() => new("Expected a file that identity export wrote.");

    private static void Insert(IdentityDbContext context, IEntityType type, JsonObject row)
    {
        var entry = context.Entry(Activator.CreateInstance(type.ClrType)!);
        foreach (var property in Columns(type))
        {
            var value = row[property.Name];
            if (IsNumberedByTheDatabase(property))
            {
                continue;
            }

            try
            {
                var current = value?.Deserialize(property.ClrType);

                // OpenIddict's times are UTC; SQLite gives them back without saying so, and PostgreSQL wants to hear it.
                entry.Property(property.Name).CurrentValue = current is DateTime { Kind: DateTimeKind.Unspecified } time ? DateTime.SpecifyKind(time, DateTimeKind.Utc) : current;
            }
            catch (Exception exception) when (exception is JsonException or FormatException or InvalidOperationException)
            {
                throw new CopyRefusedException($"The file is not what was exported: {property.Name} of {type.GetTableName()} cannot be read.", exception);
            }
        }

        entry.State = EntityState.Added;
    }

    // Rows come in the order of what they had.
    private static bool IsNumberedByTheDatabase(IProperty property) => property.ValueGenerated == ValueGenerated.OnAdd && (property.ClrType == typeof(long) || property.ClrType == typeof(int));

    private static async Task RefuseNonEmptyAsync(IdentityDbContext context, CancellationToken cancellationToken)
    {
        foreach (var type in Tables(context.Model).Where(type => !s_mayHaveRows.Contains(type.ClrType)))
        {
            var any = (Task<bool>)typeof(DatabaseCopy).GetMethod(nameof(AnyAsync), BindingFlags.NonPublic | BindingFlags.Static)!.MakeGenericMethod(type.ClrType).Invoke(null, [context, cancellationToken])!;
            if (await any)
            {
                throw new CopyRefusedException($"Expected an empty database, as identity migrate makes it; this one has rows in {type.GetTableName()}.");
            }
        }
    }

    private static Task<bool> AnyAsync<T>(IdentityDbContext context, CancellationToken cancellationToken)
        where T : class => context.Set<T>().AnyAsync(cancellationToken);

    // What rows keep in MongoDB, put back into them.
    private Func<IEnumerable<object>, Task>? Completion(Type type, CancellationToken cancellationToken) => (_factors, _devices) switch
    {
        ({ } factors, _) when type == typeof(SecondFactorRow) => rows => factors.CompleteAsync([.. rows.Cast<SecondFactorRow>()], cancellationToken),
        (_, { } devices) when type == typeof(DeviceRow) => rows => devices.CompleteAsync([.. rows.Cast<DeviceRow>()], cancellationToken),
        _ => null,
    };

    private static async Task WriteTableAsync<T>(IdentityDbContext context, IEntityType type, Func<IEnumerable<object>, Task>? complete, Lines lines, CancellationToken cancellationToken)
        where T : class
    {
        // Tracked, as some columns are no property of the row's class.
        var key = type.FindPrimaryKey()!.Properties;
        IQueryable<T> rows = context.Set<T>().AsTracking();
        rows = key.Skip(1).Aggregate(rows.OrderBy(row => EF.Property<object>(row, key[0].Name)), (ordered, part) => ordered.ThenBy(row => EF.Property<object>(row, part.Name)));
        var batch = new List<T>(BatchSize);
        await foreach (var row in rows.AsAsyncEnumerable().WithCancellation(cancellationToken))
        {
            batch.Add(row);
            if (batch.Count == BatchSize)
            {
                await WriteBatchAsync();
            }
        }

        await WriteBatchAsync();

        async Task WriteBatchAsync()
        {
            await (complete?.Invoke(batch) ?? Task.CompletedTask);
            foreach (var row in batch)
            {
                await lines.WriteAsync(type, context.Entry(row), cancellationToken);
            }

            batch.Clear();
            context.ChangeTracker.Clear();
        }
    }

    private static async Task WriteCredentialsAsync(IdentityDbContext context, IEntityType type, Lines lines, MongoCredentialStore credentials, CancellationToken cancellationToken)
    {
        await foreach (var ids in AccountsAsync(context, cancellationToken))
        {
            foreach (var found in await credentials.FindManyAsync(ids, cancellationToken))
            {
                await lines.WriteAsync(type, context.Entry(new CredentialRow { AccountId = found.AccountId, PasswordHash = found.PasswordHash, PasswordChangedAt = found.PasswordChangedAt }), cancellationToken);
            }
        }
    }

    private async Task WriteMetadataAsync(IdentityDbContext context, IEntityType type, Lines lines, CancellationToken cancellationToken)
    {
        await foreach (var ids in AccountsAsync(context, cancellationToken))
        {
            foreach (var (id, document) in (await _metadata.FindManyAsync(ids, cancellationToken)).Where(found => found.Value.Count > 0))
            {
                await lines.WriteAsync(type, context.Entry(new MetadataRow { AccountId = id, Document = document.ToJsonString() }), cancellationToken);
            }
        }
    }

    private static async IAsyncEnumerable<List<Guid>> AccountsAsync(IdentityDbContext context, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Guid? after = null;
        while (true)
        {
            var ids = await (after is { } id ? context.Accounts.Where(r => r.Id > id) : context.Accounts).OrderBy(r => r.Id).Select(r => r.Id).Take(BatchSize).ToListAsync(cancellationToken);
            if (ids.Count == 0)
            {
                yield break;
            }

            yield return ids;
            after = ids[^1];
        }
    }

    // Those that others point to come first.
    private static IEnumerable<IEntityType> Tables(IModel model) => model.GetEntityTypes()
        .Where(type => type.GetTableName() is not null && !s_own.Contains(type.ClrType))
        .OrderBy(Depth)
        .ThenBy(type => type.GetTableName(), StringComparer.Ordinal);

    private static int Depth(IEntityType type) =>
        type.GetForeignKeys().Select(key => key.PrincipalEntityType).Where(principal => principal != type).Select(principal => 1 + Depth(principal)).DefaultIfEmpty(0).Max();

    private static IEnumerable<IProperty> Columns(IEntityType type) => type.GetProperties().OrderBy(property => property.Name, StringComparer.Ordinal);

    // The tables and columns that this version knows: equal on every provider.
    private static string Schema(IModel model)
    {
        var columns = Tables(model).SelectMany(type => Columns(type).Select(property => $"{type.GetTableName()}.{property.Name}\n")).Order(StringComparer.Ordinal);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(columns))));
    }

    private string KeyCheck() => Convert.ToBase64String(_masterKey.Derive("key-check"));

    private static void Add(IncrementalHash digest, string line) => digest.AppendData(Encoding.UTF8.GetBytes(line + "\n"));

    private sealed class Lines(Stream stream, Action<long>? progress) : IDisposable
    {
        private readonly IncrementalHash _digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public long Count { get; private set; }

        public Task WriteAsync(IEntityType type, EntityEntry entry, CancellationToken cancellationToken)
        {
            var row = new JsonObject();
            foreach (var property in Columns(type))
            {
                row[property.Name] = JsonSerializer.SerializeToNode(entry.Property(property.Name).CurrentValue, property.ClrType);
            }

            return WriteAsync(new JsonObject { ["table"] = type.GetTableName(), ["row"] = row }, isRow: true, cancellationToken);
        }

        public async Task WriteAsync(JsonObject line, bool isRow, CancellationToken cancellationToken)
        {
            var bytes = Encoding.UTF8.GetBytes(line.ToJsonString() + "\n");
            _digest.AppendData(bytes);
            await stream.WriteAsync(bytes, cancellationToken);
            if (isRow)
            {
                Count++;
                progress?.Invoke(Count);
            }
        }

        public async Task EndAsync(CancellationToken cancellationToken)
        {
            var end = new JsonObject { ["end"] = true, ["rows"] = Count, ["sha256"] = Convert.ToHexStringLower(_digest.GetHashAndReset()) };
            await stream.WriteAsync(Encoding.UTF8.GetBytes(end.ToJsonString() + "\n"), cancellationToken);
            await stream.FlushAsync(cancellationToken);
        }

        public void Dispose() => _digest.Dispose();
    }
}
