// GDPR Art. 17: an account and all that is kept of its person goes; what has to stay stays without a person in it.
using System.Globalization;
using System.Runtime.ExceptionServices;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Events;
using Identity.Accounts.Profile;
using Identity.Accounts.Sessions;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;

namespace Identity.Accounts.Administration;

/// <summary>What an erasure came to.</summary>
public enum Erasure
{
    Done,
    NotFound,

    /// <summary>The version expected is not the one stored.</summary>
    Conflict,

    /// <summary>Nobody active would have the role admin any more.</summary>
    LastAdmin,
}

/// <summary>
/// Deletes accounts for good. Every table that names an account is emptied of it, found by the model: a table that somebody adds is
/// covered without a word here. The audit trail keeps what was done and when, without whom, from where and by which session; one
/// record says that an account of this id was deleted.
/// </summary>
public sealed class AccountErasure
{
    // The account itself, the trail (below), and what is on its way: events, and notices to clients, which live an hour.
    private static readonly Type[] Kept = [typeof(AccountRow), typeof(AuditRow), typeof(OutboxRow), typeof(LogoutNoticeRow)];

    private readonly StoreDatabase _database;
    private readonly ICredentialStore _credentials;
    private readonly IMetadataStore _metadata;
    private readonly LifecycleEvents _events;
    private readonly TimeProvider _timeProvider;

    internal AccountErasure(StoreDatabase database, ICredentialStore credentials, IMetadataStore metadata, LifecycleEvents events, TimeProvider timeProvider) =>
        (_database, _credentials, _metadata, _events, _timeProvider) = (database, credentials, metadata, events, timeProvider);

