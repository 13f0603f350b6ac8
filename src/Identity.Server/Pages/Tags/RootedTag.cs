// RFC 3986 §4.2: pages write their links from our root, wherever PUBLIC_URL puts that.
using Identity.Server.Hosting;
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
            if (output.Attributes[name]?.Value?.ToString() is { } address && address.StartsWith('/'))
            {
                output.Attributes.SetAttribute(name, PublicPath.Rooted(ViewContext.HttpContext.Request, address));
            }
        }
    }
}
