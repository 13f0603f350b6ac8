// What mails are written with: Liquid, by Fluid.
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Unicode;
using Fluid;

namespace Identity.Accounts.Delivery.Mail;

/// <summary>A file of the folder Templates. What fills its gaps is encoded for HTML where it is HTML; there is no way around that, and what is filled in is never read as a template.</summary>
internal sealed class MailTemplate
{
    private static readonly FluidParser Parser = new();

    // Letters of every script stay readable in the source of a mail.
    private static readonly HtmlEncoder Html = HtmlEncoder.Create(UnicodeRanges.All);

    private readonly IFluidTemplate _template;
    private readonly TextEncoder _encoder;

    private MailTemplate(IFluidTemplate template, TextEncoder encoder) => (_template, _encoder) = (template, encoder);

    /// <param name="name">The file.</param>
    public static MailTemplate Read(string name)
    {
        using var stream = typeof(MailTemplate).Assembly.GetManifestResourceStream("Identity.Accounts.Delivery.Mail.Templates." + name) ?? throw new InvalidOperationException("There is no template " + name);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return new MailTemplate(Parser.Parse(reader.ReadToEnd().ReplaceLineEndings("\n")), name.EndsWith(".html", StringComparison.Ordinal) ? Html : NullEncoder.Default);
    }

    /// <param name="values">A text, several, or null: a name that has none.</param>
    public string Fill(IReadOnlyDictionary<string, object?> values)
    {
        var context = new TemplateContext();
        foreach (var (name, value) in values)
        {
            context.SetValue(name, value);
        }

        return _template.Render(context, _encoder);
    }
}
