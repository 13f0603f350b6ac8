using System.Globalization;
using System.Net;
using System.Net.Mail;
using System.Text;
using Microsoft.Extensions.Configuration;

namespace Identity.ServiceDefaults.Settings;

/// <summary>How mail and SMS leave: SMTP_URL, MAIL_FROM, SMS_WEBHOOK_URL and SMS_WEBHOOK_SECRET, validated. Unset: files under <c>DATA_DIR/outbox</c>.</summary>
public sealed class DeliverySettings
{
    /// <summary>Where messages go as files while no server is set. Absolute; need not exist yet.</summary>
    public required string OutboxDirectory { get; init; }

    /// <summary>Sender of every mail.</summary>
    public required MailAddress From { get; init; }

    /// <summary>Null: mail goes to files.</summary>
    public SmtpSettings? Smtp { get; init; }

    /// <summary>Null: SMS go to files.</summary>
    public SmsWebhookSettings? SmsWebhook { get; init; }

    /// <summary>Null: there is no channel <c>push</c>.</summary>
    public PushSettings? Push { get; init; }

    /// <summary>Reads the settings; null, with a line per bad value in <paramref name="problems"/>, where one cannot be used.</summary>
    public static DeliverySettings? Read(IConfiguration configuration, ICollection<string> problems)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(problems);
        var before = problems.Count;
        var directory = Setting.Text(configuration, "DATA_DIR") ?? "data";
        var from = ReadFrom(configuration, problems);
        var smtp = ReadSmtp(configuration, problems);
        var webhook = ReadWebhook(configuration, problems);
        var push = PushSettings.Read(configuration, problems);
        return problems.Count > before
            ? null
            : new() { OutboxDirectory = Path.GetFullPath(Path.Combine(directory, "outbox")), From = from!, Smtp = smtp, SmsWebhook = webhook, Push = push };
    }

    private static MailAddress? ReadFrom(IConfiguration configuration, ICollection<string> problems)
    {
        var text = Setting.Text(configuration, "MAIL_FROM");
        if (text is null)
        {
            var host = Uri.TryCreate(Setting.Text(configuration, "PUBLIC_URL"), UriKind.Absolute, out var url) && url.HostNameType == UriHostNameType.Dns ? url.IdnHost : "localhost";
            return new MailAddress("no-reply@" + host);
        }

        if (!text.Any(char.IsControl) && MailAddress.TryCreate(text, out var address))
        {
            return address;
        }

        problems.Add("MAIL_FROM: expected an address such as no-reply@example.com or Example <no-reply@example.com>.");
        return null;
    }

    private static SmtpSettings? ReadSmtp(IConfiguration configuration, ICollection<string> problems)
    {
        const string Problem = "SMTP_URL: expected smtp+starttls://user:password@host:port, smtps:// for TLS from the first byte, or smtp:// without.";
        if (Setting.Text(configuration, "SMTP_URL") is not { } text)
        {
            return null;
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Host.Length == 0 || url.AbsolutePath is not ("" or "/"))
        {
            problems.Add(Problem);
            return null;
        }

        SmtpTls? tls = (url.Scheme, url.Query) switch
        {
            ("smtp", "") or ("smtp", "?starttls=off") => SmtpTls.Off,
            ("smtp", "?starttls=required") or ("smtp+starttls", "") => SmtpTls.StartTls,
            ("smtps", "") => SmtpTls.Implicit,
            _ => null,
        };
        var colon = url.UserInfo.IndexOf(':', StringComparison.Ordinal);
        if (tls is null || (url.UserInfo.Length > 0 && colon <= 0))
        {
            problems.Add(Problem);
            return null;
        }

        return new()
        {
            Host = url.IdnHost,
            // Submission (RFC 6409), which is where STARTTLS is at home, and submissions (RFC 8314 §7.3).
            Port = url.Port > 0 ? url.Port : tls switch { SmtpTls.StartTls => 587, SmtpTls.Implicit => 465, _ => 25 },
            Tls = tls.Value,
            UserName = colon > 0 ? Uri.UnescapeDataString(url.UserInfo[..colon]) : null,
            Password = colon > 0 ? Uri.UnescapeDataString(url.UserInfo[(colon + 1)..]) : null,
        };
    }

    private static SmsWebhookSettings? ReadWebhook(IConfiguration configuration, ICollection<string> problems)
    {
        var text = Setting.Text(configuration, "SMS_WEBHOOK_URL");
        var secret = Setting.Text(configuration, "SMS_WEBHOOK_SECRET");
        if (text is null)
        {
            if (secret is not null)
            {
                problems.Add("SMS_WEBHOOK_SECRET: expected only together with SMS_WEBHOOK_URL, which is unset.");
            }

            return null;
        }

        var before = problems.Count;
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.UserInfo.Length > 0 || !(url.Scheme is "https" || (url.Scheme is "http" && IsInside(url))))
        {
            problems.Add("SMS_WEBHOOK_URL: expected an https URL without user name (http only for loopback, a private address, or a name without a dot).");
        }

        if (secret is null || Encoding.UTF8.GetByteCount(secret) < 16)
        {
            problems.Add("SMS_WEBHOOK_SECRET: expected 16 bytes or more beside SMS_WEBHOOK_URL, to sign what is sent there.");
        }

        return problems.Count > before ? null : new() { Url = url!, Secret = Encoding.UTF8.GetBytes(secret!) };
    }

    // Neither a code nor anybody's data crosses a network in clear text that is not the operator's own.
    internal static bool IsInside(Uri url)
    {
        if (url.IsLoopback)
        {
            return true;
        }

        if (!IPAddress.TryParse(url.Host.Trim('[', ']'), out var address))
        {
            return !url.Host.Contains('.', StringComparison.Ordinal);
        }

        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4();
        }

        var bytes = address.GetAddressBytes();
        return bytes.Length == 4
            ? bytes[0] == 10 || (bytes[0] == 172 && bytes[1] is >= 16 and < 32) || (bytes[0] == 192 && bytes[1] == 168)
            : address.IsIPv6UniqueLocal;
    }
}

/// <summary>How the connection to a mail server is encrypted.</summary>
public enum SmtpTls
{
    Off,

    /// <summary>RFC 3207: from the STARTTLS command on.</summary>
    StartTls,

    /// <summary>RFC 8314 §3.3: from the first byte on.</summary>
    Implicit,
}

/// <summary>The mail server of SMTP_URL.</summary>
public sealed class SmtpSettings
{
    public required string Host { get; init; }

    public required int Port { get; init; }

    /// <summary>Required where it is on: no mail leaves in clear text then.</summary>
    public SmtpTls Tls { get; init; }

    public string? UserName { get; init; }

    /// <summary>Never logged.</summary>
    public string? Password { get; init; }

    /// <summary>What may be shown.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port}{Tls switch { SmtpTls.StartTls => " (STARTTLS)", SmtpTls.Implicit => " (TLS)", _ => "" }}");
}

/// <summary>The SMS gateway of SMS_WEBHOOK_URL.</summary>
public sealed class SmsWebhookSettings
{
    public required Uri Url { get; init; }

    /// <summary>HMAC-SHA256 key. Never logged.</summary>
    public required byte[] Secret { get; init; }

    /// <summary>Of one attempt.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Waits between attempts; their number is the number of retries.</summary>
    public IReadOnlyList<TimeSpan> RetryDelays { get; init; } = [TimeSpan.FromMilliseconds(300), TimeSpan.FromSeconds(2)];
}
