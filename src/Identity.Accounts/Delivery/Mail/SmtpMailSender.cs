// RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 8314 §3.3 (TLS from the first byte), by MailKit.
using System.Globalization;
using Identity.ServiceDefaults.Settings;
using MailKit.Net.Smtp;
using MailKit.Security;
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
                await SendAsync(smtp, message, id, cancellationToken);
                LogSent(smtp.Host, attempt + 1);
                return;
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested && attempt < s_retryDelays.Length && IsPassing(exception))
            {
                LogRetry(smtp.Host, attempt + 1, Reason(exception));
                await Task.Delay(s_retryDelays[attempt], timeProvider, cancellationToken);
            }
        }
    }

    private async Task SendAsync(SmtpSettings smtp, PersonalMessage message, Guid id, CancellationToken stopping)
    {
        using var mail = Compose(message, id);
        using var timeout = new CancellationTokenSource(s_timeout);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, timeout.Token);
        using var client = await ConnectAsync(smtp, either.Token);
        stopping.ThrowIfCancellationRequested();
        try
        {
            // Not ended by a stop: half a mail may arrive.
            await client.SendAsync(mail, timeout.Token);
        }
        catch (SmtpCommandException exception) when ((int)exception.StatusCode is >= 500)
        {
            throw new MessageRefusedException(Reason(exception));
        }

        try
        {
            await client.DisconnectAsync(quit: true, timeout.Token);
        }
        catch (Exception exception)
        {
            // The mail is taken: a goodbye that fails must not send it again.
            LogNoGoodbye(smtp.Host, Reason(exception));
        }
    }

    private MimeKit.MimeMessage Compose(PersonalMessage message, Guid id)
    {
        try
        {
            return MimeMail.Compose(message, settings.From, id, timeProvider.GetUtcNow());
        }
        catch (FormatException)
        {
            throw new MessageRefusedException("not an address");
        }
    }

    /// <summary>A connection that is ready for mail: encrypted and signed in, as SMTP_URL says.</summary>
    /// <exception cref="NotSupportedException">STARTTLS is required and not offered, or there is no way to sign in.</exception>
    public static async Task<SmtpClient> ConnectAsync(SmtpSettings smtp, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(smtp);

        // Revocation is asked for over networks that mail hosts often do not reach; a certificate that is expired or another's is refused.
        var client = new SmtpClient { CheckCertificateRevocation = false };
        try
        {
            var security = smtp.Tls switch
            {
                SmtpTls.Implicit => SecureSocketOptions.SslOnConnect,
                SmtpTls.StartTls => SecureSocketOptions.StartTls,
                _ => SecureSocketOptions.None,
            };
            await client.ConnectAsync(smtp.Host, smtp.Port, security, cancellationToken);
            if (smtp.UserName is not null)
            {
                await client.AuthenticateAsync(smtp.UserName, smtp.Password ?? "", cancellationToken);
            }

            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    // RFC 5321 §4.2.1: 4xx passes, 5xx does not. No answer at all, or half of one, may pass too.
    private static bool IsPassing(Exception exception) => exception switch
    {
        SmtpCommandException command => (int)command.StatusCode is >= 400 and < 500,
        SmtpProtocolException or OperationCanceledException or IOException or System.Net.Sockets.SocketException => true,
        _ => false,
    };

    // What a server says may hold the person's address.
    private static string Reason(Exception exception) =>
        exception is SmtpCommandException command ? ((int)command.StatusCode).ToString(CultureInfo.InvariantCulture) : exception.GetType().Name;

    [LoggerMessage(3201, LogLevel.Information, "Mail handed to {Host} at attempt {Attempt}")]
    private partial void LogSent(string host, int attempt);

    [LoggerMessage(3202, LogLevel.Warning, "Mail could not be handed to {Host} at attempt {Attempt} ({Reason}); trying again")]
    private partial void LogRetry(string host, int attempt, string reason);

    [LoggerMessage(3203, LogLevel.Debug, "{Host} took the mail and did not say goodbye ({Reason})")]
    private partial void LogNoGoodbye(string host, string reason);
}
