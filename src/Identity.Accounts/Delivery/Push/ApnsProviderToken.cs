// RFC 7519 (JWT), RFC 7518 §3.4 (ES256): the provider token of APNs, which may change every 20 minutes and must every 60.
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.ServiceDefaults.Settings;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Delivery.Push;

/// <summary>
/// One token for all nodes, in the store: signatures by ECDSA differ each time, so nodes that each made their own would look to Apple
/// like one that changes its token all the time. Whoever renews does so by one conditional statement; the others take what it wrote.
/// </summary>
internal sealed class ApnsProviderToken
{
    /// <summary>From this age on it is renewed.</summary>
    public static readonly TimeSpan RenewAfter = TimeSpan.FromMinutes(45);

    /// <summary>No sooner than this after the one before, except once where Apple calls a token expired.</summary>
    public static readonly TimeSpan SoonestRenewal = TimeSpan.FromMinutes(20);

    private readonly ApnsSettings _settings;
    private readonly StoreDatabase _database;
    private readonly TimeProvider _timeProvider;
    private readonly SealedText _sealed;
    private readonly string _name;
    private readonly string _insert;
    private Stored? _known;

    public ApnsProviderToken(ApnsSettings settings, StoreDatabase database, MasterKey masterKey, TimeProvider timeProvider)
    {
        (_settings, _database, _timeProvider) = (settings, database, timeProvider);
        _sealed = new SealedText(masterKey, "apns-provider-token");
        _name = $"apns_token:{settings.TeamId}:{settings.KeyId}";
        _insert = database.Dialect.Upsert("store_values", ["name"], ["name", "value"], new Dictionary<string, string>(StringComparer.Ordinal), where: null);
    }

    public async Task<string> GetAsync(CancellationToken cancellationToken)
    {
        if (_known is { } known && Age(known) < RenewAfter)
        {
            return known.Token;
        }

        var stored = await ReadAsync(cancellationToken);
        if (stored is null || Age(stored) >= RenewAfter)
        {
            stored = await ReplaceAsync(stored, isForced: false, cancellationToken);
        }

        _known = stored;
        return stored.Token;
    }

    /// <summary>Apple called this token expired: a newer one, or null where it was renewed for that reason a moment ago and more of it would be refused too.</summary>
    public async Task<string?> RenewAsync(string expired, CancellationToken cancellationToken)
    {
        var stored = await ReadAsync(cancellationToken);
        if (stored is null or { Token: "" } || stored.Token == expired)
        {
            if (stored is { IsForced: true } && Age(stored) < SoonestRenewal)
            {
                return null;
            }

            stored = await ReplaceAsync(stored, isForced: true, cancellationToken);
        }

        _known = stored;
        return stored.Token;
    }

    private TimeSpan Age(Stored stored) => (_timeProvider.GetUtcNow() - stored.IssuedAt).Duration();

    private async Task<Stored?> ReadAsync(CancellationToken cancellationToken)
    {
        var value = await _database.ReadAsync((context, token) => context.StoreValues.Where(r => r.Name == _name).Select(r => r.Value).FirstOrDefaultAsync(token), cancellationToken);
        if (value is null)
        {
            return null;
        }

        try
        {
            var parts = _sealed.Open(Convert.FromBase64String(value), Guid.Empty).Split('|');
            return new(parts[2], DateTimeOffset.FromUnixTimeSeconds(long.Parse(parts[0], CultureInfo.InvariantCulture)), parts[1] == "forced", value);
        }
        catch (CryptographicException)
        {
            // Of another master key: as good as one that is long over.
            return new("", DateTimeOffset.UnixEpoch, IsForced: false, value);
        }
    }

    private async Task<Stored> ReplaceAsync(Stored? expected, bool isForced, CancellationToken cancellationToken)
    {
        var issuedAt = DateTimeOffset.FromUnixTimeSeconds(_timeProvider.GetUtcNow().ToUnixTimeSeconds());
        var seconds = issuedAt.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var value = Convert.ToBase64String(_sealed.Seal($"{seconds}|{(isForced ? "forced" : "due")}|{Sign(issuedAt)}", Guid.Empty));
        object[] row = [_name, value];
        await _database.WriteAsync(
            (context, token) => expected is null
                ? context.Database.ExecuteSqlRawAsync(_insert, row, token)
                : context.StoreValues.Where(r => r.Name == _name && r.Value == expected.Value).ExecuteUpdateAsync(set => set.SetProperty(r => r.Value, value), token),
            cancellationToken);

        // Ours, or that of the node that was first.
        return await ReadAsync(cancellationToken) ?? throw new InvalidOperationException("The provider token that was just written is gone.");
    }

    private string Sign(DateTimeOffset issuedAt)
    {
        using var key = ECDsa.Create();
        key.ImportFromPem(_settings.PrivateKey);
        var header = JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, string>(StringComparer.Ordinal) { ["alg"] = "ES256", ["kid"] = _settings.KeyId });
        var payload = JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, object>(StringComparer.Ordinal) { ["iss"] = _settings.TeamId, ["iat"] = issuedAt.ToUnixTimeSeconds() });
        var content = Base64Url.EncodeToString(header) + "." + Base64Url.EncodeToString(payload);
        return content + "." + Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(content), HashAlgorithmName.SHA256));
    }

    private sealed record Stored(string Token, DateTimeOffset IssuedAt, bool IsForced, string Value);
}
