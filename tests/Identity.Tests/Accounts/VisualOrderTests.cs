using System.Text;
using Identity.Accounts.Export;

namespace Identity.Tests.Accounts;

/// <summary>What stands in a pdf from left to right. Expected values are written as code points, since an editor would turn them around.</summary>
public sealed class VisualOrderTests
{
    [Theory]
    // Arabic letters in their joined forms, the last at the left: meem-hah-meem-dal.
    [InlineData("\u0645\u062D\u0645\u062F", "\uFEAA\uFEE4\uFEA4\uFEE3")]
    // Seen, lam with alef as one, meem, which stands alone after alef.
    [InlineData("\u0633\u0644\u0627\u0645", "\uFEE1\uFEFC\uFEB3")]
    // Marks stay behind their letter, and do not part letters that join: beh with fatha, teh.
    [InlineData("\u0628\u064E\u062A", "\uFE96\uFE91\u064E")]
    // Persian peh, and yeh of its own.
    [InlineData("\u067E\u06CC", "\uFBFD\uFB58")]
    // Hebrew has no forms; brackets are mirrored, numbers stay as they are.
    [InlineData("(\u05D0\u05D1) 12", "12 (\u05D1\u05D0)")]
    [InlineData("\u05D0 2026-01-02 \u05D1", "\u05D1 2026-01-02 \u05D0")]
    // In a line that begins otherwise only their own part is turned.
    [InlineData("Ada \u05D0\u05D1 (x)", "Ada \u05D1\u05D0 (x)")]
    [InlineData("\u05D0\u05D1 Ada B.", ".Ada B \u05D1\u05D0")]
    [InlineData("Jos\u00E9 \u4E2D", "Jos\u00E9 \u4E2D")]
    [InlineData("", "")]
    public void Line_WhenItHasLettersFromRightToLeft_IsTurnedAndJoined(string text, string drawn) => Assert.Equal(Escaped(drawn), Escaped(VisualOrder.Of(text)));

    [Fact]
    public void Line_WhateverItHolds_KeepsEveryCharacter()
    {
        const string alphabet = "ab (\u05D0\u05D1\u0627\u0628\u0644\u064E\u064012-.\u00AB\u00BB\u4E2D";
        var random = new Random(20261129);
        for (var i = 0; i < 2_000; i++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => alphabet[random.Next(alphabet.Length)]));
            var drawn = VisualOrder.Of(text).Normalize(NormalizationForm.FormKC);
            Assert.Equal(Counted(text), Counted(drawn));
        }

        // Brackets may be mirrored.
        static string Counted(string text) => string.Concat(text.Select(letter => letter switch { ')' => '(', '\u00BB' => '\u00AB', _ => letter }).Order());
    }

    private static string Escaped(string text) => string.Join(' ', text.Select(letter => ((int)letter).ToString("X4", System.Globalization.CultureInfo.InvariantCulture)));
}
