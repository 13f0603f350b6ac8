// NIST SP 800-63B-4 §3.1.3 (out-of-band), its number matching and rate limits against push fatigue; OWASP ASVS 5.0 §6.6.
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Identity.Accounts.Audit;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Delivery.Push;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.PushSignIn;

/// <summary>What became of a request, as its row says.</summary>
internal static class PushStatus
{
    public const string Pending = "pending";
    public const string Approved = "approved";
    public const string Denied = "denied";
    public const string WrongNumber = "wrong_number";

    /// <summary>A yes that somebody went on with.</summary>
    public const string Used = "used";
}

/// <summary>How a request stands for whoever waits for it.</summary>
public enum PushAnswer
{
    /// <summary>Nothing was asked.</summary>
    None,
    Waiting,
    /// <summary>And not gone on with yet.</summary>
    Approved,
    Denied,
    WrongNumber,
    /// <summary>Nobody answered in time, or nobody went on with the yes.</summary>
    Expired,
}

/// <summary>A request as the page shows it.</summary>
/// <param name="Answer">How it stands.</param>
/// <param name="Number">Two digits.</param>
/// <param name="ExpiresAt">Until when a device may answer.</param>
public sealed record PushPrompt(PushAnswer Answer, string Number, DateTimeOffset ExpiresAt)
{
    public static PushPrompt None { get; } = new(PushAnswer.None, "", DateTimeOffset.MinValue);
}

/// <summary>What came of asking.</summary>
public abstract record PushAsked
{
    private PushAsked()
    {
    }

    public sealed record Asked(PushPrompt Prompt) : PushAsked;

    /// <summary>Three wait already, the hour's are used up, or somebody said no a short while ago.</summary>
    public sealed record RateLimited(TimeSpan RetryAfter) : PushAsked;
}

/// <summary>Who asks, and what the device shows of it.</summary>
/// <param name="AccountId">Whose devices.</param>
/// <param name="Stamp">The account's security stamp.</param>
/// <param name="Binding">Who may go on with the answer.</param>
/// <param name="IsAlone">Instead of the password.</param>
/// <param name="ClientName">The application; null: the service's own.</param>
/// <param name="Language">What the devices' message is written in.</param>
internal sealed record PushQuestion(Guid AccountId, string Stamp, string Binding, bool IsAlone, string? ClientName, CultureInfo Language);

/// <summary>Requests to people's devices. Limits are judged and the row is written under one lock of the account; an answer is one conditional UPDATE.</summary>
public sealed class PushSignIns
{
    /// <summary>At a time, so that nobody is worn down by a row of them.</summary>
    public const int MostPending = 3;

    /// <summary>How long a no is remembered: rows stay that long.</summary>
    internal static readonly TimeSpan RememberDenials = TimeSpan.FromDays(1);

    /// <summary>How long a yes waits for its page, which asks every few seconds.</summary>
    private static readonly TimeSpan FinishWithin = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan LimitWindow = TimeSpan.FromHours(1);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromHours(4);

    private readonly StoreDatabase _database;
    private readonly PushOutbox? _outbox;
    private readonly AuditTrail _audit;
    private readonly IOptions<PushSignInOptions> _options;
    private readonly TimeProvider _timeProvider;
    private readonly byte[] _decoyKey;

    internal PushSignIns(StoreDatabase database, MasterKey masterKey, PushOutbox? outbox, AuditTrail audit, IOptions<PushSignInOptions> options, TimeProvider timeProvider)
    {
        (_database, _outbox, _audit, _options, _timeProvider) = (database, outbox, audit, options, timeProvider);
        _decoyKey = masterKey.Derive("push-sign-in-decoy");
    }

    /// <summary>Whether there is a provider of push messages at all.</summary>
    public bool IsAvailable => _outbox is not null;

    internal static string HalfBinding(Guid ticketId) => "half:" + ticketId.ToString("N");

    internal static string SessionBinding(string sessionId) => "session:" + sessionId;

    internal static string PhoneBinding(Guid key) => "phone:" + key.ToString("N");

