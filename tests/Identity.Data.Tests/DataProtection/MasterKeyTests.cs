using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Identity.Accounts;
using Identity.Accounts.Data.Keys;
using Identity.Data.Tests.Sql;
using Identity.OAuth;
using Identity.OAuth.Keys;
using Identity.ServiceDefaults.Settings;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Identity.Data.Tests.DataProtection;

public sealed class MasterKeyTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private StorageSettings Settings => StorageSettings.Embedded(Path.Combine(_directory.Path, "data"));

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Load_WhenManyMakeTheFileAtOnce_AllGetTheOneKey()
    {
        var keys = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(() => Convert.ToHexString(MasterKey.Load(Settings).Derive("x")))));
        Assert.Single(keys.Distinct());
        Assert.False(File.Exists(Path.Combine(Settings.DataDirectory, "master.key.new")));
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(Settings.DataDirectory, "master.key")));
        }
    }

    [Fact]
    public void Load_WhenTheFileIsBroken_StopsRatherThanMakingAnother()
    {
        Directory.CreateDirectory(Settings.DataDirectory);
        var file = Path.Combine(Settings.DataDirectory, "master.key");
        File.WriteAllText(file, "canary");
        var failure = Assert.Throws<StartFailureException>(() => MasterKey.Load(Settings));
        Assert.StartsWith("MASTER_KEY:", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", failure.Message, StringComparison.Ordinal);
        Assert.Equal("canary", File.ReadAllText(file));
    }

    // RFC 5869 with SHA-256, no salt: recomputed by hand from HMAC, so that no change of library moves the keys.
    [Fact]
    public void Derive_WhenAsked_IsHkdf()
    {
        byte[] secret = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
        var pseudorandom = HMACSHA256.HashData(new byte[32], secret);
        var expected = HMACSHA256.HashData(pseudorandom, (byte[])[.. Encoding.UTF8.GetBytes("identity/refresh-token"), 1]);
        var settings = StorageSettings.Embedded(_directory.Path, secret);
        Assert.Equal(expected, MasterKey.Load(settings).Derive("refresh-token"));
        Assert.NotEqual(expected, MasterKey.Load(settings).Derive("one-time-code"));
    }

    [Fact]
    public void XmlEncryptor_WhenRoundTripped_HidesTheElementAndNoticesChanges()
    {
        using var services = new ServiceCollection().AddSingleton(MasterKey.Load(Settings)).BuildServiceProvider();
        var encrypted = new MasterKeyXmlEncryptor(services.GetRequiredService<MasterKey>()).Encrypt(new XElement("secret", "canary")).EncryptedElement;
        Assert.DoesNotContain("canary", encrypted.ToString(), StringComparison.Ordinal);
        var decryptor = new MasterKeyXmlDecryptor(services);
        Assert.Equal("canary", decryptor.Decrypt(encrypted).Value);

        var sealedBytes = Convert.FromBase64String(encrypted.Element("value")!.Value);
        sealedBytes[20] ^= 1;
        var changed = new XElement("masterKeyEncrypted", new XElement("value", Convert.ToBase64String(sealedBytes)));
        Assert.ThrowsAny<CryptographicException>(() => decryptor.Decrypt(changed));
        Assert.ThrowsAny<CryptographicException>(() => decryptor.Decrypt(new XElement("masterKeyEncrypted")));
    }

    [Fact]
    public async Task Store_AfterTheStart_HoldsTheKeyRingEncryptedOnly()
    {
        await using var host = await StoreHost.StartAsync(Settings);
        Assert.Equal([9], host.Get<KeyProtector>().Unprotect(host.Get<KeyProtector>().Protect([9])));
        await using var connection = new SqliteConnection(Settings.ConnectionString);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT xml FROM data_protection_keys";
        var xml = Assert.IsType<string>(await command.ExecuteScalarAsync());
        Assert.Contains("masterKeyEncrypted", xml, StringComparison.Ordinal);
        Assert.DoesNotContain("<masterKey ", xml, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Options_WhenResolved_HoldKeysOfTheirOwn()
    {
        await using var host = await StoreHost.StartAsync(Settings);
        var refresh = host.Get<IOptions<OAuthOptions>>().Value.RefreshTokenKey;
        var code = host.Get<IOptions<AccountsOptions>>().Value.OneTimeCodeKey;
        Assert.Equal((32, 32), (refresh.Length, code.Length));
        Assert.NotEqual(refresh, code);
    }
}
