using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Devices;
using Identity.Accounts.Events;
using Identity.Accounts.Texts;
using Identity.ServiceDefaults.Settings;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.Delivery.Push;

/// <summary>
/// The channel <c>push</c>: writes a message for each device of an account into the store, from where <see cref="PushDelivery"/> sends it,
/// in this process or another, now or after a restart.
/// </summary>
public sealed class PushOutbox : IMessageSender
{
    private readonly StoreDatabase _database;
    private readonly SealedText _bodies;
    private readonly IOptions<AccountsOptions> _options;
    private readonly TimeProvider _timeProvider;

    internal PushOutbox(StoreDatabase database, MasterKey masterKey, PushSettings settings, IOptions<AccountsOptions> options, TimeProvider timeProvider)
    {
        (_database, _options, _timeProvider) = (database, options, timeProvider);
        _bodies = new SealedText(masterKey, "push-message");
        Platforms = [.. new[] { (settings.Fcm is not null, DevicePlatforms.Android), (settings.Apns is not null, DevicePlatforms.Ios) }.Where(p => p.Item1).Select(p => p.Item2)];
    }

    public string Channel => "push";

    /// <summary>Those that have a provider.</summary>
    internal string[] Platforms { get; }

    /// <summary>A message to an account (<see cref="PersonalMessage.To"/> is its id), on every device it has, or on those with a key where it opens the account. Handed over again with the same id it is not doubled.</summary>
    public Task SendAsync(PersonalMessage message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        var now = _timeProvider.GetUtcNow();
        if (message.SignIn is { } question)
        {
            return _database.TransactAsync(
                async (context, token) => await WriteAsync(context, Guid.ParseExact(message.To, "N"), question.Id, PushKinds.SignIn, SignIn(message.Subject ?? "", message.Text, question.Id), now, question.ExpiresAt, message.OpensAccount, token),
                cancellationToken);
        }

        var content = new PushContent(message.Subject ?? "", message.Text, new Dictionary<string, string>(StringComparer.Ordinal) { ["type"] = PushKinds.Code });
        return _database.TransactAsync(
            async (context, token) => await WriteAsync(context, Guid.ParseExact(message.To, "N"), message.Id ?? Guid.CreateVersion7(now), PushKinds.Code, content, now, message.ExpiresAt ?? now + _options.Value.OneTimeCodeLifetime, withKeyOnly: message.OpensAccount, token),
            cancellationToken);
    }

    /// <summary>Asks the devices that have a key about a sign-in, in the transaction that stores it. The message says that there is one, and which; place, app and numbers are for who proves the key.</summary>
    internal Task<int> WriteSignInAsync(IdentityDbContext context, Guid accountId, Guid signInId, CultureInfo language, DateTimeOffset now, DateTimeOffset expiresAt, CancellationToken cancellationToken) =>
        WriteAsync(context, accountId, signInId, PushKinds.SignIn, SignIn(AccountTexts.In(language, "PushSignInTitle"), AccountTexts.In(language, "PushSignInText"), signInId), now, expiresAt, withKeyOnly: true, cancellationToken);

    private static PushContent SignIn(string title, string text, Guid signInId) =>
        new(title, text, new Dictionary<string, string>(StringComparer.Ordinal) { ["type"] = PushKinds.SignIn, ["signInId"] = signInId.ToString() });

    /// <summary>A row per device, in the transaction of whoever has something to tell; how many. Takes the account's outbox lock, as whatever removes a device does: none goes between reading it and writing to it.</summary>
    internal async Task<int> WriteAsync(IdentityDbContext context, Guid accountId, Guid messageId, string kind, PushContent content, DateTimeOffset now, DateTimeOffset expiresAt, bool withKeyOnly, CancellationToken cancellationToken)
    {
        await SqlOutbox.LockAsync(_database, context, accountId, cancellationToken);
        var devices = await context.Set<DeviceRow>()
            .Where(r => r.AccountId == accountId && Platforms.Contains(r.Platform) && (!withKeyOnly || r.PublicKey != null))
            .Select(r => r.Id)
            .ToListAsync(cancellationToken);
        var body = JsonSerializer.Serialize(content);
        var written = 0;
        foreach (var device in devices)
        {
            var id = RowId(messageId, device);
            if (await context.Set<PushMessageRow>().AnyAsync(r => r.Id == id, cancellationToken))
            {
                continue;
            }

            context.Add(new PushMessageRow
            {
                Id = id,
                DeviceId = device,
                AccountId = accountId,
                Kind = kind,
                SealedBody = _bodies.Seal(body, id),
                CreatedAt = now,
                ExpiresAt = expiresAt,
                NextAttemptAt = now,
            });
            written++;
        }

        await context.SaveChangesAsync(cancellationToken);
        return written;
    }

    internal PushMessage Open(PushMessageRow row)
    {
        var content = JsonSerializer.Deserialize<PushContent>(_bodies.Open(row.SealedBody, row.Id))!;
        return new(row.Id, content.Title, content.Text, content.Data, row.ExpiresAt);
    }

    // The same for the same message and device, so that a repeat is seen; made like a version 8 UUID (RFC 9562 §5.8).
    private static Guid RowId(Guid messageId, Guid deviceId)
    {
        Span<byte> both = stackalloc byte[32];
        messageId.TryWriteBytes(both, bigEndian: true, out _);
        deviceId.TryWriteBytes(both[16..], bigEndian: true, out _);
        var hash = SHA256.HashData(both).AsSpan(0, 16);
        BinaryPrimitives.WriteUInt16BigEndian(hash[6..], (ushort)((BinaryPrimitives.ReadUInt16BigEndian(hash[6..]) & 0x0FFF) | 0x8000));
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new(hash, bigEndian: true);
    }
}

/// <summary>What is sealed of a push message.</summary>
internal sealed record PushContent(string Title, string Text, Dictionary<string, string> Data);
