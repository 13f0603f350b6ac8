// RFC 2046 §5.1.4 (multipart/alternative): what people get by mail, as text and as HTML that says the same, from the templates beside this file.
using System.Globalization;
using Identity.Accounts.Texts;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.Delivery.Mail;

/// <summary>Where a mail leads.</summary>
/// <param name="Lead">The sentence before it.</param>
/// <param name="Label">On the button.</param>
/// <param name="Url">An address of ours.</param>
public sealed record MailLink(string Lead, string Label, string Url);

/// <summary>What a mail says, in the language it is written in.</summary>
/// <param name="Subject">Also its heading.</param>
/// <param name="Text">A paragraph a line.</param>
public sealed record MailContent(string Subject, string Text)
{
    /// <summary>Set apart, after the text, to be read at a glance and copied whole.</summary>
    public string? Code { get; init; }

    /// <summary>What is to be said of the code; a paragraph a line.</summary>
    public string? AfterCode { get; init; }

    public MailLink? Link { get; init; }

    /// <summary>Name of the application that it is for.</summary>
    public string? App { get; init; }
}

/// <summary>Writes mails: who sends them, whom they are for and why, in the person's language.</summary>
public sealed class MailComposer(IOptions<MailBrand> brand)
{
    private static readonly MailTemplate s_text = MailTemplate.Read("mail.txt");
    private static readonly MailTemplate s_html = MailTemplate.Read("mail.html");

    /// <summary>What the service is called, for messages that have no place for more.</summary>
    public string BrandName => brand.Value.Name.Trim();

    /// <param name="to">The address.</param>
    /// <param name="account">Whose it is. Greeted by name where the address is proven: before that the name is whatever a stranger typed, and a mail of ours would carry it to somebody else.</param>
    /// <param name="content">In <paramref name="culture"/>.</param>
    /// <param name="culture">The person's.</param>
    /// <param name="id">As in <see cref="PersonalMessage.Id"/>.</param>
    public PersonalMessage Compose(string to, Account? account, MailContent content, CultureInfo culture, Guid? id = null)
    {
        ArgumentNullException.ThrowIfNull(content);
        ArgumentNullException.ThrowIfNull(culture);
        var settings = brand.Value;
        var name = account is { EmailVerified: true, FirstName: { Length: > 0 } first } ? first : null;
        var values = new Dictionary<string, object?>(StringComparer.Ordinal)
        {
            ["lang"] = culture.Name,
            ["dir"] = culture.TextInfo.IsRightToLeft ? "rtl" : "ltr",
            ["subject"] = content.Subject,
            ["brand"] = BrandName,
            ["accent"] = settings.AccentColor,
            ["logo"] = Maybe(settings.LogoUrl),
            ["greeting"] = name is null ? AccountTexts.In(culture, "Mail.Hello") : AccountTexts.In(culture, "Mail.HelloName", name),
            ["paragraphs"] = Paragraphs(content.Text),
            ["code"] = Maybe(content.Code),
            ["after"] = Paragraphs(content.AfterCode ?? ""),
            ["url"] = Maybe(content.Link?.Url),
            ["lead"] = Maybe(content.Link?.Lead),
            ["label"] = Maybe(content.Link?.Label),
            ["app"] = Maybe(content.App is null ? null : AccountTexts.In(culture, "Mail.App", content.App)),
            ["why"] = AccountTexts.In(culture, "Mail.Why", BrandName),
            ["support"] = Maybe(settings.SupportUrl),
            ["help"] = AccountTexts.In(culture, "Mail.Help"),
        };
        return new(to, content.Subject, s_text.Fill(values), s_html.Fill(values), id) { SenderName = BrandName };
    }

    // Empty text is true in Liquid.
    private static string? Maybe(string? value) => string.IsNullOrEmpty(value) ? null : value;

    private static string[] Paragraphs(string text) => text.ReplaceLineEndings("\n").Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
