using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Identity.Tests.Conformance;

namespace Identity.Tests.Repository;

/// <summary>docs/certification.md lists the modules of the certification plans and the test of each: every test is there, and every one is listed.</summary>
public sealed partial class CertificationTests
{
    private static readonly Dictionary<string, Type> Classes = new(StringComparer.Ordinal)
    {
        ["Config OP"] = typeof(ConfigModuleTests),
        ["Basic OP"] = typeof(BasicModuleTests),
        ["Form Post OP"] = typeof(FormPostModuleTests),
        ["RP-Initiated Logout OP"] = typeof(LogoutModuleTests),
        ["Back-Channel Logout OP"] = typeof(BackChannelLogoutModuleTests),
        ["Front-Channel Logout OP"] = typeof(FrontChannelLogoutModuleTests),
        ["FAPI 2.0 OP"] = typeof(Fapi2ModuleTests),
        ["FAPI 2.0 Message Signing OP"] = typeof(Fapi2MessageSigningModuleTests),
    };

    private static readonly (string[] Plans, string Module, string[] Tests)[] Rows =
    [
        .. File.ReadLines(Path.Combine(RepositoryRoot.Path, "docs", "certification.md"))
            .Select(line => Row().Match(line))
            .Where(match => match.Success)
            .Select(match => (match.Groups["plans"].Value.Split(", "), match.Groups["module"].Value, Code().Matches(match.Groups["tests"].Value).Select(test => test.Groups["name"].Value).ToArray())),
    ];

    [Fact]
    public void Certification_WhenAModuleNamesItsTests_TheyExistInItsPlansClassAndAreNamedAfterIt()
    {
        Assert.NotEmpty(Rows);
        Assert.All(Rows, row =>
        {
            Assert.NotEmpty(row.Tests);
            Assert.All(row.Plans, plan => Assert.Subset(Tests(Classes[plan]), row.Tests.ToHashSet(StringComparer.Ordinal)));
            Assert.All(row.Tests, test => Assert.StartsWith(TestName(row.Module) + "_", test, StringComparison.Ordinal));
        });
    }

    [Fact]
    public void Certification_WhenAModuleHasATest_TheTableListsIt()
    {
        foreach (var (plan, type) in Classes)
        {
            Assert.Empty(Tests(type).Except(Rows.Where(row => row.Plans.Contains(plan, StringComparer.Ordinal)).SelectMany(row => row.Tests)));
        }
    }

    // As many as the plans have, so that a row cannot get lost with its test.
    [Theory]
    [InlineData("Config OP", 2)]
    [InlineData("Basic OP", 38)]
    [InlineData("Form Post OP", 38)]
    [InlineData("RP-Initiated Logout OP", 11)]
    [InlineData("Back-Channel Logout OP", 2)]
    [InlineData("Front-Channel Logout OP", 2)]
    [InlineData("FAPI 2.0 OP", 56)]
    [InlineData("FAPI 2.0 Message Signing OP", 70)]
    public void Certification_WhenThePlanIsCounted_HoldsEveryModule(string plan, int modules) =>
        Assert.Equal(modules, Rows.Where(row => row.Plans.Contains(plan, StringComparer.Ordinal)).Select(row => row.Module).Distinct(StringComparer.Ordinal).Count());

    private static HashSet<string> Tests(Type type) =>
        type.GetMethods().Where(method => method.GetCustomAttributes<FactAttribute>().Any()).Select(method => method.Name).ToHashSet(StringComparer.Ordinal);

    // The modules of FAPI 2.0 all begin alike, and their tests do without that.
    private static string TestName(string module) => string.Concat(module.Replace("fapi2-security-profile-final-", "", StringComparison.Ordinal).Split('-', '_').Select(word => char.ToUpper(word[0], CultureInfo.InvariantCulture) + word[1..]));

    [GeneratedRegex(@"^\| (?<plans>[^|]+ OP) \| `(?<module>(oidcc|fapi2)-[^`]+)(?<!test-plan)`[^|]*\|[^|]+\| (?<tests>.+) \|$", RegexOptions.ExplicitCapture)]
    private static partial Regex Row();

    [GeneratedRegex("`(?<name>[^`]+)`", RegexOptions.ExplicitCapture)]
    private static partial Regex Code();
}
