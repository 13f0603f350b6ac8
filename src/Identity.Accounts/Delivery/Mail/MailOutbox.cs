// As Delivery/Push/PushOutbox.cs does for devices: mails that must not be lost wait in the store, sealed.
using System.Text.Json;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Data.Tables;

namespace Identity.Accounts.Delivery.Mail;

/// <summary>Writes notices into the store, from where <see cref="MailDelivery"/> sends them.</summary>
/// <param name="bodies">Seals the mails. Made with the first of them: who only reads accounts needs no master key.</param>
internal sealed class MailOutbox(Lazy<SealedText> bodies)
{
    /// <summary>What the bodies' key is derived for.</summary>
    public const string Purpose = "mail-message";

    /// <summary>RFC 5321 §4.5.4.1 has servers try for four to five days. The link in it is good for a week, so that there are days left to follow it.</summary>
    public static readonly TimeSpan TriedFor = TimeSpan.FromDays(4);

    /// <summary>Adds the notices, and the links in them, to what the caller saves next; once that is committed, this process looks for them.</summary>
    public void Add(IdentityDbContext context, params IReadOnlyList<Notice?> notices)
    {
        foreach (var notice in notices.OfType<Notice>())
        {
            if (notice.Link is { } link)
            {
                context.Add(new AccessNoticeRow { Key = link.Key, AccountId = link.AccountId, Change = link.Change.ToString(), EmailBefore = link.EmailBefore, ExpiresAt = link.ExpiresAt });
            }

            context.Add(new MailMessageRow
            {
                Id = notice.Id,
                AccountId = notice.AccountId,
                Kind = notice.Kind,
                SealedBody = bodies.Value.Seal(JsonSerializer.Serialize(notice.Mail with { Id = notice.Id }), notice.Id),
                CreatedAt = notice.At,
                ExpiresAt = notice.At + TriedFor,
                NextAttemptAt = notice.At,
            });
            context.MailAdded();
        }
    }

    /// <exception cref="System.Security.Cryptography.CryptographicException">It was sealed under another master key.</exception>
    public PersonalMessage Open(MailMessageRow row) => JsonSerializer.Deserialize<PersonalMessage>(bodies.Value.Open(row.SealedBody, row.Id))!;
}
