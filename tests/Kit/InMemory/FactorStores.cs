using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Identity.Accounts.SecondFactors;

namespace Identity.Tests.Kit.InMemory;

/// <summary>Factors in memory.</summary>
public sealed class InMemorySecondFactors(InMemoryEvents outbox, InMemoryAccessNotices notices) : ISecondFactorStore
{
    private readonly Lock _lock = new();
    private readonly List<SecondFactor> _factors = [];
    private readonly Dictionary<(Guid Account, string Hash), (bool IsUsed, DateTimeOffset MadeAt)> _codes = [];

    public Task<IReadOnlyList<SecondFactor>> ListAsync(Guid accountId, CancellationToken cancellationToken) =>
        Locked<IReadOnlyList<SecondFactor>>(() => [.. _factors.Where(factor => factor.AccountId == accountId).OrderBy(factor => factor.CreatedAt).ThenBy(factor => factor.Id)]);

    public Task<SecondFactor?> FindBySlotAsync(string slot, CancellationToken cancellationToken) => Locked(() => _factors.Find(factor => factor.Slot == slot));

    public Task<bool> AddAsync(SecondFactor factor, LifecycleEvent added, Notice? notice, CancellationToken cancellationToken) => Locked(() =>
    {
        if (_factors.Exists(known => known.Slot == factor.Slot))
        {
            return false;
        }

        _factors.Add(factor);
        outbox.Add([added]);
        notices.Add(notice);
        return true;
    });

    public Task<bool> TryRaiseAsync(Guid id, long counter, DateTimeOffset now, CancellationToken cancellationToken) =>
        Locked(() => Change(factor => factor.Id == id && factor.Counter < counter, factor => factor with { Counter = counter, LastUsedAt = now }));

    public Task TouchAsync(Guid id, DateTimeOffset now, CancellationToken cancellationToken) => Locked(() => Change(factor => factor.Id == id, factor => factor with { LastUsedAt = now }));

    public Task<bool> RenameAsync(Guid accountId, Guid id, string name, CancellationToken cancellationToken) =>
        Locked(() => Change(factor => factor.Id == id && factor.AccountId == accountId, factor => factor with { Name = name }));

    public Task<bool> SetDataAsync(Guid accountId, Guid id, string data, Notice? notice, CancellationToken cancellationToken) => Locked(() =>
    {
        var changed = Change(factor => factor.Id == id && factor.AccountId == accountId && factor.Kind is not (FactorKinds.Totp or FactorKinds.Passkey) && factor.Data != data, factor => factor with { Data = data });
        notices.Add(changed ? notice : null);
        return changed;
    });

    public Task<bool> RemoveAsync(Guid accountId, Guid id, LifecycleEvent removed, Notice? notice, CancellationToken cancellationToken) => Locked(() =>
    {
        var gone = _factors.RemoveAll(factor => factor.Id == id && factor.AccountId == accountId) == 1;
        if (gone)
        {
            outbox.Add([removed]);
            notices.Add(notice);
        }

        return gone;
    });

    public Task ReplaceRecoveryCodesAsync(Guid accountId, IReadOnlyList<string> hashes, DateTimeOffset now, Notice? notice, CancellationToken cancellationToken) => Locked(() =>
    {
        foreach (var key in _codes.Keys.Where(key => key.Account == accountId).ToArray())
        {
            _codes.Remove(key);
        }

        foreach (var hash in hashes)
        {
            _codes[(accountId, hash)] = (IsUsed: false, now);
        }

        notices.Add(notice);

        return true;
    });

    public Task RemoveRecoveryCodesAsync(Guid accountId, DateTimeOffset since, CancellationToken cancellationToken) => Locked(() =>
    {
        foreach (var (key, _) in _codes.Where(code => code.Key.Account == accountId && code.Value.MadeAt >= since).ToArray())
        {
            _codes.Remove(key);
        }

        return true;
    });

