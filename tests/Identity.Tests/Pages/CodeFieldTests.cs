using System.Text.RegularExpressions;
using Identity.Tests.Repository;

namespace Identity.Tests.Pages;

/// <summary>What people paste as a code has spaces, hyphens and marks that nobody sees around it; a browser cuts it at <c>maxlength</c> before anybody can drop them.</summary>
public sealed partial class CodeFieldTests
{
    [Fact]
    public void CodeField_OnEveryPage_HasRoomForWhatIsPasted()
    {
        var fields = Directory.GetFiles(Path.Combine(RepositoryRoot.Path, "src", "Identity.Server", "Pages"), "*.cshtml", SearchOption.AllDirectories)
            .SelectMany(file => CodeFields().Matches(File.ReadAllText(file)).Select(match => (File: Path.GetFileName(file), Field: match.Value)))
            .ToArray();
        Assert.True(fields.Length >= 7, $"{fields.Length} fields were found");
        Assert.All(fields, field => Assert.True(field.Field.Contains("maxlength=\"40\"", StringComparison.Ordinal), $"{field.File}: {field.Field}"));
    }

    [GeneratedRegex("<(?:field|input)\\b[^>]*(?:autocomplete=\"one-time-code\"|class=\"(?:code|otp)\")[^>]*>", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex CodeFields();
}
