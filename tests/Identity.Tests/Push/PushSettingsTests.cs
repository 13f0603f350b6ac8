using System.Security.Cryptography;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Configuration;

namespace Identity.Tests.Push;

/// <summary>What FIREBASE_CREDENTIALS and APNS_* may be, and what is said of what they may not.</summary>
public sealed class PushSettingsTests
{
    private static readonly string s_ecKey = NewKey(ECCurve.NamedCurves.nistP256);
    private static readonly string s_rsaKey = NewRsaKey();

    [Fact]
    public void Read_WhenNothingIsSet_IsNothing()
    {
        var problems = new List<string>();
        Assert.Null(Read([], problems));
        Assert.Empty(problems);
    }

    [Fact]
    public void Read_WhenApnsIsSet_NamesApplesAddressesAndTheFirstTopic()
    {
        var problems = new List<string>();
        var apns = Read(Apns(), problems)!.Apns!;
        Assert.Empty(problems);
        Assert.Equal(("https://api.push.apple.com/", "https://api.sandbox.push.apple.com/"), (apns.Production.AbsoluteUri, apns.Sandbox.AbsoluteUri));
        Assert.Equal(["com.example.app", "com.example.other"], apns.Topics);
    }

    [Fact]
    public void Read_WhenThePemIsOnOneLine_TakesIt()
    {
        var problems = new List<string>();
        Assert.NotNull(Read(Apns(("APNS_KEY", s_ecKey.ReplaceLineEndings("\\n"))), problems));
        Assert.Empty(problems);
    }

    [Fact]
    public async Task Read_WhenTheyAreFiles_ReadsThem()
    {
        var directory = Directory.CreateTempSubdirectory("identity-push-settings-");
        var (key, account) = (Path.Combine(directory.FullName, "key.p8"), Path.Combine(directory.FullName, "firebase.json"));
        await File.WriteAllTextAsync(key, s_ecKey, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(account, Firebase(), TestContext.Current.CancellationToken);
        var problems = new List<string>();
        var push = Read(Apns(("APNS_KEY", key), ("FIREBASE_CREDENTIALS", account)), problems)!;
        Assert.Empty(problems);
        Assert.Equal(s_ecKey, push.Apns!.PrivateKey);
        Assert.Equal(("shop-1", "https://fcm.googleapis.com/"), (push.Fcm!.ProjectId, push.Fcm.Endpoint.AbsoluteUri));
        directory.Delete(recursive: true);
    }

    [Theory]
    [InlineData("APNS_KEY", "canary")]
    [InlineData("APNS_KEY", "-----BEGIN PRIVATE KEY-----canary-----END PRIVATE KEY-----")]
    [InlineData("APNS_KEY", null)]
    [InlineData("APNS_KEY_ID", "canary")]
    [InlineData("APNS_TEAM_ID", null)]
    [InlineData("APNS_TOPIC", "canary app")]
    [InlineData("APNS_ENDPOINT", "http://canary.example.com")]
    [InlineData("APNS_SANDBOX_ENDPOINT", "canary")]
    [InlineData("FIREBASE_CREDENTIALS", "{\"type\":\"authorized_user\",\"canary\":1}")]
    [InlineData("FIREBASE_CREDENTIALS", "[\"canary\"]")]
    [InlineData("FIREBASE_CREDENTIALS", "{\"type\":\"service_account\",\"project_id\":\"p\",\"client_email\":\"e\",\"private_key\":\"canary\"}")]
    [InlineData("FCM_ENDPOINT", "https://user:canary@example.com")]
    public void Read_WhenAValueCannotBeUsed_NamesItAndTellsNothingOfIt(string name, string? value)
    {
        var problems = new List<string>();
        Read(Apns((name, value)), problems);
        Assert.StartsWith(name + ": expected", Assert.Single(problems), StringComparison.Ordinal);
        Assert.DoesNotContain("canary", problems[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Read_WhenTheKeyIsOfAnotherCurve_RefusesIt()
    {
        var problems = new List<string>();
        Read(Apns(("APNS_KEY", NewKey(ECCurve.NamedCurves.nistP384))), problems);
        Assert.StartsWith("APNS_KEY: expected", Assert.Single(problems), StringComparison.Ordinal);
    }

    private static PushSettings? Read(Dictionary<string, string?> values, List<string> problems) =>
        PushSettings.Read(new ConfigurationBuilder().AddInMemoryCollection(values).Build(), problems);

    private static Dictionary<string, string?> Apns(params (string Name, string? Value)[] changes)
    {
        var values = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["APNS_KEY"] = s_ecKey,
            ["APNS_KEY_ID"] = "ABC123DEFG",
            ["APNS_TEAM_ID"] = "DEF123GHIJ",
            ["APNS_TOPIC"] = "com.example.app, com.example.other",
        };
        foreach (var (name, value) in changes)
        {
            values[name] = value;
        }

        return values;
    }

    private static string Firebase() => System.Text.Json.JsonSerializer.Serialize(new Dictionary<string, string> { ["type"] = "service_account", ["project_id"] = "shop-1", ["client_email"] = "a@b.example", ["private_key"] = s_rsaKey });

    private static string NewKey(ECCurve curve)
    {
        using var key = ECDsa.Create(curve);
        return key.ExportPkcs8PrivateKeyPem();
    }

    private static string NewRsaKey()
    {
        using var key = RSA.Create(2048);
        return key.ExportPkcs8PrivateKeyPem();
    }
}
