// OWASP ASVS 5.0 §8.1: a role exists before it is given. docs/decisions/0009-people.md says why they have a table.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Administration;

/// <summary>A role.</summary>
/// <param name="Name">As it is in tokens; its case counts.</param>
/// <param name="Description">For people.</param>
/// <param name="CreatedAt">Null for the one that is built in.</param>
public sealed record Role(string Name, string? Description, DateTimeOffset? CreatedAt);

/// <summary>What taking a role away came to.</summary>
public enum RoleRemoval
{
    Done,
    NotFound,
    BuiltIn,

    /// <summary>Somebody has it.</summary>
    InUse,
}

/// <summary>The roles that may be given.</summary>
public sealed class RoleCatalog
{
    /// <summary>Always there: opens what is kept for administrators.</summary>
    public const string Admin = "admin";

    private static readonly string s_adminElement = Text.Json(Admin);

    private readonly StoreDatabase _database;
    private readonly TimeProvider _timeProvider;

    internal RoleCatalog(StoreDatabase database, TimeProvider timeProvider) => (_database, _timeProvider) = (database, timeProvider);

    /// <summary>By name.</summary>
    public async Task<IReadOnlyList<Role>> ListAsync(CancellationToken cancellationToken)
    {
        var rows = await _database.ReadAsync((context, token) => context.Set<RoleRow>().ToListAsync(token), cancellationToken);
        return [.. rows.Select(row => new Role(row.Name, row.Description, row.CreatedAt)).Append(new Role(Admin, "Administrators of this service", CreatedAt: null)).OrderBy(role => role.Name, StringComparer.Ordinal)];
    }

    /// <summary>Makes the role, or gives it another description; whether it is new. Not for the one that is built in.</summary>
    public Task<bool> PutAsync(string name, string? description, CancellationToken cancellationToken) => _database.TransactAsync(
        async (context, token) =>
        {
            await LockAsync(_database, context, token);
            if (await context.Set<RoleRow>().Where(r => r.Name == name).ExecuteUpdateAsync(set => set.SetProperty(r => r.Description, description), token) == 1)
            {
                return false;
            }

            context.Add(new RoleRow { Name = name, Description = description, CreatedAt = _timeProvider.GetUtcNow() });
            await context.SaveChangesAsync(token);
            return true;
        },
        cancellationToken);

    public Task<RoleRemoval> RemoveAsync(string name, CancellationToken cancellationToken)
    {
        if (name == Admin)
        {
            return Task.FromResult(RoleRemoval.BuiltIn);
        }

        var element = Text.Json(name);
        return _database.TransactAsync(
            async (context, token) =>
            {
                await LockAsync(_database, context, token);
                if (!await context.Set<RoleRow>().AnyAsync(r => r.Name == name, token))
                {
                    return RoleRemoval.NotFound;
                }

                if (await context.Accounts.AnyAsync(r => r.Roles != "[]" && r.Roles.Contains(element), token))
                {
                    return RoleRemoval.InUse;
                }

                await context.Set<RoleRow>().Where(r => r.Name == name).ExecuteDeleteAsync(token);
                return RoleRemoval.Done;
            },
            cancellationToken);
    }

    /// <summary>Those of the roles that exist, as a part of the transaction that gives them: none of them is taken away before it ends.</summary>
    internal static async Task<IReadOnlySet<string>> FindAsync(StoreDatabase database, IdentityDbContext context, IReadOnlyCollection<string> roles, CancellationToken cancellationToken)
    {
        var asked = roles.Where(role => role != Admin).Distinct(StringComparer.Ordinal).ToArray();
        var found = new HashSet<string>(StringComparer.Ordinal) { Admin };
        if (asked.Length > 0)
        {
            await LockAsync(database, context, cancellationToken);

            // Compared here as well: a database may take two cases for one.
            found.UnionWith(await context.Set<RoleRow>().Where(r => asked.Contains(r.Name)).Select(r => r.Name).ToListAsync(cancellationToken));
        }

        return found;
    }

    /// <summary>Whether the account is active and has the role admin.</summary>
    internal static bool IsAdmin(AccountRow row) => row.IsActive && row.Roles.Contains(s_adminElement, StringComparison.Ordinal);

    /// <summary>
    /// Whether this account alone keeps the service administered, as a part of the transaction that would end that: of two administrators who
    /// take the role from each other at once the second finds itself alone.
    /// </summary>
    internal static async Task<bool> IsLastAdminAsync(StoreDatabase database, IdentityDbContext context, Guid id, CancellationToken cancellationToken)
    {
        var admins = context.Accounts.Where(r => r.IsActive && r.Roles != "[]" && r.Roles.Contains(s_adminElement));
        if (!await admins.AnyAsync(r => r.Id == id, cancellationToken))
        {
            return false;
        }

        await database.Dialect.LockAsync(context, "admins", cancellationToken);
        return !await admins.AnyAsync(r => r.Id != id, cancellationToken);
    }

    private static Task LockAsync(StoreDatabase database, IdentityDbContext context, CancellationToken cancellationToken) => database.Dialect.LockAsync(context, "roles", cancellationToken);
}
