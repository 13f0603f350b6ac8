// NIST SP 800-63B-4 §3.1.3.1 (out-of-band authenticators prove a key of theirs); the wire contract's /devices/sign-ins.
using System.Text;
using Identity.Accounts.Audit;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Devices;
using Identity.Accounts.RateLimits;
using Identity.Accounts.SignIn;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.PushSignIn;

/// <summary>A sign-in that waits for an answer, as a device shows it.</summary>
/// <param name="Id">For the answer.</param>
/// <param name="App">The application that is signed in to; null: the service's own.</param>
/// <param name="Ip">From where.</param>
/// <param name="UserAgent">Of the browser or app that asks.</param>
/// <param name="Numbers">Three, of which the page shows one.</param>
/// <param name="Nonce">To be signed over.</param>
/// <param name="NeedsUserVerification">No password was asked for: a yes needs finger, face or PIN.</param>
/// <param name="CreatedAt">When it was asked.</param>
/// <param name="ExpiresAt">An answer after that is too late.</param>
public sealed record PendingSignIn(Guid Id, string? App, string? Ip, string? UserAgent, IReadOnlyList<string> Numbers, string Nonce, bool NeedsUserVerification, DateTimeOffset CreatedAt, DateTimeOffset ExpiresAt);

/// <summary>What waits for a device.</summary>
public abstract record PendingSignIns
{
    private PendingSignIns()
    {
    }

    /// <param name="SignIns">The oldest first.</param>
    public sealed record Found(IReadOnlyList<PendingSignIn> SignIns) : PendingSignIns;

    /// <summary>Unknown device, device without a key, another key's signature and a time that is not now alike.</summary>
    public sealed record InvalidSignature : PendingSignIns;

    public sealed record RateLimited(TimeSpan RetryAfter) : PendingSignIns;
}

/// <summary>A device's answer.</summary>
/// <param name="DeviceId">As its registration was answered.</param>
/// <param name="Number">The one that was picked; null: it says no.</param>
/// <param name="UserVerified">Whether it asked for finger, face or PIN.</param>
/// <param name="Signature">Over <see cref="SignInChallenge.OfDecision"/>, in base64 or base64url: 64 bytes or DER.</param>
public sealed record DeviceDecision(Guid DeviceId, string? Number, bool UserVerified, string Signature);

/// <summary>What came of an answer.</summary>
public abstract record DecidedSignIn
{
    private DecidedSignIn()
    {
    }

    public sealed record Done : DecidedSignIn;

    /// <summary>The number was not the page's: the sign-in is over.</summary>
    public sealed record WrongNumber : DecidedSignIn;

    /// <summary>Answered before, or too late.</summary>
    public sealed record Over : DecidedSignIn;

    /// <summary>No such sign-in, or not one of this device's account.</summary>
    public sealed record NotFound : DecidedSignIn;

    public sealed record InvalidSignature : DecidedSignIn;

    /// <summary>It stands instead of the password, and the device did not ask who holds it. It still waits.</summary>
    public sealed record UserVerificationRequired : DecidedSignIn;

    public sealed record RateLimited(TimeSpan RetryAfter) : DecidedSignIn;
}

/// <summary>
/// The device's side. Its key is all that counts: an access token adds nothing to a signature, and the one an app has may have run out just when its
/// person needs it to sign in.
/// </summary>
public sealed class DeviceApprovals
{
    // How far a phone's clock may be off.
    private static readonly TimeSpan Skew = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan TouchEvery = TimeSpan.FromHours(1);

    private readonly StoreDatabase _database;
    private readonly IAccountStore _accounts;
    private readonly Lockout _lockout;
    private readonly AuditTrail _audit;
    private readonly IRateLimiter _limiter;
    private readonly IOptions<AccountsOptions> _options;
    private readonly TimeProvider _timeProvider;

    internal DeviceApprovals(StoreDatabase database, IAccountStore accounts, Lockout lockout, AuditTrail audit, IRateLimiter limiter, IOptions<AccountsOptions> options, TimeProvider timeProvider) =>
        (_database, _accounts, _lockout, _audit, _limiter, _options, _timeProvider) = (database, accounts, lockout, audit, limiter, options, timeProvider);

    /// <param name="deviceId">As its registration was answered.</param>
    /// <param name="time">Seconds since 1970, which were signed over.</param>
    /// <param name="signature">Over <see cref="SignInChallenge.OfList"/>.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<PendingSignIns> ListAsync(Guid deviceId, long time, string signature, Caller caller, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(caller);
        if (await LimitAsync(caller, cancellationToken) is { } wait)
        {
            return new PendingSignIns.RateLimited(wait);
        }

        var now = _timeProvider.GetUtcNow();
        if (Math.Abs(now.ToUnixTimeSeconds() - time) > Skew.TotalSeconds || await FindDeviceAsync(deviceId, cancellationToken) is not { } device || !Verifies(device, SignInChallenge.OfList(deviceId, time), signature))
        {
            return new PendingSignIns.InvalidSignature();
        }