    public Task<int> CountRecoveryCodesAsync(Guid accountId, CancellationToken cancellationToken) => Locked(() => _codes.Count(code => code.Key.Account == accountId && !code.Value.IsUsed));

    public Task<bool> TryUseRecoveryCodeAsync(Guid accountId, string hash, DateTimeOffset now, Func<int, Notice>? notice, CancellationToken cancellationToken) => Locked(() =>
    {
        if (!_codes.TryGetValue((accountId, hash), out var code) || code.IsUsed)
        {
            return false;
        }

        _codes[(accountId, hash)] = (IsUsed: true, code.MadeAt);
        notices.Add(notice?.Invoke(_codes.Count(code => code.Key.Account == accountId && !code.Value.IsUsed)));
        return true;
    });

    private bool Change(Predicate<SecondFactor> which, Func<SecondFactor, SecondFactor> change)
    {
        var index = _factors.FindIndex(which);
        if (index < 0)
        {
            return false;
        }

        _factors[index] = change(_factors[index]);
        return true;
    }

    private Task<T> Locked<T>(Func<T> act)
    {
        lock (_lock)
        {
            return Task.FromResult(act());
        }
    }
}

/// <summary>Proofs in memory.</summary>
public sealed class InMemoryFactorProofs(InMemoryAccessNotices notices) : IFactorProofStore
{
    private readonly Lock _lock = new();
    private readonly HashSet<Guid> _spent = [];
    private readonly Dictionary<(string Session, int Strength), DateTimeOffset> _proofs = [];
    private readonly List<RememberedBrowser> _browsers = [];

    public Task<bool> TrySpendAsync(Guid ticketId, DateTimeOffset expiresAt, CancellationToken cancellationToken) => Locked(() => _spent.Add(ticketId));

    public Task<bool> IsSpentAsync(Guid ticketId, CancellationToken cancellationToken) => Locked(() => _spent.Contains(ticketId));

    public Task RecordProofAsync(string sessionId, int strength, DateTimeOffset at, CancellationToken cancellationToken) => Locked(() =>
    {
        if (!_proofs.TryGetValue((sessionId, strength), out var known) || known < at)
        {
            _proofs[(sessionId, strength)] = at;
        }

        return true;
    });

    public Task<bool> HasProofAsync(string sessionId, int strength, DateTimeOffset since, CancellationToken cancellationToken) =>
        Locked(() => _proofs.Any(proof => proof.Key.Session == sessionId && proof.Key.Strength >= strength && proof.Value >= since));

    public Task RememberAsync(RememberedBrowser browser, Notice? notice, CancellationToken cancellationToken) => Locked(() =>
    {
        _browsers.Add(browser);
        notices.Add(notice);
        return true;
    });

    public Task<bool> TryUseRememberedAsync(Guid accountId, string tokenHash, string securityStamp, DateTimeOffset now, CancellationToken cancellationToken) => Locked(() =>
    {
        var index = _browsers.FindIndex(browser => browser.AccountId == accountId && browser.TokenHash == tokenHash && browser.SecurityStamp == securityStamp && browser.ExpiresAt > now);
        if (index < 0)
        {
            return false;
        }

        _browsers[index] = _browsers[index] with { LastUsedAt = now };
        return true;
    });

    public Task<IReadOnlyList<RememberedBrowser>> ListRememberedAsync(Guid accountId, DateTimeOffset now, CancellationToken cancellationToken) =>
        Locked<IReadOnlyList<RememberedBrowser>>(() => [.. _browsers.Where(browser => browser.AccountId == accountId && browser.ExpiresAt > now).OrderByDescending(browser => browser.CreatedAt)]);

    public Task<int> ForgetAsync(Guid accountId, Guid? id, CancellationToken cancellationToken) =>
        Locked(() => _browsers.RemoveAll(browser => browser.AccountId == accountId && (id is null || browser.Id == id)));

    private Task<T> Locked<T>(Func<T> act)
    {
        lock (_lock)
        {
            return Task.FromResult(act());
        }
    }
}
