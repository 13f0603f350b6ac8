using System.Text.Json.Nodes;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Events;
using Identity.Accounts.Sessions;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Devices;

/// <summary>Takes devices away in somebody else's transaction, with what waits to be sent to them, and tells of each.</summary>
internal static class DeviceDetachment
{
    /// <summary>
    /// With the session that registered them, however it ended, except that it ran out: an app whose sign-in is a week old still gets
    /// what is sent to the person. The caller holds the account's outbox lock.
    /// </summary>
    public static Task EndedAsync(StoreDatabase database, IdentityDbContext context, string sessionId, LifecycleEvent destroyed, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var reason = (string?)destroyed.Data["reason"];
        return reason == SessionEndReasons.Expired
            ? Task.CompletedTask
            : RemoveAsync(database, context, context.Set<DeviceRow>().Where(r => r.SessionId == sessionId && r.AccountId == destroyed.AccountId), reason ?? SessionEndReasons.Revoked, now, cancellationToken);
    }

    /// <summary>All of an account: it is closed, or its credentials changed. The caller holds the account's outbox lock.</summary>
    public static Task AllAsync(StoreDatabase database, IdentityDbContext context, Guid accountId, string reason, DateTimeOffset now, CancellationToken cancellationToken) =>
        RemoveAsync(database, context, context.Set<DeviceRow>().Where(r => r.AccountId == accountId), reason, now, cancellationToken);

    /// <summary>Those that this call removed, each told of. All are of one account, whose outbox lock the caller holds.</summary>
    public static async Task<IReadOnlyList<DeviceRow>> RemoveAsync(StoreDatabase database, IdentityDbContext context, IQueryable<DeviceRow> which, string reason, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var removed = new List<DeviceRow>();
        foreach (var row in await which.OrderBy(r => r.Id).ToListAsync(cancellationToken))
        {
            // The conditions once more, in the statement that decides: a row may have changed since it was read.
            if (await which.Where(r => r.Id == row.Id).ExecuteDeleteAsync(cancellationToken) == 1)
            {
                await context.Set<PushMessageRow>().Where(r => r.DeviceId == row.Id).ExecuteDeleteAsync(cancellationToken);
                removed.Add(row);
            }
        }

        await SqlOutbox.AppendAsync(database, context, [.. removed.Select(row => Event(EventTypes.DeviceRemoved, row, now, ("reason", reason)))], cancellationToken);
        return removed;
    }

    public static LifecycleEvent Event(string type, DeviceRow row, DateTimeOffset now, (string Name, JsonNode? Value)? more = null)
    {
        var data = new JsonObject
        {
            ["id"] = row.Id.ToString(),
            ["userId"] = row.AccountId.ToString(),
            ["platform"] = row.Platform,
            ["environment"] = row.Environment,
            ["appId"] = row.AppId,
            ["deviceId"] = row.DeviceId,
        };
        if (more is var (name, value))
        {
            data[name] = value;
        }

        return new(Guid.CreateVersion7(now), EventExchanges.Identity, type, row.AccountId, now, data);
    }
}
