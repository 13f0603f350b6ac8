using Identity.Accounts.Registration;

namespace Identity.Tests.Accounts.Registration;

public sealed class EmailAddressTests
{
    [Theory]
    [InlineData("ada@example.com")]
    [InlineData("a@b.c")]
    [InlineData("ada.lovelace+news@mail.example.co.uk")]
    [InlineData("o'hara_1@example.com")]
    [InlineData("jörg@müller.example")]
    public void Address_OfAPerson_IsWellFormed(string address) => Assert.True(EmailAddress.IsWellFormed(address));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("ada")]
    [InlineData("@example.com")]
    [InlineData("ada@")]
    [InlineData("ada@@example.com")]
    [InlineData("ada@example.com\n")]
    [InlineData("ada@example.com\r\nBcc: eve@example.com")]
    [InlineData(" ada@example.com")]
    [InlineData("ada @example.com")]
    [InlineData("ada,eve@example.com")]
    [InlineData("ada;eve@example.com")]
    [InlineData("Ada <ada@example.com>")]
    [InlineData("\"ada\"@example.com")]
    [InlineData("ada@[127.0.0.1]")]
    [InlineData("ada\u0000@example.com")]
    [InlineData("ada\u202e@example.com")]
    public void Address_ThatIsNoneOrMoreThanOne_IsNot(string? address) => Assert.False(EmailAddress.IsWellFormed(address));

    // Not a row above: half a pair does not survive the way of a test case's arguments.
    [Fact]
    public void Address_WithHalfASurrogatePair_IsNot() => Assert.False(EmailAddress.IsWellFormed("ada" + (char)0xd800 + "@example.com"));

    [Fact]
    public void Address_LongerThanMailTransportsCarry_IsNot()
    {
        Assert.True(EmailAddress.IsWellFormed(new string('a', 64) + "@" + string.Join('.', Enumerable.Repeat(new string('b', 37), 5))));
        Assert.False(EmailAddress.IsWellFormed(new string('a', 65) + "@example.com"));
        Assert.False(EmailAddress.IsWellFormed("ada@" + new string('b', 251)));
    }
}
