using Identity.Accounts.Export;

namespace Identity.Tests.Accounts;

public sealed class CsvCellTests
{
    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("", "")]
    [InlineData("a=b", "a=b")]
    [InlineData("=1+1", "'=1+1")]
    [InlineData("+1", "'+1")]
    [InlineData("-1", "'-1")]
    [InlineData("@SUM(A1)", "'@SUM(A1)")]
    [InlineData("\t=1", "'\t'=1")]
    [InlineData("\r=1", "'\r'=1")]
    [InlineData("\uFF1D1", "'\uFF1D1")]
    [InlineData(" =1", " '=1")]
    [InlineData("\"=1\"", "\"'=1\"")]
    [InlineData("a;=1", "a;'=1")]
    [InlineData("a,\"-1", "a,\"'-1")]
    [InlineData("'t Hooft", "''t Hooft")]
    [InlineData("O'Neil", "O'Neil")]
    public void Guard_OfWhatCouldBeAFormula_PutsAnApostropheBeforeIt(string text, string guarded)
    {
        Assert.Equal(guarded, CsvCell.Guard(text));
        Assert.Equal(text, CsvCell.Unguard(guarded));
    }

    [Theory]
    [InlineData("'t Hooft")]
    [InlineData("it's")]
    public void Unguard_OfATextThatWasNeverGuarded_LeavesIt(string text) => Assert.Equal(text, CsvCell.Unguard(text));

    [Fact]
    public void Unguard_OfAnyTextThatWasGuarded_GivesItBack()
    {
        const string Letters = "a'=+-@;,\t\r\n\" \uFF1D";
        var random = new Random(7);
        for (var i = 0; i < 20_000; i++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(8)).Select(_ => Letters[random.Next(Letters.Length)]));
            var guarded = CsvCell.Guard(text);
            Assert.Equal(text, CsvCell.Unguard(guarded));
            Assert.All(guarded.Split(';', ',', '\t', '\r', '\n'), piece => Assert.False(piece.TrimStart('"', ' ') is ['=' or '+' or '-' or '@' or '\uFF1D', ..], guarded));
        }
    }
}
