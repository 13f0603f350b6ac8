// RFC 5322 (message format), RFC 2045-2047 (MIME).
using System.Globalization;
using System.Net.Mail;
using System.Text;
using Identity.Accounts.Delivery;

namespace Identity.Accounts.Delivery.Mail;

/// <summary>A mail as the text of an .eml file.</summary>
internal static class MailFile
{
    public static string Format(PersonalMessage message, MailAddress from, Guid id, DateTimeOffset now)
    {
        var text = new StringBuilder();
        Header(text, "From", Address(from));
        Header(text, "To", Address(new MailAddress(message.To)));
        Header(text, "Subject", Encoded(message.Subject ?? ""));
        Header(text, "Date", now.ToString("ddd, dd MMM yyyy HH:mm:ss +0000", CultureInfo.InvariantCulture));
        Header(text, "Message-ID", $"<{id:N}@{from.Host}>");
        // RFC 3834 §5: no out-of-office reply is wanted.
        Header(text, "Auto-Submitted", "auto-generated");
        Header(text, "MIME-Version", "1.0");
        if (message.Html is null)
        {
            Part(text, "text/plain", message.Text);
            return text.ToString();
        }

        var boundary = $"=_{id:N}";
        Header(text, "Content-Type", $"multipart/alternative; boundary=\"{boundary}\"");
        text.Append("\r\n--").Append(boundary).Append("\r\n");
        Part(text, "text/plain", message.Text);
        text.Append("\r\n--").Append(boundary).Append("\r\n");
        Part(text, "text/html", message.Html);
        text.Append("\r\n--").Append(boundary).Append("--\r\n");
        return text.ToString();
    }

    private static void Header(StringBuilder text, string name, string value) => text.Append(name).Append(": ").Append(value).Append("\r\n");

    private static void Part(StringBuilder text, string type, string content)
    {
        var lines = content.ReplaceLineEndings("\r\n");
        // RFC 5322 §2.1.1: 998 characters a line; 8bit keeps the file readable for the developer who opens it.
        var readable = lines.Split("\r\n").All(line => Encoding.UTF8.GetByteCount(line) <= 998);
        Header(text, "Content-Type", $"{type}; charset=utf-8");
        Header(text, "Content-Transfer-Encoding", readable ? "8bit" : "base64");
        text.Append("\r\n");
        text.Append(readable ? lines : Convert.ToBase64String(Encoding.UTF8.GetBytes(lines), Base64FormattingOptions.InsertLineBreaks));
        if (!lines.EndsWith("\r\n", StringComparison.Ordinal))
        {
            text.Append("\r\n");
        }
    }

    private static string Address(MailAddress address) =>
        address.DisplayName.Length == 0 ? address.Address
        : address.DisplayName.All(c => char.IsAsciiLetterOrDigit(c) || c == ' ') ? $"{address.DisplayName} <{address.Address}>"
        : $"{Encoded(address.DisplayName, always: true)} <{address.Address}>";

    // RFC 2047 §2: an encoded word is at most 75 characters, so 45 bytes of content each, cut between characters.
    private static string Encoded(string value, bool always = false)
    {
        if (!always && value.Length <= 900 && value.All(c => c is >= ' ' and <= '~'))
        {
            return value;
        }

        var words = new List<string>();
        var word = new StringBuilder();
        var bytes = 0;
        foreach (var rune in value.EnumerateRunes())
        {
            if (bytes + rune.Utf8SequenceLength > 45)
            {
                Flush();
            }

            word.Append(rune);
            bytes += rune.Utf8SequenceLength;
        }

        Flush();
        return string.Join("\r\n ", words);

        void Flush()
        {
            words.Add($"=?utf-8?B?{Convert.ToBase64String(Encoding.UTF8.GetBytes(word.ToString()))}?=");
            word.Clear();
            bytes = 0;
        }
    }
}
