// RFC 5321 (SMTP), RFC 3207 (STARTTLS).
using System.Net.Mail;
using System.Text;
using Identity.Accounts.Delivery;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Delivery.Mail;

/// <summary>Mail through the server of SMTP_URL.</summary>
public sealed partial class SmtpMailSender(DeliverySettings settings, TimeProvider timeProvider, ILogger<SmtpMailSender> logger) : IMessageSender
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan[] s_retryDelays = [TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(2)];

    public string Channel => "email";

    public async Task SendAsync(PersonalMessage message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        var smtp = settings.Smtp ?? throw new InvalidOperationException("SMTP_URL is not set.");
        // One id for all attempts: a server that took the mail although we saw a failure can drop the repeat.
        var id = message.Id ?? Guid.CreateVersion7(timeProvider.GetUtcNow());
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                using var mail = Compose(message, id);
                using var client = new SmtpClient(smtp.Host, smtp.Port) { EnableSsl = smtp.StartTls };
                if (smtp.UserName is not null)
                {
                    client.Credentials = new System.Net.NetworkCredential(smtp.UserName, smtp.Password);
                }

                // SmtpClient.Timeout is for its synchronous methods only.
                using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                timeout.CancelAfter(s_timeout);
                await client.SendMailAsync(mail, timeout.Token);
                LogSent(smtp.Host, attempt + 1);
                return;
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested && attempt < s_retryDelays.Length && IsPassing(exception))
            {
                LogRetry(exception, smtp.Host, attempt + 1);
                await Task.Delay(s_retryDelays[attempt], timeProvider, cancellationToken);
            }
        }
    }

    private MailMessage Compose(PersonalMessage message, Guid id)
    {
        var mail = new MailMessage(settings.From, new MailAddress(message.To))
        {
            Subject = message.Subject ?? "",
            SubjectEncoding = Encoding.UTF8,
            Body = message.Text,
            BodyEncoding = Encoding.UTF8,
        };
        if (message.Html is not null)
        {
            mail.AlternateViews.Add(AlternateView.CreateAlternateViewFromString(message.Html, Encoding.UTF8, "text/html"));
        }

        mail.Headers.Add("Message-ID", $"<{id:N}@{settings.From.Host}>");
        mail.Headers.Add("Auto-Submitted", "auto-generated");
        return mail;
    }

    // RFC 5321 §4.2.1: 4xx passes, 5xx does not. No answer at all may pass too.
    private static bool IsPassing(Exception exception) => exception switch
    {
        SmtpException smtp => (int)smtp.StatusCode is < 0 or >= 400 and < 500,
        OperationCanceledException or IOException or System.Net.Sockets.SocketException => true,
        _ => false,
    };

    [LoggerMessage(3201, LogLevel.Information, "Mail handed to {Host} at attempt {Attempt}")]
    private partial void LogSent(string host, int attempt);

    [LoggerMessage(3202, LogLevel.Warning, "Mail could not be handed to {Host} at attempt {Attempt}; trying again")]
    private partial void LogRetry(Exception exception, string host, int attempt);
}
