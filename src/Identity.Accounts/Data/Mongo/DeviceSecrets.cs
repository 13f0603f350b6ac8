using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Data.Mongo;

/// <summary>
/// Push tokens in MongoDB, sealed as they were in the row, by the device's id and the token's hash: a device that registers another token means
/// another document.
/// </summary>
internal sealed class DeviceSecrets(MongoServer server, StoreDatabase database, CredentialHome home, TimeProvider timeProvider)
    : MongoSecrets(server, "devices", database, home, timeProvider)
{
    private static readonly byte[] s_moved = [];

    public override bool OutlivesSessions => false;

    public static RowSecret Of(DeviceRow row) => Of(row.Id, row.TokenHash, row.SealedToken);

    /// <summary>The sealed token of a row, as it is or from here. Null: it was lost, or the device has gone or another token by now.</summary>
    public async Task<byte[]?> FindAsync(DeviceRow row, CancellationToken cancellationToken)
    {
        var secret = Of(row);
        var value = secret.IsMoved ? (await FindAsync([secret], lost: null, cancellationToken)).GetValueOrDefault(secret.Key) : secret.Value;
        return value is null ? null : Convert.FromBase64String(value);
    }

    /// <summary>Puts into the rows what they keep here.</summary>
    public async Task CompleteAsync(IReadOnlyList<DeviceRow> rows, CancellationToken cancellationToken)
    {
        var moved = rows.Where(row => row.SealedToken.Length == 0).ToArray();
        var found = await FindAsync([.. moved.Select(Of)], lost: null, cancellationToken);
        foreach (var row in moved)
        {
            row.SealedToken = Convert.FromBase64String(found.GetValueOrDefault(Of(row).Key, ""));
        }
    }

    public override Task<long> CountWaitingAsync(CancellationToken cancellationToken) =>
        Database.ReadAsync((context, token) => context.Set<DeviceRow>().LongCountAsync(r => r.SealedToken != s_moved, token), cancellationToken);

    protected override Task<List<RowSecret>> PageAsync(Guid? after, bool? which, int size, CancellationToken cancellationToken) => ListAsync(
        context =>
        {
            IQueryable<DeviceRow> all = context.Set<DeviceRow>();
            var rows = which switch { true => all.Where(r => r.SealedToken == s_moved), false => all.Where(r => r.SealedToken != s_moved), _ => all };
            return (after is { } id ? rows.Where(r => r.Id > id) : rows).OrderBy(r => r.Id).Take(size);
        },
        cancellationToken);

    protected override Task<List<RowSecret>> RowsAsync(Guid[] ids, CancellationToken cancellationToken) => ListAsync(context => context.Set<DeviceRow>().Where(r => ids.Contains(r.Id)), cancellationToken);

    protected override Task EmptyAsync(RowSecret waiting, CancellationToken cancellationToken)
    {
        var (hash, token) = (HashOf(waiting.Key), Convert.FromBase64String(waiting.Value));
        return Database.WriteAsync(
            (context, ends) => context.Set<DeviceRow>()
                .Where(r => r.Id == waiting.Id && r.TokenHash == hash && r.SealedToken == token && context.StoreValues.Any(v => v.Name == CredentialHome.Name && v.Value == CredentialHome.Mongo))
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.SealedToken, s_moved), ends),
            cancellationToken);
    }

    protected override async Task<bool> FillAsync(RowSecret moved, string value, CancellationToken cancellationToken)
    {
        var (hash, token) = (HashOf(moved.Key), Convert.FromBase64String(value));
        return await Database.WriteAsync(
            (context, ends) => context.Set<DeviceRow>()
                .Where(r => r.Id == moved.Id && r.TokenHash == hash && r.SealedToken == s_moved)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.SealedToken, token), ends),
            cancellationToken) == 1;
    }

    // A token is sealed anew each time its device registers it. Under its hash there is no other.
    protected override bool IsSame(string kept, string value) => kept.Length == value.Length;

    private static RowSecret Of(Guid id, string hash, byte[] token) => new(id, $"{id:N}.{hash}", Convert.ToBase64String(token));

    private static string HashOf(string key) => key[33..];

    private async Task<List<RowSecret>> ListAsync(Func<IdentityDbContext, IQueryable<DeviceRow>> which, CancellationToken cancellationToken)
    {
        var rows = await Database.ReadAsync((context, token) => which(context).Select(r => new { r.Id, r.TokenHash, r.SealedToken }).ToListAsync(token), cancellationToken);
        return [.. rows.Select(row => Of(row.Id, row.TokenHash, row.SealedToken))];
    }
}
