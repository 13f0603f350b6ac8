// The wire contract: one normal form of addresses, numbers and codes on every way in.
using Identity.Accounts;
using Microsoft.Extensions.Options;

namespace Identity.Tests.Accounts;

public sealed class AccountRulesTests
{
    [Theory]
    [InlineData("+49 151 12345678", "+4915112345678")]
    [InlineData("+4915112345678", "+4915112345678")]
    [InlineData("0049 151 12345678", "+4915112345678")]
    [InlineData("+49 (0)151 12345678", "+4915112345678")]
    [InlineData("+49 (0) 151/123-456.78", "+4915112345678")]
    [InlineData("+1-202-555-0143", "+12025550143")]
    [InlineData("+1 (202) 555\u20110143", "+12025550143")]
    [InlineData("\u202A+49\u00A0151\u00A012345678\u202C", "+4915112345678")]
    [InlineData("\uFF0B\u0664\u0669151\uFF11\uFF12\uFF13\uFF14\uFF15\uFF16\uFF17\uFF18", "+4915112345678")]
    [InlineData("+39 06 6982", "+39066982")]
    public void PhoneNumber_AsPeopleWriteIt_IsOneNumber(string written, string number)
    {
        Assert.Equal(number, Rules(null).PhoneNumber(written));
        Assert.Equal(number, Rules("US").PhoneNumber(written));
    }

    [Fact]
    public void PhoneNumber_WithoutCountryCode_IsOneOfTheDefaultRegion()
    {
        Assert.Equal("+4915112345678", Rules("DE").PhoneNumber("0151 / 123 456 78"));
        Assert.Equal("+12025550143", Rules("US").PhoneNumber("(202) 555-0143"));
        Assert.Null(Rules(null).PhoneNumber("0151 / 123 456 78"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("+")]
    [InlineData("+49")]
    [InlineData("+999 123 456 789")]
    [InlineData("+49 151 CALL ME")]
    [InlineData("+49+151")]
    [InlineData("49151+12345678")]
    [InlineData("+4915112345678901234")]
    [InlineData("tel:+4915112345678")]
    [InlineData("+49 151 12345678;ext=5")]
    public void PhoneNumber_ThatIsNone_IsNull(string written) => Assert.Null(Rules("DE").PhoneNumber(written));

    [Theory]
    [InlineData("123456", "123456")]
    [InlineData("123 456", "123456")]
    [InlineData("123-456", "123456")]
    [InlineData("123\u2011456", "123456")]
    [InlineData("\u200B123\u00A0456\uFEFF", "123456")]
    [InlineData("\u0661\u0662\u0663\u0664\u0665\u0666", "123456")]
    [InlineData("\uFF10\uFF12\uFF13\uFF14\uFF15\uFF16", "023456")]
    [InlineData("\U0001D7CF\U0001D7D0\U0001D7D1\U0001D7D2\U0001D7D3\U0001D7D4", "123456")]
    [InlineData(" 1 2\t3\n4 5 6 ", "123456")]
    public void Code_AsPeopleEnterIt_IsItsDigits(string entered, string code) => Assert.Equal(code, AccountRules.Code(entered));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("12345")]
    [InlineData("1234567")]
    [InlineData("12345a")]
    [InlineData("123.456")]
    [InlineData("+123456")]
    [InlineData("1.2e5")]
    [InlineData("\u2160\u2161\u2162\u2163\u2164\u2165")]
    [InlineData("12345\u00B2")]
    public void Code_ThatIsNone_IsNull(string? entered) => Assert.Null(AccountRules.Code(entered));

    [Theory]
    [InlineData(" ada@example.com ", "ada@example.com")]
    [InlineData("\u200Bada@example.com\u00A0\t", "ada@example.com")]
    [InlineData("ada@b\u00FCcher.example", "ada@xn--bcher-kva.example")]
    [InlineData("ada@bu\u0308cher.example", "ada@xn--bcher-kva.example")]
    [InlineData("ada@B\u00DCCHER.example", "ada@xn--bcher-kva.example")]
    [InlineData("Zoe\u0308@example.com", "Zo\u00EB@example.com")]
    [InlineData("Ada@Example.com", "Ada@Example.com")]
    public void Email_AsPeopleEnterIt_IsOneAddress(string entered, string address) => Assert.Equal(address, AccountRules.Email(entered));

    [Theory]
    [InlineData(null)]
    [InlineData(" ")]
    [InlineData("ada example.com")]
    [InlineData("a\u200Bda@example.com")]
    [InlineData("ada@b\u00FC_cher.example")]
    [InlineData("ada@\u00FC..example")]
    public void Email_ThatIsNone_IsNull(string? entered) => Assert.Null(AccountRules.Email(entered));

    [Fact]
    public void Caller_WhenWhatItSaysIsLong_KeepsTheBeginningAndNoHalfCharacter()
    {
        var caller = new Caller("192.0.2.1", new string('x', 65_536)) { DeviceId = new string('d', 1000) };
        Assert.Equal((400, 200), (caller.UserAgent!.Length, caller.DeviceId!.Length));
        Assert.Equal(400, (caller with { UserAgent = new string('y', 500) }).UserAgent!.Length);
        Assert.Equal(new string('z', 399), (caller with { UserAgent = new string('z', 399) + "\U0001F600 and more" }).UserAgent);
        Assert.Null((caller with { UserAgent = "" }).UserAgent);
    }

    private static AccountRules Rules(string? region) => new(Options.Create(new AccountsOptions { DefaultRegion = region }));
}
