// RFC 2046 §5.1.4 (multipart/alternative): what people get by mail, as text and as HTML that says the same.
using System.Globalization;
using System.Net;
using System.Text;

namespace Identity.Accounts.Delivery.Mail;

/// <summary>Where a mail leads.</summary>
/// <param name="Lead">The sentence before it.</param>
/// <param name="Label">On the button.</param>
/// <param name="Url">An address of ours.</param>
public sealed record MailLink(string Lead, string Label, string Url);

/// <summary>Composes mails: one paragraph a line of the text, and a link.</summary>
public static class MailText
{
    public static PersonalMessage Compose(string to, string subject, string text, CultureInfo culture, MailLink? link = null, Guid? id = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(culture);
        var paragraphs = text.ReplaceLineEndings("\n").Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var plain = string.Join("\n\n", link is null ? paragraphs : [.. paragraphs, $"{link.Lead}\n{link.Url}"]);
        return new(to, subject, plain, Html(subject, paragraphs, culture, link), id);
    }

    // Styles stand at the elements: mail programs drop style sheets. No image and nothing from elsewhere, so that opening it tells nobody.
    private static string Html(string subject, string[] paragraphs, CultureInfo culture, MailLink? link)
    {
        var html = new StringBuilder();
        html.Append("<!DOCTYPE html>\n<html lang=\"").Append(culture.TwoLetterISOLanguageName).Append("\" dir=\"").Append(culture.TextInfo.IsRightToLeft ? "rtl" : "ltr").Append("\">\n")
            .Append("<head><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\"><title>").Append(WebUtility.HtmlEncode(subject)).Append("</title></head>\n")
            .Append("<body style=\"margin:0;padding:24px;font:16px/1.5 system-ui,sans-serif\">\n<div style=\"max-width:480px;margin:0 auto\">\n")
            .Append("<h1 style=\"font-size:20px;margin:0 0 16px\">").Append(WebUtility.HtmlEncode(subject)).Append("</h1>\n");
        foreach (var paragraph in paragraphs)
        {
            html.Append("<p style=\"margin:0 0 16px\">").Append(WebUtility.HtmlEncode(paragraph)).Append("</p>\n");
        }

        if (link is not null)
        {
            html.Append("<p style=\"margin:0 0 8px\">").Append(WebUtility.HtmlEncode(link.Lead)).Append("</p>\n<p style=\"margin:0 0 16px\"><a href=\"").Append(WebUtility.HtmlEncode(link.Url))
                .Append("\" style=\"display:inline-block;padding:12px 20px;border:1px solid;border-radius:8px;text-decoration:none\">").Append(WebUtility.HtmlEncode(link.Label)).Append("</a></p>\n");
        }

        return html.Append("</div>\n</body>\n</html>\n").ToString();
    }
}
