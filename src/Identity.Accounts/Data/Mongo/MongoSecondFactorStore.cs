using Identity.Accounts.Data.Tables;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Identity.Accounts.SecondFactors;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Data.Mongo;

/// <summary>Authenticator keys and passkeys in MongoDB, by the factor's id. Neither ever changes: another one is another factor.</summary>
internal sealed class FactorSecrets(MongoServer server, StoreDatabase database, CredentialHome home, TimeProvider timeProvider)
    : MongoSecrets(server, "second_factors", database, home, timeProvider)
{
    public static RowSecret Of(SecondFactor factor) => new(factor.Id, Key(factor.Id), factor.Data);

    public static string Key(Guid id) => id.ToString("N");

    /// <summary>Puts into the rows what they keep here.</summary>
    public async Task CompleteAsync(IReadOnlyList<SecondFactorRow> rows, CancellationToken cancellationToken)
    {
        var moved = rows.Where(row => FactorKinds.HasSecret(row.Kind) && row.Data.Length == 0).ToArray();
        var found = await FindAsync([.. moved.Select(row => new RowSecret(row.Id, Key(row.Id), ""))], lost: null, cancellationToken);
        foreach (var row in moved)
        {
            row.Data = found.GetValueOrDefault(Key(row.Id), "");
        }
    }

    public override Task<long> CountWaitingAsync(CancellationToken cancellationToken) =>
        Database.ReadAsync((context, token) => Secret(context).LongCountAsync(r => r.Data != "", token), cancellationToken);

    protected override Task<List<RowSecret>> PageAsync(Guid? after, bool? which, int size, CancellationToken cancellationToken) => ListAsync(
        context =>
        {
            var rows = which switch { true => Secret(context).Where(r => r.Data == ""), false => Secret(context).Where(r => r.Data != ""), _ => Secret(context) };
            return (after is { } id ? rows.Where(r => r.Id > id) : rows).OrderBy(r => r.Id).Take(size);
        },
        cancellationToken);

    protected override Task<List<RowSecret>> RowsAsync(Guid[] ids, CancellationToken cancellationToken) => ListAsync(context => Secret(context).Where(r => ids.Contains(r.Id)), cancellationToken);

    protected override Task EmptyAsync(RowSecret waiting, CancellationToken cancellationToken) => Database.WriteAsync(
        (context, token) => context.Set<SecondFactorRow>()
            .Where(r => r.Id == waiting.Id && r.Data == waiting.Value && context.StoreValues.Any(v => v.Name == CredentialHome.Name && v.Value == CredentialHome.Mongo))
            .ExecuteUpdateAsync(set => set.SetProperty(r => r.Data, ""), token),
        cancellationToken);

    protected override async Task<bool> FillAsync(RowSecret moved, string value, CancellationToken cancellationToken) => await Database.WriteAsync(
        (context, token) => context.Set<SecondFactorRow>().Where(r => r.Id == moved.Id && r.Data == "").ExecuteUpdateAsync(set => set.SetProperty(r => r.Data, value), token),
        cancellationToken) == 1;

    private static IQueryable<SecondFactorRow> Secret(IdentityDbContext context) => context.Set<SecondFactorRow>().Where(r => r.Kind == FactorKinds.Totp || r.Kind == FactorKinds.Passkey);

    private async Task<List<RowSecret>> ListAsync(Func<IdentityDbContext, IQueryable<SecondFactorRow>> which, CancellationToken cancellationToken)
    {
        var rows = await Database.ReadAsync((context, token) => which(context).Select(r => new { r.Id, r.Data }).ToListAsync(token), cancellationToken);
        return [.. rows.Select(row => new RowSecret(row.Id, Key(row.Id), row.Data))];
    }
}

/// <summary>
/// Factors: rows, but for what proves them (<see cref="FactorSecrets"/>). Slots, counters, uses, recovery codes and events are the rows', so single use
/// is decided where it was; only who needs a secret needs MongoDB.
/// </summary>
internal sealed partial class MongoSecondFactorStore(FactorSecrets secrets, StoreDatabase database, MailOutbox mail, ILogger<MongoSecondFactorStore> logger) : ISecondFactorStore
{
    private readonly SqlSecondFactorStore _rows = new(database, mail);

