// RFC 3986 §4.2: pages write their links from our root, wherever PUBLIC_URL puts that.
using System.Globalization;
using System.Text.Encodings.Web;
using Identity.Server.Hosting;
using Microsoft.AspNetCore.Html;
using Microsoft.AspNetCore.Mvc.Rendering;
using Microsoft.AspNetCore.Mvc.ViewFeatures;
using Microsoft.AspNetCore.Razor.TagHelpers;

namespace Identity.Server.Pages.Tags;

/// <summary>Puts the public path before links, forms, pictures and buttons that begin with a slash.</summary>
[HtmlTargetElement("a", Attributes = "href")]
[HtmlTargetElement("link", Attributes = "href", TagStructure = TagStructure.WithoutEndTag)]
[HtmlTargetElement("img", Attributes = "src", TagStructure = TagStructure.WithoutEndTag)]
[HtmlTargetElement("form", Attributes = "action")]
[HtmlTargetElement("button", Attributes = "formaction")]
public sealed class RootedTag : TagHelper
{
    private static readonly string[] Names = ["href", "src", "action", "formaction"];

    [ViewContext]
    [HtmlAttributeNotBound]
    public required ViewContext ViewContext { get; set; }

    /// <summary>After the framework's own, which write addresses too.</summary>
    public override int Order => 1_000;

    public override void Process(TagHelperContext context, TagHelperOutput output)
    {
        ArgumentNullException.ThrowIfNull(output);
        foreach (var name in Names)
        {
            if (output.Attributes[name] is not { } attribute)
            {
                continue;
            }

            // What the page's author or another tag helper wrote is encoded already; what a tag helper set as text is not.
            var isEncoded = attribute.Value is IHtmlContent;
            var address = Text(attribute.Value);
            var rooted = PublicPath.Rooted(ViewContext.HttpContext.Request, address);
            if (rooted != address)
            {
                output.Attributes.SetAttribute(new TagHelperAttribute(name, isEncoded ? new HtmlString(rooted) : rooted, attribute.ValueStyle));
            }
        }
    }

    private static string Text(object value)
    {
        if (value is not IHtmlContent html)
        {
            return value.ToString() ?? "";
        }

        using var writer = new StringWriter(CultureInfo.InvariantCulture);
        html.WriteTo(writer, HtmlEncoder.Default);
        return writer.ToString();
    }
}
