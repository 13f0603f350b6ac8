// RFC 5322 (message format), RFC 2045-2047 (MIME), by MimeKit.
using System.Net.Mail;
using MimeKit;

namespace Identity.Accounts.Delivery.Mail;

/// <summary>A message to a person as a mail.</summary>
internal static class MimeMail
{
    /// <exception cref="FormatException">The address is none, or has more in it than one.</exception>
    public static MimeMessage Compose(PersonalMessage message, MailAddress from, Guid id, DateTimeOffset now)
    {
        var to = new MailAddress(message.To);
        var mail = new MimeMessage
        {
            // A line break would begin another header.
            Subject = (message.Subject ?? "").ReplaceLineEndings(" "),
            Date = now,
            MessageId = $"{id:N}@{from.Host}",
            Body = new BodyBuilder { TextBody = message.Text, HtmlBody = message.Html }.ToMessageBody(),
        };
        mail.From.Add(new MailboxAddress(from.DisplayName is { Length: > 0 } name ? name : (message.SenderName ?? "").ReplaceLineEndings(" "), from.Address));
        mail.To.Add(new MailboxAddress("", to.Address));
        // RFC 3834 §5: no out-of-office reply is wanted.
        mail.Headers.Add(HeaderId.AutoSubmitted, "auto-generated");
        return mail;
    }
}