    /// <param name="id">Whose.</param>
    /// <param name="expectedVersion">Null: whatever is stored.</param>
    /// <param name="caller">Who deletes it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<Erasure> EraseAsync(Guid id, long? expectedVersion, Caller caller, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(caller);
        return EraseAsync(id, row => expectedVersion == null || row.Version == expectedVersion, SessionEndReasons.Admin, caller, cancellationToken);
    }

    /// <summary>Deletes accounts whose grace is over; how many. What failed with one of them is thrown when the others are through.</summary>
    public async Task<int> EraseDueAsync(int limit, CancellationToken cancellationToken)
    {
        var now = _timeProvider.GetUtcNow();
        var due = await _database.ReadAsync(
            (context, token) => context.Accounts.Where(r => r.DeleteAfter <= now && !r.IsActive).OrderBy(r => r.DeleteAfter).Select(r => r.Id).Take(limit).ToListAsync(token),
            cancellationToken);
        var erased = 0;
        ExceptionDispatchInfo? failed = null;
        foreach (var id in due)
        {
            try
            {
                // Asked again by the statement: somebody may have let the person in again meanwhile.
                var outcome = await EraseAsync(id, row => row.DeleteAfter <= now && !row.IsActive, SessionEndReasons.Deactivated, new Caller(Ip: null, UserAgent: null, ActorId: "self"), cancellationToken);
                erased += outcome == Erasure.Done ? 1 : 0;
            }
            catch (Exception exception) when (exception is not StoreUnavailableException && !cancellationToken.IsCancellationRequested)
            {
                // A fault with one account must not keep the others, whose time is over too.
                failed ??= ExceptionDispatchInfo.Capture(exception);
            }
        }

        failed?.Throw();
        return erased;
    }

    private async Task<Erasure> EraseAsync(Guid id, System.Linq.Expressions.Expression<Func<AccountRow, bool>> still, string reason, Caller caller, CancellationToken cancellationToken)
    {
        var outcome = await _database.TransactAsync(
            async (context, token) =>
            {
                if (await context.Accounts.FirstOrDefaultAsync(r => r.Id == id, token) is not { } row)
                {
                    return Erasure.NotFound;
                }

                if (await RoleCatalog.IsLastAdminAsync(_database, context, id, token))
                {
                    return Erasure.LastAdmin;
                }

                if (await context.Accounts.Where(r => r.Id == id).Where(still).ExecuteDeleteAsync(token) == 0)
                {
                    return Erasure.Conflict;
                }

                var now = _timeProvider.GetUtcNow();
                var account = SqlAccountStore.Map(row);
                var ended = await SqlSessionStore.EndAllAsync(_database, context, id, reason, now, token);

                // They name a session and no account: before the sessions go, by which alone they are found.
                await context.Set<ExternalSessionRow>().Where(r => context.Sessions.Where(s => s.AccountId == id).Select(s => s.Id).Contains(r.SessionId)).ExecuteDeleteAsync(token);
                await EraseRowsAsync(context, id, token);
                await ForgetInTrailAsync(context, id, token);
                context.ChangeTracker.Clear();
                context.Add(new AuditRow { Id = Guid.CreateVersion7(now), Time = now, Action = "delete", Outcome = "success", AccountId = id, ActorId = caller.ActorId, ClientId = caller.ClientId });
                await context.SaveChangesAsync(token);
                LifecycleEvent[] told = [.. ended.Select(session => _events.SessionDestroyed(session, reason, caller)), _events.OfUser(EventTypes.UserDeleted, account)];
                await SqlOutbox.AppendAsync(_database, context, told, token);
                return Erasure.Done;
            },
            cancellationToken);
        if (outcome == Erasure.Done)
        {
            // Where these have a home of their own; in the same database they are gone already.
            await ForgetAsync(() => _credentials.DeleteAsync(id, CancellationToken.None));
            await ForgetAsync(() => _metadata.DeleteAsync(id, CancellationToken.None));
        }

        return outcome;
    }

    // The account is gone, whether that home answers or not: what is left there has nobody, and its repair removes it.
    private static async Task ForgetAsync(Func<Task> delete)
    {
        try
        {
            await delete();
        }
        catch (StoreUnavailableException)
        {
        }
    }

    private async Task EraseRowsAsync(IdentityDbContext context, Guid id, CancellationToken cancellationToken)
    {
        foreach (var (type, property) in PersonalTables(context.Model).Where(table => !Kept.Contains(table.Type.ClrType)))
        {
            var table = StoreObjectIdentifier.Table(type.GetTableName()!, type.GetSchema());
            object value = property.ClrType == typeof(string) ? id.ToString("D", CultureInfo.InvariantCulture) : _database.Dialect.Id(id);

            // Names of the model, none of a request.
            var statement = "DELETE FROM \"" + table.Name + "\" WHERE \"" + property.GetColumnName(table) + "\" = {0}";
            await context.Database.ExecuteSqlRawAsync(statement, [value], cancellationToken);
        }
    }

    // What was done stays, for as long as the trail is kept.
    private static async Task ForgetInTrailAsync(IdentityDbContext context, Guid id, CancellationToken cancellationToken)
    {
        var actor = id.ToString("D", CultureInfo.InvariantCulture);
        await context.Audit.Where(r => r.AccountId == id).ExecuteUpdateAsync(
            set => set
                .SetProperty(r => r.AccountId, (Guid?)null)
                .SetProperty(r => r.ActorId, r => r.ActorId == actor ? null : r.ActorId)
                .SetProperty(r => r.SessionId, (string?)null)
                .SetProperty(r => r.Ip, (string?)null)
                .SetProperty(r => r.UserAgent, (string?)null),
            cancellationToken);
        await context.Audit.Where(r => r.ActorId == actor).ExecuteUpdateAsync(
            set => set.SetProperty(r => r.ActorId, (string?)null).SetProperty(r => r.Ip, (string?)null).SetProperty(r => r.UserAgent, (string?)null),
            cancellationToken);
    }

    /// <summary>
    /// The tables that name an account, and how: <c>AccountId</c>, or <c>Subject</c> as tokens write it. Those that point to others come
    /// before them.
    /// </summary>
    internal static IReadOnlyList<(IEntityType Type, IProperty Property)> PersonalTables(IModel model) =>
    [
        .. model.GetEntityTypes()
            .Where(type => type.GetTableName() is not null)
            .Select(type => (Type: type, Property: type.FindProperty("AccountId") ?? (type.FindProperty("Subject") is { } subject && subject.ClrType == typeof(string) ? subject : null)))
            .Where(table => table.Property is not null)
            .OrderByDescending(table => Depth(table.Type))
            .ThenBy(table => table.Type.GetTableName(), StringComparer.Ordinal)
            .Select(table => (table.Type, table.Property!)),
    ];

    private static int Depth(IEntityType type) =>
        type.GetForeignKeys().Select(key => key.PrincipalEntityType).Where(principal => principal != type).Select(principal => 1 + Depth(principal)).DefaultIfEmpty(0).Max();
}