    /// <summary>Whether the account has a device that brought a key and can be reached.</summary>
    public Task<bool> CanAskAsync(Guid accountId, CancellationToken cancellationToken)
    {
        if (_outbox is not { Platforms: var platforms })
        {
            return Task.FromResult(false);
        }

        return _database.ReadAsync((context, token) => context.Set<DeviceRow>().AnyAsync(r => r.AccountId == accountId && r.PublicKey != null && platforms.Contains(r.Platform), token), cancellationToken);
    }

    /// <summary>How the newest request of whoever waits stands.</summary>
    internal async Task<PushPrompt> ReadAsync(string binding, CancellationToken cancellationToken) =>
        await FindAsync(binding, cancellationToken) is { } row ? Prompt(row, _timeProvider.GetUtcNow()) : PushPrompt.None;

    /// <summary>
    /// Asks the account's devices. One that waits already is answered again: pressing twice asks once. Where the page must not tell whether there is such
    /// an account, the message is the caller's to send once the answer is on its way (<see cref="Delivery.DeliveryQueue"/>); else it is written in the same transaction.
    /// </summary>
    internal async Task<(PushAsked Asked, Guid? RequestId)> AskAsync(PushQuestion question, Caller caller, CancellationToken cancellationToken)
    {
        var now = _timeProvider.GetUtcNow();
        var (asked, id, isNew) = await _database.TransactAsync<(PushAsked Asked, Guid? Id, bool IsNew)>(
            async (context, token) =>
            {
                await _database.Dialect.LockAsync(context, "push-sign-in:" + question.AccountId.ToString("N"), token);
                var rows = context.Set<PushSignInRow>();
                if (await rows.Where(r => r.Binding == question.Binding && r.Status == PushStatus.Pending && r.ExpiresAt > now).OrderByDescending(r => r.Id).FirstOrDefaultAsync(token) is { } waiting)
                {
                    return (new PushAsked.Asked(Prompt(waiting, now)), waiting.Id, false);
                }

                if (await FindWaitAsync(rows, question, now, token) is { } wait)
                {
                    return (new PushAsked.RateLimited(wait), null, false);
                }

                var row = NewRow(question, caller, now, _options.Value.Lifetime);
                context.Add(row);
                await context.SaveChangesAsync(token);
                if (!question.IsAlone && _outbox is not null)
                {
                    await _outbox.WriteSignInAsync(context, question.AccountId, row.Id, question.Language, now, row.ExpiresAt, token);
                }

                return (new PushAsked.Asked(Prompt(row, now)), row.Id, true);
            },
            cancellationToken);

        // A name that is nobody's leaves no trace in anybody's trail, but costs the same.
        if (isNew || id is null)
        {
            await _audit.WriteAsync("push_sign_in", id is null ? "limited" : "asked", question.AccountId, caller, caller.SessionId, CancellationToken.None);
        }

        return (asked, isNew ? id : null);
    }

