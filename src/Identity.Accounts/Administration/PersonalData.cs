// GDPR Art. 15 (access) and Art. 20 (portability): all that is kept about a person, as JSON.
using System.Globalization;
using System.Linq.Expressions;
using System.Reflection;
using System.Text.Json.Nodes;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Events;
using Identity.Accounts.Profile;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;

namespace Identity.Accounts.Administration;

/// <summary>
/// Reads what is kept about a person: the account, its metadata, and its rows in every table that names it, found by the model as
/// <see cref="AccountErasure"/> finds them. Of those rows it tells times, marks, numbers and the texts named here, so that no hash, key,
/// code or token goes out with a table that somebody adds.
/// </summary>
public sealed class PersonalData
{
    private static readonly HashSet<string> ToldTexts = new(StringComparer.Ordinal)
    {
        "Action", "Outcome", "ClientId", "ClientIds", "Ip", "UserAgent", "DeviceId", "Amr", "Acr", "Channel", "Purpose", "Scope", "Scopes",
        "Platform", "AppId", "Environment", "Name", "Kind", "Method", "Label", "Status", "Type", "Provider", "Resource", "Resources", "PendingEmail", "PendingPhoneNumber",
    };

    // Told in full on their own.
    private static readonly Type[] Elsewhere = [typeof(AccountRow), typeof(MetadataRow), typeof(CredentialRow), typeof(OutboxRow)];

    private static readonly MethodInfo ReadRowsMethod = typeof(PersonalData).GetMethod(nameof(ReadRowsAsync), BindingFlags.NonPublic | BindingFlags.Static)!;

    private readonly StoreDatabase _database;
    private readonly IAccountStore _accounts;
    private readonly ICredentialStore _credentials;
    private readonly IMetadataStore _metadata;
    private readonly TimeProvider _timeProvider;

    internal PersonalData(StoreDatabase database, IAccountStore accounts, ICredentialStore credentials, IMetadataStore metadata, TimeProvider timeProvider) =>
        (_database, _accounts, _credentials, _metadata, _timeProvider) = (database, accounts, credentials, metadata, timeProvider);

    /// <summary>Null: there is no such account.</summary>
    public async Task<JsonObject?> ReadAsync(Guid id, CancellationToken cancellationToken)
    {
        if (await _accounts.FindAsync(id, cancellationToken) is not { } account)
        {
            return null;
        }

        var user = LifecycleEvents.UserObject(account);
        user["profile"] = account.Profile.DeepClone();
        user["deletedAfter"] = Value(account.DeleteAfter);
        user["failedSignIns"] = account.AccessFailedCount;
        user["lockedUntil"] = Value(account.LockoutEnd);
        var credentials = await _credentials.FindAsync(id, cancellationToken);
        var data = new JsonObject
        {
            ["exportedAt"] = Value(_timeProvider.GetUtcNow()),
            ["user"] = user,
            ["metadata"] = await _metadata.FindAsync(id, cancellationToken),
            ["password"] = new JsonObject { ["isSet"] = credentials?.PasswordHash is not null, ["changedAt"] = Value(credentials?.PasswordChangedAt) },
        };
        await _database.ReadAsync(
            async (context, token) =>
            {
                foreach (var (type, property) in AccountErasure.PersonalTables(context.Model).Where(table => !Elsewhere.Contains(table.Type.ClrType)).OrderBy(table => table.Type.GetTableName(), StringComparer.Ordinal))
                {
                    data[Camel(type.GetTableName()!)] = await (Task<JsonArray>)ReadRowsMethod.MakeGenericMethod(type.ClrType).Invoke(null, [context, type, property, id, token])!;
                }

                // They name a session and no account.
                var origins = context.Set<ExternalSessionRow>().Where(r => context.Sessions.Where(s => s.AccountId == id).Select(s => s.Id).Contains(r.SessionId));
                var table = context.Model.FindEntityType(typeof(ExternalSessionRow))!;
                data[Camel(table.GetTableName()!)] = Tell(table, except: null, await origins.ToListAsync(token));
                return true;
            },
            cancellationToken);
        return data;
    }

    private static async Task<JsonArray> ReadRowsAsync<TRow>(IdentityDbContext context, IEntityType type, IProperty property, Guid id, CancellationToken cancellationToken)
        where TRow : class
    {
        var row = Expression.Parameter(typeof(TRow));
        object value = property.ClrType == typeof(string) ? id.ToString("D", CultureInfo.InvariantCulture) : id;
        var same = Expression.Equal(Expression.Property(row, property.PropertyInfo!), Expression.Constant(value, property.ClrType));
        var rows = await context.Set<TRow>().Where(Expression.Lambda<Func<TRow, bool>>(same, row)).ToListAsync(cancellationToken);
        return Tell(type, property, rows);
    }

    private static JsonArray Tell<TRow>(IEntityType type, IProperty? except, List<TRow> rows)
    {
        var told = type.GetProperties().Where(member => member.PropertyInfo is not null && member != except && IsTold(member)).ToList();
        return new JsonArray([.. rows.Select(found => new JsonObject(told.Select(member => KeyValuePair.Create(Camel(member.Name), Value(member.PropertyInfo!.GetValue(found))))))]);
    }

    private static bool IsTold(IProperty member)
    {
        var type = Nullable.GetUnderlyingType(member.ClrType) ?? member.ClrType;
        return type == typeof(DateTimeOffset) || type == typeof(DateTime) || type == typeof(bool) || type == typeof(int) || type == typeof(long) || type.IsEnum
            || (type == typeof(string) && ToldTexts.Contains(member.Name));
    }

    private static JsonNode? Value(object? value) => value switch
    {
        null => null,
        DateTimeOffset time => JsonValue.Create(time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture)),
        DateTime time => JsonValue.Create(time.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture)),
        bool flag => JsonValue.Create(flag),
        int number => JsonValue.Create(number),
        long number => JsonValue.Create(number),
        _ => JsonValue.Create(value.ToString()),
    };

    // sign_in_until, SignInUntil: signInUntil.
    private static string Camel(string name)
    {
        var words = name.Split('_', StringSplitOptions.RemoveEmptyEntries);
        var joined = words.Length == 1 ? words[0] : string.Concat(words.Select(word => char.ToUpperInvariant(word[0]) + word[1..]));
        return char.ToLowerInvariant(joined[0]) + joined[1..];
    }
}