        await TouchAsync(device, now, cancellationToken);
        var rows = await _database.ReadAsync(
            (context, token) => context.Set<PushSignInRow>().Where(r => r.AccountId == device.AccountId && r.Status == PushStatus.Pending && r.ExpiresAt > now).OrderBy(r => r.CreatedAt).ThenBy(r => r.Id).ToListAsync(token),
            cancellationToken);
        return new PendingSignIns.Found([.. rows.Select(r => new PendingSignIn(r.Id, r.ClientName, r.Ip, r.UserAgent, r.Choices.Split(' '), r.Nonce, r.IsAlone, r.CreatedAt, r.ExpiresAt))]);
    }

    /// <summary>Of any number of answers the first counts, whatever it says.</summary>
    public async Task<DecidedSignIn> DecideAsync(Guid requestId, DeviceDecision decision, Caller caller, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(decision);
        ArgumentNullException.ThrowIfNull(caller);
        if (await LimitAsync(caller, cancellationToken) is { } wait)
        {
            return new DecidedSignIn.RateLimited(wait);
        }

        if (await FindDeviceAsync(decision.DeviceId, cancellationToken) is not { } device)
        {
            return new DecidedSignIn.InvalidSignature();
        }

        var row = await _database.ReadAsync((context, token) => context.Set<PushSignInRow>().FirstOrDefaultAsync(r => r.Id == requestId && r.AccountId == device.AccountId, token), cancellationToken);
        if (row is null)
        {
            return new DecidedSignIn.NotFound();
        }

        if (!Verifies(device, SignInChallenge.OfDecision(row.Id, decision.Number is not null, decision.Number, decision.UserVerified, device.Id, row.Nonce), decision.Signature))
        {
            await _audit.WriteAsync("push_sign_in", "invalid_signature", device.AccountId, caller, sessionId: null, cancellationToken);
            return new DecidedSignIn.InvalidSignature();
        }

        var now = _timeProvider.GetUtcNow();
        if (row.Status == PushStatus.Pending && row.ExpiresAt > now && decision.Number is not null && row.IsAlone && !decision.UserVerified)
        {
            return new DecidedSignIn.UserVerificationRequired();
        }

        var status = decision.Number is null ? PushStatus.Denied : decision.Number == row.Number ? PushStatus.Approved : PushStatus.WrongNumber;
        var won = await _database.WriteAsync(
            (context, token) => context.Set<PushSignInRow>()
                .Where(r => r.Id == row.Id && r.Status == PushStatus.Pending && r.ExpiresAt > now)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.Status, status).SetProperty(r => r.DecidedAt, now).SetProperty(r => r.DecidedBy, device.Id), token),
            cancellationToken) == 1;
        if (!won)
        {
            await _audit.WriteAsync("push_sign_in", "late", device.AccountId, caller, sessionId: null, CancellationToken.None);
            return new DecidedSignIn.Over();
        }

        PushSignInMetrics.Answered(status, now - row.CreatedAt);
        await TouchAsync(device, now, CancellationToken.None);

        // The password was right, and a second factor was not: that is counted with all others. Without a password it is not: strangers could lock the account.
        if (status != PushStatus.Approved && !row.IsAlone)
        {
            await _lockout.CountAsync(await _accounts.FindAsync(device.AccountId, CancellationToken.None), CancellationToken.None);
        }

        await _audit.WriteAsync("push_sign_in", status, device.AccountId, caller, sessionId: null, CancellationToken.None);
        return status == PushStatus.WrongNumber ? new DecidedSignIn.WrongNumber() : new DecidedSignIn.Done();
    }

    private static bool Verifies(DeviceRow device, string text, string signature) => DevicePublicKey.Verifies(device.PublicKey!, Encoding.ASCII.GetBytes(text), signature);

    private async Task<DeviceRow?> FindDeviceAsync(Guid id, CancellationToken cancellationToken) =>
        await _database.ReadAsync((context, token) => context.Set<DeviceRow>().FirstOrDefaultAsync(r => r.Id == id && r.PublicKey != null, token), cancellationToken) is { } device
        && await _accounts.FindAsync(device.AccountId, cancellationToken) is { IsActive: true }
            ? device
            : null;

    private async Task TouchAsync(DeviceRow device, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var due = now - TouchEvery;
        if (device.LastSeenAt < due)
        {
            await _database.WriteAsync((context, token) => context.Set<DeviceRow>().Where(r => r.Id == device.Id && r.LastSeenAt < due).ExecuteUpdateAsync(set => set.SetProperty(r => r.LastSeenAt, now), token), cancellationToken);
        }
    }

    // A signature cannot be guessed: this only stops floods.
    private async Task<TimeSpan?> LimitAsync(Caller caller, CancellationToken cancellationToken)
    {
        var lease = await _limiter.AcquireAsync("device_proof", caller.From, _options.Value.SignInsPerAddress, TimeSpan.FromMinutes(1), cancellationToken);
        return lease.Allowed ? null : lease.RetryAfter;
    }
}
