using System.Text;
using Identity.Accounts.Delivery;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Delivery.Mail;

/// <summary>Mail as .eml files, while no SMTP_URL is set. Each appears whole or not at all; file names sort by time.</summary>
public sealed partial class FileMailSender(DeliverySettings settings, TimeProvider timeProvider, ILogger<FileMailSender> logger) : IMessageSender
{
    public string Channel => "email";

    public async Task SendAsync(PersonalMessage message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        var now = timeProvider.GetUtcNow();
        var id = message.Id ?? Guid.CreateVersion7(now);
        var content = MailFile.Format(message, settings.From, id, now);
        var file = await OutboxFile.WriteAsync(settings.OutboxDirectory, id, "eml", Encoding.UTF8.GetBytes(content), cancellationToken);
        LogWritten(file);
    }

    [LoggerMessage(3200, LogLevel.Information, "Mail written to {File}; set SMTP_URL to send it")]
    private partial void LogWritten(string file);
}
