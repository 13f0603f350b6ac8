using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Logging;
using MimeKit;

namespace Identity.Accounts.Delivery.Mail;

/// <summary>Mail as .eml files, while no SMTP_URL is set. Each appears whole or not at all; file names sort by time.</summary>
public sealed partial class FileMailSender(DeliverySettings settings, TimeProvider timeProvider, ILogger<FileMailSender> logger) : IMessageSender
{
    // RFC 5322 §2.1.1.
    private const int LongestLine = 998;

    public string Channel => "email";

    public async Task SendAsync(PersonalMessage message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        var now = timeProvider.GetUtcNow();
        var id = message.Id ?? Guid.CreateVersion7(now);
        using var mail = MimeMail.Compose(message, settings.From, id, now);

        // 8bit keeps the file readable for the developer who opens it.
        mail.Prepare(EncodingConstraint.EightBit, LongestLine);
        using var content = new MemoryStream();
        await mail.WriteToAsync(new FormatOptions { NewLineFormat = NewLineFormat.Dos }, content, cancellationToken);
        var file = await OutboxFile.WriteAsync(settings.OutboxDirectory, id, "eml", content.ToArray(), cancellationToken);
        LogWritten(file);
    }

    [LoggerMessage(3200, LogLevel.Information, "Mail written to {File}; set SMTP_URL to send it")]
    private partial void LogWritten(string file);
}
