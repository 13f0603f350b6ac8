// Unicode Standard Annex #15: normal forms, of whatever a stranger sends.
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts;

/// <summary>Normal forms that never throw.</summary>
internal static class UnicodeText
{
    /// <summary>The normal form; the text itself where it has none: half a surrogate pair and U+FFFE are no text, and the platform throws for them.</summary>
    public static string ToNormalForm(this string text, NormalizationForm form)
    {
        try
        {
            return text.Normalize(form);
        }
        catch (ArgumentException)
        {
            return text;
        }
    }

    /// <summary>Without white space and invisible marks at either end, which come along when text is copied.</summary>
    public static string WithoutEdges(this string text)
    {
        var (start, end) = (0, text.Length);
        while (start < end && IsEdge(text[start]))
        {
            start++;
        }

        while (end > start && IsEdge(text[end - 1]))
        {
            end--;
        }

        return text[start..end];
    }

    private static bool IsEdge(char c) => char.IsWhiteSpace(c) || char.GetUnicodeCategory(c) == UnicodeCategory.Format;
}

/// <summary>Names and addresses as they are looked up: as ASP.NET Core Identity does it, and without an exception for what is no text.</summary>
public sealed class LookupNormalizer : ILookupNormalizer
{
    public string? NormalizeName(string? name) => name?.ToNormalForm(NormalizationForm.FormC).ToUpperInvariant();

    public string? NormalizeEmail(string? email) => NormalizeName(email);
}
