using System.Net;
using System.Text.RegularExpressions;
using Identity.Accounts;
using Identity.Accounts.RateLimits;
using Identity.Tests.Repository;

namespace Identity.Tests.Accounts.RateLimits;

/// <summary>RFC 4291 §2.5.4: whoever has a /64 is one caller.</summary>
public sealed partial class CountedAddressTests
{
    [Theory]
    [InlineData("192.0.2.1", "192.0.2.1")]
    [InlineData("::ffff:192.0.2.1", "192.0.2.1")]
    [InlineData("64:ff9b::192.0.2.1", "192.0.2.1")]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:2::/64")]
    [InlineData("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64")]
    [InlineData("2001:DB8:0001:0002::", "2001:db8:1:2::/64")]
    [InlineData("2001:db8:1:3::1", "2001:db8:1:3::/64")]
    [InlineData("fe80::1%4", "fe80::/64")]
    [InlineData("::1", "::/64")]
    public void Address_HoweverWritten_IsCountedAsOneHosts(string address, string counted)
    {
        Assert.Equal(counted, CountedAddress.Of(address).ToString());
        Assert.Equal(CountedAddress.Of(address), CountedAddress.Of(IPAddress.Parse(address)));
        Assert.Equal(CountedAddress.Of(address), new Caller(address, null).From);
    }

    [Fact]
    public void Address_ThatIsNotThere_IsNotCounted()
    {
        Assert.Null(CountedAddress.Of((string?)null));
        Assert.Null(CountedAddress.Of((IPAddress?)null));
        Assert.Null(new Caller(null, null).From);
    }

    // The whole address is for people to see. A limit that took it would be none: an IPv6 host has 2^64 of them.
    [Fact]
    public void Limits_InAllSources_TakeTheCountedAddressAlone()
    {
        var sources = Directory.GetFiles(Path.Combine(RepositoryRoot.Path, "src"), "*.cs", SearchOption.AllDirectories).Where(file => !file.Contains("/obj/", StringComparison.Ordinal)).ToArray();
        Assert.True(sources.Length > 100);
        Assert.All(sources, file => Assert.DoesNotMatch(WholeAddress(), File.ReadAllText(file)));
    }

    [GeneratedRegex("""AcquireAsync\("[a-z_]+:" \+ [^,]*(Ip|address)\b""", RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase)]
    private static partial Regex WholeAddress();
}
