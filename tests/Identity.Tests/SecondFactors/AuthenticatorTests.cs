// RFC 6238 Appendix B, and oathtool: the codes that everybody else's authenticator makes.
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Identity.Accounts;
using Identity.Accounts.SecondFactors;
using Microsoft.AspNetCore.DataProtection;

namespace Identity.Tests.SecondFactors;

public sealed partial class AuthenticatorTests
{
    private static readonly byte[] Secret = Encoding.ASCII.GetBytes("12345678901234567890");

    // Appendix B's table for SHA-1 has eight digits; six are their last.
    [Theory]
    [InlineData(59, "287082")]
    [InlineData(1111111109, "081804")]
    [InlineData(1111111111, "050471")]
    [InlineData(1234567890, "005924")]
    [InlineData(2000000000, "279037")]
    [InlineData(20000000000, "353130")]
    public void Code_OfTheSpecsVectors_Matches(long unixTime, string code)
    {
        var now = DateTimeOffset.FromUnixTimeSeconds(unixTime);
        Assert.Equal(unixTime / 30, Authenticator.Match(Secret, code, now));
        Assert.Null(Authenticator.Match(Secret, code[..5] + (char)('0' + ((code[5] - '0' + 1) % 10)), now));
    }

    [Fact]
    public void Code_OfOneStepAside_MatchesAndOfTwoDoesNot()
    {
        var now = DateTimeOffset.FromUnixTimeSeconds(1234567890);
        Assert.Equal(41152263, Authenticator.Match(Secret, "005924", now.AddSeconds(30)));
        Assert.Equal(41152263, Authenticator.Match(Secret, "005924", now.AddSeconds(-30)));
        Assert.Null(Authenticator.Match(Secret, "005924", now.AddSeconds(60)));
        Assert.Null(Authenticator.Match(Secret, "005924", now.AddSeconds(-60)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("28708")]
    [InlineData("2870820")]
    [InlineData("28708a")]
    [InlineData("٢٨٧٠٨٢")]
    public void Code_ThatIsNotSixAsciiDigits_NeverMatches(string code) => Assert.Null(Authenticator.Match(Secret, code, DateTimeOffset.FromUnixTimeSeconds(59)));

    [Theory]
    [InlineData("287 082", "287082")]
    [InlineData("287-082", "287082")]
    [InlineData(" 287082\u200e", "287082")]
    [InlineData("٢٨٧٠٨٢", "287082")]
    [InlineData("２８７０８２", "287082")]
    [InlineData("2870820", null)]
    [InlineData("28708", null)]
    [InlineData("28708x", null)]
    public void Digits_AsPeopleTypeThem_AreRead(string typed, string? code) => Assert.Equal(code, AccountRules.Code(typed));

    [Fact]
    public async Task Code_OfOathtool_Matches()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/oathtool") || Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") == "1", "oathtool is not installed.");
        var secret = Authenticator.NewSecret();
        var key = Authenticator.Describe("Identity", "ada@example.com", secret);
        foreach (var time in (long[])[1_700_000_000, 1_900_000_015, 2_000_000_029])
        {
            using var oathtool = Process.Start(new ProcessStartInfo("oathtool", ["--totp", "--base32", "--now=" + DateTimeOffset.FromUnixTimeSeconds(time).ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture), key.Secret]) { RedirectStandardOutput = true, UseShellExecute = false })!;
            var code = (await oathtool.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).Trim();
            Assert.Equal(time / 30, Authenticator.Match(secret, code, DateTimeOffset.FromUnixTimeSeconds(time)));
        }
    }

    [Fact]
    public void Key_WhenDescribed_IsAUriThatAppsTakeAndAPictureOfIt()
    {
        var key = Authenticator.Describe("Acme & Söhne", "ada+1@example.com", Secret);
        Assert.Equal("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", key.Secret);
        Assert.Equal("otpauth://totp/Acme%20%26%20S%C3%B6hne:ada%2B1%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Acme%20%26%20S%C3%B6hne&algorithm=SHA1&digits=6&period=30", key.Uri);
        Assert.StartsWith("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", key.QrSvg, StringComparison.Ordinal);
        Assert.DoesNotContain("style", key.QrSvg, StringComparison.Ordinal);
        Assert.DoesNotContain("script", key.QrSvg, StringComparison.Ordinal);

        // A quiet zone of four modules, then the finder pattern: seven dark modules in a row.
        Assert.Contains("M4 4h7v1h-7z", key.QrSvg, StringComparison.Ordinal);
        Assert.DoesNotMatch(FirstRows(), key.QrSvg);
    }

    [Fact]
    public void Secret_AtRest_IsEncryptedForItsAccountAlone()
    {
        var authenticator = new Authenticator(new EphemeralDataProtectionProvider());
        var (ada, bob) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        var stored = authenticator.Protect(ada, Secret);
        Assert.False(Convert.FromBase64String(stored).AsSpan().IndexOf(Secret) >= 0);
        Assert.Equal(1, authenticator.Match(ada, stored, "287082", DateTimeOffset.FromUnixTimeSeconds(59)));
        Assert.ThrowsAny<System.Security.Cryptography.CryptographicException>(() => authenticator.Match(bob, stored, "287082", DateTimeOffset.FromUnixTimeSeconds(59)));
    }

    [Fact]
    public void RecoveryCodes_WhenMade_AreTenOfFiftyBitsAndReadAsPeopleTypeThem()
    {
        var codes = RecoveryCodes.New();
        Assert.Equal(10, codes.Distinct(StringComparer.Ordinal).Count());
        Assert.All(codes, code =>
        {
            Assert.Matches("^[0-9a-hjkmnp-tv-z]{5}-[0-9a-hjkmnp-tv-z]{5}$", code);
            var plain = code.Replace("-", "", StringComparison.Ordinal);
            Assert.Equal(plain, RecoveryCodes.Normalize(code));
            Assert.Equal(plain, RecoveryCodes.Normalize(" " + code.ToUpperInvariant().Replace('0', 'O').Replace('1', 'L').Replace("-", " ", StringComparison.Ordinal)));
        });
        Assert.Null(RecoveryCodes.Normalize("287082"));
        Assert.Null(RecoveryCodes.Normalize("3kq9w-2xh7c-1"));
        Assert.Null(RecoveryCodes.Normalize("3kq9w-2xh7u"));
    }

    [GeneratedRegex("M[1-9]\\d* [0-3]h")]
    private static partial Regex FirstRows();
}