    /// <summary>Goes on with a yes: for exactly one caller. The account that said it; null: there is no such yes (any more).</summary>
    internal async Task<(Guid AccountId, string Stamp)?> TryUseAsync(string binding, CancellationToken cancellationToken)
    {
        var since = _timeProvider.GetUtcNow() - FinishWithin;
        return await FindAsync(binding, cancellationToken) is { } row && await _database.WriteAsync(
            (context, token) => context.Set<PushSignInRow>()
                .Where(r => r.Id == row.Id && r.Status == PushStatus.Approved && r.DecidedAt > since)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.Status, PushStatus.Used), token),
            cancellationToken) == 1
                ? (row.AccountId, row.Stamp)
                : null;
    }

    /// <summary>An account that is none, always the same for a name: what is done for it costs what it would for a real one.</summary>
    internal Guid DecoyOf(string login) => new(HMACSHA256.HashData(_decoyKey, Encoding.UTF8.GetBytes(login.Trim().ToUpperInvariant())).AsSpan(0, 16));

    private Task<PushSignInRow?> FindAsync(string binding, CancellationToken cancellationToken) => _database.ReadAsync(
        (context, token) => context.Set<PushSignInRow>().Where(r => r.Binding == binding).OrderByDescending(r => r.CreatedAt).ThenByDescending(r => r.Id).FirstOrDefaultAsync(token),
        cancellationToken);

    // Under the account's lock: of fifty at once each sees those that were let through before it.
    // What anybody can ask for without the password, and the owner's noes to that, keep no phone from who has shown the password; the other way round they do.
    private async Task<TimeSpan?> FindWaitAsync(DbSet<PushSignInRow> rows, PushQuestion question, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var (since, accountId) = (now - RememberDenials, question.AccountId);
        var counted = rows.Where(r => r.AccountId == accountId && r.CreatedAt > since);
        var recent = await (question.IsAlone ? counted : counted.Where(r => !r.IsAlone)).OrderBy(r => r.CreatedAt)
            .Select(r => new { r.Status, r.CreatedAt, r.ExpiresAt, r.DecidedAt }).ToListAsync(cancellationToken);
        var pending = recent.Where(r => r.Status == PushStatus.Pending && r.ExpiresAt > now).ToList();
        var hour = recent.Where(r => r.CreatedAt > now - LimitWindow).ToList();
        var yes = recent.Where(r => r.Status is PushStatus.Approved or PushStatus.Used).Max(r => r.DecidedAt);
        var noes = recent.Where(r => r.Status is PushStatus.Denied or PushStatus.WrongNumber && (yes is null || r.DecidedAt > yes)).Select(r => r.DecidedAt!.Value).ToList();
        DateTimeOffset?[] until =
        [
            pending.Count >= MostPending ? pending.Min(r => r.ExpiresAt) : null,
            hour.Count >= _options.Value.RequestsPerAccount ? hour[^_options.Value.RequestsPerAccount].CreatedAt + LimitWindow : null,
            noes.Count > 0 ? noes.Max() + Delay(noes.Count) : null,
        ];
        return until.Max() is { } end && end > now ? end - now : null;
    }

    private TimeSpan Delay(int noes)
    {
        var delay = _options.Value.DenialDelay * Math.Pow(2, Math.Min(noes - 1, 16));
        return delay < LongestDelay ? delay : LongestDelay;
    }

    private static PushSignInRow NewRow(PushQuestion question, Caller caller, DateTimeOffset now, TimeSpan lifetime)
    {
        var numbers = new HashSet<int>();
        while (numbers.Count < 3)
        {
            numbers.Add(RandomNumberGenerator.GetInt32(10, 100));
        }

        string[] choices = [.. numbers.Select(number => number.ToString(CultureInfo.InvariantCulture))];
        return new()
        {
            Id = Guid.CreateVersion7(now),
            AccountId = question.AccountId,
            Binding = question.Binding,
            IsAlone = question.IsAlone,
            Stamp = question.Stamp,

            // Three at random in the order they came: which of them is the right one is random too.
            Number = choices[RandomNumberGenerator.GetInt32(choices.Length)],
            Choices = string.Join(' ', choices),
            Nonce = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32)),
            Status = PushStatus.Pending,
            ClientId = caller.ClientId,
            ClientName = question.ClientName is { } name ? Text.Cut(name, 200) : null,
            Ip = caller.Ip,
            UserAgent = caller.UserAgent,
            CreatedAt = now,
            ExpiresAt = now + lifetime,
        };
    }

    private static PushPrompt Prompt(PushSignInRow row, DateTimeOffset now) => new(
        row.Status switch
        {
            PushStatus.Pending when row.ExpiresAt > now => PushAnswer.Waiting,
            PushStatus.Approved when row.DecidedAt > now - FinishWithin => PushAnswer.Approved,
            PushStatus.Denied => PushAnswer.Denied,
            PushStatus.WrongNumber => PushAnswer.WrongNumber,
            _ => PushAnswer.Expired,
        },
        row.Number,
        row.ExpiresAt);
}