    public async Task<IReadOnlyList<SecondFactor>> ListAsync(Guid accountId, CancellationToken cancellationToken) => await OpenAsync(await _rows.ListAsync(accountId, cancellationToken), cancellationToken);

    public async Task<SecondFactor?> FindBySlotAsync(string slot, CancellationToken cancellationToken) =>
        await _rows.FindBySlotAsync(slot, cancellationToken) is { } factor ? (await OpenAsync([factor], cancellationToken))[0] : null;

    public async Task<bool> AddAsync(SecondFactor factor, LifecycleEvent added, Notice? notice, CancellationToken cancellationToken)
    {
        if (!await _rows.AddAsync(factor, added, notice, cancellationToken))
        {
            return false;
        }

        if (FactorKinds.HasSecret(factor.Kind) && factor.Data.Length > 0)
        {
            await secrets.TryMoveAsync(FactorSecrets.Of(factor));
        }

        return true;
    }

    public async Task<bool> RemoveAsync(Guid accountId, Guid id, LifecycleEvent removed, Notice? notice, CancellationToken cancellationToken)
    {
        if (!await _rows.RemoveAsync(accountId, id, removed, notice, cancellationToken))
        {
            return false;
        }

        await secrets.TryRemoveAsync(FactorSecrets.Key(id));
        return true;
    }

    public Task<bool> TryRaiseAsync(Guid id, long counter, DateTimeOffset now, CancellationToken cancellationToken) => _rows.TryRaiseAsync(id, counter, now, cancellationToken);

    public Task TouchAsync(Guid id, DateTimeOffset now, CancellationToken cancellationToken) => _rows.TouchAsync(id, now, cancellationToken);

    public Task<bool> RenameAsync(Guid accountId, Guid id, string name, CancellationToken cancellationToken) => _rows.RenameAsync(accountId, id, name, cancellationToken);

    public Task<bool> SetDataAsync(Guid accountId, Guid id, string data, Notice? notice, CancellationToken cancellationToken) => _rows.SetDataAsync(accountId, id, data, notice, cancellationToken);

    public Task ReplaceRecoveryCodesAsync(Guid accountId, IReadOnlyList<string> hashes, DateTimeOffset now, Notice? notice, CancellationToken cancellationToken) => _rows.ReplaceRecoveryCodesAsync(accountId, hashes, now, notice, cancellationToken);

    public Task RemoveRecoveryCodesAsync(Guid accountId, DateTimeOffset since, CancellationToken cancellationToken) => _rows.RemoveRecoveryCodesAsync(accountId, since, cancellationToken);

    public Task<int> CountRecoveryCodesAsync(Guid accountId, CancellationToken cancellationToken) => _rows.CountRecoveryCodesAsync(accountId, cancellationToken);

    public Task<bool> TryUseRecoveryCodeAsync(Guid accountId, string hash, DateTimeOffset now, Func<int, Notice>? notice, CancellationToken cancellationToken) => _rows.TryUseRecoveryCodeAsync(accountId, hash, now, notice, cancellationToken);

    // One whose document was lost stays in the list, or its account would be without a factor: it proves nothing, and can be removed.
    private async Task<IReadOnlyList<SecondFactor>> OpenAsync(IReadOnlyList<SecondFactor> rows, CancellationToken cancellationToken)
    {
        var moved = rows.Where(factor => FactorKinds.HasSecret(factor.Kind)).Select(FactorSecrets.Of).Where(row => row.IsMoved).ToArray();
        if (moved.Length == 0)
        {
            return rows;
        }

        var found = await secrets.FindAsync(moved, LogLost, cancellationToken);
        return [.. rows.Select(factor => found.TryGetValue(FactorSecrets.Key(factor.Id), out var data) ? factor with { Data = data } : factor)];
    }

    [LoggerMessage(2833, LogLevel.Error, "The secret of second factor {Id} is in neither database: it proves nobody any more and has to be removed")]
    private partial void LogLost(Guid id);
}
