// WCAG 2.2 §1.3.5 (autocomplete), §3.3.1 and §3.3.3 (errors named, and what to do), §4.1.2 (name, role, value).
using System.Globalization;
using Identity.Accounts;
using Identity.Server.Hosting;
using Microsoft.AspNetCore.Mvc.Rendering;
using Microsoft.AspNetCore.Mvc.ViewFeatures;
using Microsoft.AspNetCore.Razor.TagHelpers;
using Microsoft.Extensions.Localization;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages.Tags;

/// <summary>
/// A labelled field with its hint and its error, tied together by aria-describedby: &lt;field for="Email" label="Field.Email" …&gt;.
/// Attributes it does not know go to the input. What was typed is kept, passwords and codes aside.
/// </summary>
[HtmlTargetElement("field", TagStructure = TagStructure.NormalOrSelfClosing)]
public sealed class FieldTag(IStringLocalizer<Texts> texts, IOptions<AccountsOptions> options) : TagHelper
{
    [HtmlAttributeName("for")]
    public required ModelExpression For { get; set; }

    /// <summary>Key of the label's text.</summary>
    [HtmlAttributeName("label")]
    public required string Label { get; set; }

    /// <summary>Key of the hint's text.</summary>
    [HtmlAttributeName("hint")]
    public string? Hint { get; set; }

    /// <summary>A hint that is already text.</summary>
    [HtmlAttributeName("hint-text")]
    public string? HintText { get; set; }

    [HtmlAttributeName("type")]
    public string Type { get; set; } = "text";

    /// <summary>Marks the field "(optional)".</summary>
    [HtmlAttributeName("optional")]
    public bool Optional { get; set; }

    /// <summary>Whether what was typed comes back after an error; null: yes, but not passwords.</summary>
    [HtmlAttributeName("keep")]
    public bool? Keep { get; set; }

    /// <summary>Focus on arrival, unless there is an error summary to take it.</summary>
    [HtmlAttributeName("first")]
    public bool First { get; set; }

    /// <summary>Beside the label: whether what is in the field is confirmed; null: nothing is said of that.</summary>
    [HtmlAttributeName("mark")]
    public bool? Mark { get; set; }

    [ViewContext]
    [HtmlAttributeNotBound]
    public required ViewContext ViewContext { get; set; }

    public override async Task ProcessAsync(TagHelperContext context, TagHelperOutput output)
    {
        var name = For.Name;
        var id = TagBuilder.CreateSanitizedId(name, "_");
        var entry = ViewContext.ModelState.TryGetValue(name, out var found) ? found : null;
        var errors = entry?.Errors.Select(error => error.ErrorMessage).ToArray() ?? [];
        var isPassword = string.Equals(Type, "password", StringComparison.Ordinal);
        var attributes = output.Attributes.ToArray();
        var choices = await output.GetChildContentAsync();

        output.Attributes.Clear();
        output.TagName = "div";
        output.TagMode = TagMode.StartTagAndEndTag;
        output.Attributes.SetAttribute("class", "field");

        var label = new TagBuilder("label");
        label.Attributes["for"] = id;
        label.InnerHtml.Append(texts[Label]);
        if (Optional)
        {
            var optional = new TagBuilder("span");
            optional.AddCssClass("optional");
            optional.InnerHtml.Append(texts["Field.Optional"]);
            label.InnerHtml.Append(" ").AppendHtml(optional);
        }

        if (Mark is { } confirmed)
        {
            var mark = new TagBuilder("span");
            mark.AddCssClass(confirmed ? "badge badge-success" : "badge badge-quiet");
            mark.InnerHtml.Append(texts[confirmed ? "Account.Confirmed" : "Account.NotConfirmed"]);
            label.InnerHtml.Append(" ").AppendHtml(mark);
        }

        output.Content.AppendHtml(label);

        var described = new List<string>();
        if ((HintText ?? (Hint is null ? null : texts[Hint].Value)) is { } hint)
        {
            AppendNote(output, id + "-hint", "hint", hint, described);
        }

        for (var i = 0; i < errors.Length; i++)
        {
            AppendNote(output, i == 0 ? id + "-error" : string.Create(CultureInfo.InvariantCulture, $"{id}-error-{i + 1}"), "field-error", errors[i], described);
        }

        var isSelect = string.Equals(Type, "select", StringComparison.Ordinal);
        var isText = string.Equals(Type, "textarea", StringComparison.Ordinal);
        var input = new TagBuilder(isSelect ? "select" : isText ? "textarea" : "input");
        if (!isSelect && !isText)
        {
            input.TagRenderMode = TagRenderMode.SelfClosing;
            input.Attributes["type"] = Type;
        }

        input.Attributes["id"] = id;
        input.Attributes["name"] = name;
        foreach (var attribute in attributes)
        {
            input.Attributes[attribute.Name] = attribute.ValueStyle == HtmlAttributeValueStyle.Minimized ? "" : attribute.Value?.ToString();
        }

        var value = entry?.AttemptedValue ?? Convert.ToString(For.Model, CultureInfo.InvariantCulture);
        if (isSelect)
        {
            input.InnerHtml.AppendHtml(choices);
        }
        else if (isText)
        {
            input.InnerHtml.Append("\n" + value);
        }
        else if ((Keep ?? !isPassword) && !string.IsNullOrEmpty(value))
        {
            input.Attributes["value"] = value;
        }

        if (described.Count > 0)
        {
            input.Attributes["aria-describedby"] = string.Join(' ', described);
        }

        if (errors.Length > 0)
        {
            input.Attributes["aria-invalid"] = "true";
        }

        if (First && ViewContext.ModelState.IsValid)
        {
            input.Attributes["autofocus"] = "";
        }

        if (!isPassword)
        {
            output.Content.AppendHtml(input);
            return;
        }

        // The script puts the button here; its words come from the page, which knows the language.
        input.Attributes["data-show"] = texts["Password.Show"];
        input.Attributes["data-hide"] = texts["Password.Hide"];
        input.Attributes["data-shown"] = texts["Password.Shown"];
        input.Attributes["data-hidden"] = texts["Password.Hidden"];
        input.Attributes["data-caps"] = texts["Password.CapsLock"];
        if (attributes.Any(attribute => attribute.Name == "autocomplete" && attribute.Value?.ToString() == "new-password"))
        {
            // The script counts into the gap that is left here.
            input.Attributes["data-length"] = texts["Password.Length", "{0}", options.Value.MinimumPasswordLength];
            input.Attributes["data-strength"] = PublicPath.Rooted(ViewContext.HttpContext.Request, StrengthEndpoint.Path);
            input.Attributes["data-strength-label"] = texts["Strength.Label"];
        }

        var wrapper = new TagBuilder("div");
        wrapper.AddCssClass("password");
        wrapper.InnerHtml.AppendHtml(input);
        output.Content.AppendHtml(wrapper);
    }

    private static void AppendNote(TagHelperOutput output, string id, string cssClass, string text, List<string> described)
    {
        var note = new TagBuilder("p");
        note.AddCssClass(cssClass);
        note.Attributes["id"] = id;
        note.InnerHtml.Append(text);
        output.Content.AppendHtml(note);
        described.Add(id);
    }
}
