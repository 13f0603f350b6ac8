using System.Text.RegularExpressions;
using Identity.Tests.Repository;

namespace Identity.Tests;

/// <summary>A value that cannot be used stops the start with one line that names the setting.</summary>
public sealed partial class SettingsTests
{
    [Theory]
    [InlineData("PORT", "abc")]
    [InlineData("PORT", "70000")]
    [InlineData("PUBLIC_URL", "not a url")]
    [InlineData("PUBLIC_URL", "http://id.example.com")]
    [InlineData("JWT_SECRET", "too-short")]
    [InlineData("JWT_ACCESS_EXPIRY", "soon")]
    [InlineData("JWT_REFRESH_EXPIRY", "-1h")]
    [InlineData("TRUSTED_PROXIES", "everybody")]
    [InlineData("OUTGOING_ALLOW", "http://x")]
    [InlineData("CLIENTS_FILE", "/nowhere/clients.json")]
    [InlineData("ADMIN_EMAIL", "nobody")]
    [InlineData("MASTER_KEY", "short")]
    [InlineData("DEFAULT_REGION", "Germany")]
    [InlineData("DB_PROVIDER", "oracle")]
    [InlineData("RABBITMQ_URIS", "http://x")]
    [InlineData("Accounts__MinimumPasswordLength", "3")]
    [InlineData("MEDIA_SERVICE_URL", "http://media.example.com/")]
    [InlineData("Exports__MediaTimeout", "00:00:00")]
    [InlineData("SecondFactors__RememberedBrowserDays", "400")]
    [InlineData("SecondFactors__AttemptsPerAccount", "1")]
    public async Task Setting_WhenItCannotBeUsed_StopsTheStartWithALineThatNamesIt(string name, string value)
    {
        var directory = Directory.CreateTempSubdirectory("identity-settings-test-");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["DATA_DIR"] = directory.FullName };
        await using var server = ServerProcess.Start(settings.Append(KeyValuePair.Create(name, value)).ToDictionary(StringComparer.Ordinal));
        Assert.Equal(1, await server.WaitForExitAsync());
        Assert.Contains(name.Replace("__", ":", StringComparison.Ordinal), server.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", server.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Unhandled", server.Output, StringComparison.Ordinal);
        directory.Delete(recursive: true);
    }

    [Theory]
    [InlineData("[{\"client_id\":\"broken\",\"redirect_uris\":[\"http://evil.example.com/cb\"],\"token_endpoint_auth_method\":\"none\"}]", "broken", "redirect_uris[0]")]
    [InlineData("[{\"client_id\":\"open\",\"token_endpoint_auth_method\":\"none\",\"redirect_uris\":[\"https://a.example.com/\"],\"require_pkce\":false}]", "open", "require_pkce")]
    [InlineData("{}", "CLIENTS_FILE", "array")]
    public async Task ClientsFile_WhenAnEntryIsBad_NamesTheClientAndTheMember(string json, string client, string member)
    {
        var directory = Directory.CreateTempSubdirectory("identity-settings-test-");
        var file = Path.Combine(directory.FullName, "clients.json");
        await File.WriteAllTextAsync(file, json);
        await using var server = ServerProcess.Start(new Dictionary<string, string>(StringComparer.Ordinal) { ["DATA_DIR"] = directory.FullName, ["CLIENTS_FILE"] = file });
        Assert.Equal(1, await server.WaitForExitAsync());
        Assert.Contains(client, server.Output, StringComparison.Ordinal);
        Assert.Contains(member, server.Output, StringComparison.Ordinal);
        directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Server_WhenOutsideDevelopment_NeedsAnHttpsPublicUrl()
    {
        var directory = Directory.CreateTempSubdirectory("identity-settings-test-");
        await using var server = ServerProcess.Start(new Dictionary<string, string>(StringComparer.Ordinal) { ["DATA_DIR"] = directory.FullName }, "Production");
        Assert.Equal(1, await server.WaitForExitAsync());
        Assert.Contains("PUBLIC_URL", server.Output, StringComparison.Ordinal);
        directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Server_WhenTold_StopsCleanlyAndFindsItsDataAgain()
    {
        var directory = Directory.CreateTempSubdirectory("identity-settings-test-");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["DATA_DIR"] = directory.FullName, ["Accounts__PasswordHashIterations"] = "1000" };
        string keys;
        await using (var first = ServerProcess.Start(settings))
        {
            await first.WaitReadyAsync();
            Assert.Contains("demo-service", first.Output, StringComparison.Ordinal);
            Assert.Contains("Administrator", first.Output, StringComparison.Ordinal);
            using var http = new HttpClient { BaseAddress = first.Address };
            keys = await http.GetStringAsync("/connect/jwks");
            Assert.Equal(0, await first.TerminateAsync());
            settings["PORT"] = first.Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        await using var second = ServerProcess.Start(settings);
        await second.WaitReadyAsync();
        Assert.DoesNotContain("shown this once", second.Output, StringComparison.Ordinal);
        using var again = new HttpClient { BaseAddress = second.Address };
        Assert.Equal(keys, await again.GetStringAsync("/connect/jwks"));
        await second.TerminateAsync();
        directory.Delete(recursive: true);
    }

    [Fact]
    public void Readme_WhenItListsSettings_KnowsEachThatTheSourcesRead()
    {
        var readme = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "README.md"));
        var read = Directory.GetFiles(Path.Combine(RepositoryRoot.Path, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(file => SettingName().Matches(File.ReadAllText(file)).Select(match => match.Groups[1].Value))
            .Distinct(StringComparer.Ordinal)
            .Where(name => !readme.Contains("`" + name + "`", StringComparison.Ordinal));
        Assert.Empty(read);
    }

    [GeneratedRegex("(?:configuration\\[|configuration, |Text\\()\"([A-Z][A-Z_]+)\"")]
    private static partial Regex SettingName();
}
