using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Identity.Accounts.Data;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Export;

/// <summary>A row of an export: the members of the user that are columns. Nothing that is secret, and nothing that could become so, is read from the store.</summary>
internal sealed record ExportedUser(
    Guid Id,
    string Email,
    string? UserName,
    string? PhoneNumber,
    string? FirstName,
    string? LastName,
    bool EmailVerified,
    bool PhoneNumberVerified,
    bool IsActive,
    IReadOnlyList<string> Roles,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt,
    DateTimeOffset? LastLoginAt)
{
    /// <summary>Called and ordered as the members of the user are.</summary>
    public static IReadOnlyList<string> Columns { get; } =
    [
        "id", "email", "userName", "phoneNumber", "firstName", "lastName", "emailVerified", "phoneNumberVerified", "isActive", "roles", "createdAt", "updatedAt", "lastLoginAt",
    ];

    /// <summary>As the routes of users write it: UTC with milliseconds.</summary>
    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    /// <summary>The row as JSON, with a member per column.</summary>
    public void WriteTo(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("id", Id);
        json.WriteString("email", Email);
        json.WriteString("userName", UserName);
        json.WriteString("phoneNumber", PhoneNumber);
        json.WriteString("firstName", FirstName);
        json.WriteString("lastName", LastName);
        json.WriteBoolean("emailVerified", EmailVerified);
        json.WriteBoolean("phoneNumberVerified", PhoneNumberVerified);
        json.WriteBoolean("isActive", IsActive);
        json.WriteStartArray("roles");
        foreach (var role in Roles)
        {
            json.WriteStringValue(role);
        }

        json.WriteEndArray();
        json.WriteString("createdAt", Time(CreatedAt));
        json.WriteString("updatedAt", Time(UpdatedAt));
        json.WriteString("lastLoginAt", LastLoginAt is { } last ? Time(last) : null);
        json.WriteEndObject();
    }
}

/// <summary>Reads accounts for an export, a page at a time and in order of id, so that the memory needed does not depend on how many there are.</summary>
internal sealed class ExportRows(StoreDatabase database)
{
    private const int Page = 1000;

    public Task<long> CountAsync(AccountFilter filter, CancellationToken cancellationToken) =>
        database.ReadAsync((context, token) => SqlAccountStore.Filtered(context.Accounts, filter).LongCountAsync(token), cancellationToken);

    /// <summary>Who is made, changed or deleted meanwhile may be in it or not; nobody else is missing or in it twice.</summary>
    /// <param name="filter">Which accounts.</param>
    /// <param name="progress">Told of the rows handed over so far, after every page.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public async IAsyncEnumerable<ExportedUser> ReadAsync(AccountFilter filter, Func<long, CancellationToken, Task>? progress, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (after, count) = ((Guid?)null, 0L);
        while (true)
        {
            var rows = await database.ReadAsync(
                (context, token) =>
                {
                    var accounts = SqlAccountStore.Filtered(context.Accounts, filter);
                    return (after is { } id ? accounts.Where(r => r.Id > id) : accounts)
                        .OrderBy(r => r.Id)
                        .Take(Page)
                        .Select(r => new { r.Id, r.Email, r.UserName, r.PhoneNumber, r.FirstName, r.LastName, r.EmailVerified, r.PhoneNumberVerified, r.IsActive, r.Roles, r.CreatedAt, r.UpdatedAt, r.LastLoginAt })
                        .ToListAsync(token);
                },
                cancellationToken);
            foreach (var r in rows)
            {
                yield return new ExportedUser(r.Id, r.Email, r.UserName, r.PhoneNumber, r.FirstName, r.LastName, r.EmailVerified, r.PhoneNumberVerified, r.IsActive, Text.ParseList(r.Roles), r.CreatedAt, r.UpdatedAt, r.LastLoginAt);
            }

            count += rows.Count;
            if (progress is not null)
            {
                await progress(count, cancellationToken);
            }

            if (rows.Count < Page)
            {
                yield break;
            }

            after = rows[^1].Id;
        }
    }
}
