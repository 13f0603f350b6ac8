using System.Security.Cryptography;
using System.Text;
using Identity.ServiceDefaults.Settings;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Data.Keys;

/// <summary>What has to be true of the key ring before a node may use the store. Runs under the start's lock.</summary>
internal sealed class StoreKeyRing(StoreDatabase database, MasterKey masterKey, IKeyManager keyManager, TimeProvider timeProvider)
{
    internal const string CheckName = "master_key_check";

    private const string WrongKey = "MASTER_KEY: expected the master key that this database was first started with; its keys are encrypted under that one (set MASTER_KEY, or restore DATA_DIR/master.key).";

    private readonly string _insert = database.Dialect.Upsert(
        "store_values",
        ["name"],
        ["name", "value"],
        new Dictionary<string, string>(StringComparer.Ordinal),
        where: null);

    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        await CheckMasterKeyAsync(cancellationToken);

        // Made here rather than at first use, where two nodes would each make one and not yet know the other's.
        var now = timeProvider.GetUtcNow();
        if (!keyManager.GetAllKeys().Any(k => !k.IsRevoked && k.ActivationDate <= now && k.ExpirationDate > now))
        {
            keyManager.CreateNewKey(now, now.AddDays(90));
        }
    }

    /// <summary>What is wrong with the master key, without writing anything; null: nothing.</summary>
    public async Task<string?> FindProblemAsync(CancellationToken cancellationToken)
    {
        var stored = await database.ReadAsync((context, token) => context.StoreValues.Where(r => r.Name == CheckName).Select(r => r.Value).FirstOrDefaultAsync(token), cancellationToken);
        return stored is null || Matches(stored) ? null : WrongKey;
    }

    private bool Matches(string stored) => CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(stored), Encoding.ASCII.GetBytes(Check()));

    // Derived one way: who reads the database learns nothing of the key.
    private string Check() => Convert.ToBase64String(masterKey.Derive("key-check"));

    private async Task CheckMasterKeyAsync(CancellationToken cancellationToken)
    {
        object[] values = [CheckName, Check()];
        await database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(_insert, values, token), cancellationToken);
        var stored = await database.ReadAsync((context, token) => context.StoreValues.Where(r => r.Name == CheckName).Select(r => r.Value).FirstAsync(token), cancellationToken);
        if (!Matches(stored))
        {
            throw new StartFailureException(WrongKey);
        }
    }
}
