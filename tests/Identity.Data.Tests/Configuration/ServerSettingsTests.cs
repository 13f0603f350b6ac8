using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Identity.Accounts;
using Identity.Server.Hosting;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Identity.Data.Tests.Configuration;

/// <summary>What the server refuses of its settings before anything is started, and what it takes.</summary>
public sealed class ServerSettingsTests
{
    private static readonly DateTimeOffset s_now = new(2026, 11, 30, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("PUBLIC_URL", "https://id.example.com//x")]
    [InlineData("PUBLIC_URL", "https://id.example.com/a//b")]
    [InlineData("PUBLIC_URL", "https://id.example.com//")]
    [InlineData("PUBLIC_URL", "https://id.example.com/a b")]
    [InlineData("PUBLIC_URL", "https://id.example.com/{tenant}")]
    [InlineData("PUBLIC_URL", "https://id.example.com/*")]
    [InlineData("PUBLIC_URL", "https://id.example.com/ä")]
    [InlineData("PUBLIC_URL", "https://id.exämple.com")]
    [InlineData("PUBLIC_URL", "https://id.example.com/a/../b")]
    [InlineData("PUBLIC_URL", "https://user@id.example.com")]
    [InlineData("PUBLIC_URL", "https://id.example.com?x=y")]
    [InlineData("PUBLIC_URL", "https://id.example.com#x")]
    [InlineData("PUBLIC_URL", "https://id.example.com:99999")]
    [InlineData("BIND_ADDRESS", "8016")]
    [InlineData("BIND_ADDRESS", "127.1")]
    [InlineData("TRUSTED_PROXIES", "10")]
    [InlineData("TRUSTED_PROXIES", "172.28.0")]
    [InlineData("TRUSTED_PROXIES", "10.0.0.5,10/8")]
    [InlineData("TRUSTED_PROXIES", "172.28.0/24")]
    [InlineData("OUTGOING_ALLOW", "10")]
    [InlineData("ADMIN_EMAIL", "x@", "ADMIN_PASSWORD=a sound pass phrase 7")]
    [InlineData("MTLS_PORT", "8016", "MTLS_SERVER_CERTIFICATE=CERTIFICATE")]
    [InlineData("MTLS_PORT", "9090", "MANAGEMENT_PORT=9090", "MTLS_SERVER_CERTIFICATE=CERTIFICATE")]
    [InlineData("MTLS_SERVER_CERTIFICATE", "CERTIFICATE")]
    [InlineData("MTLS_SERVER_KEY", "/keys/server.pem")]
    [InlineData("MTLS_URL", "https://mtls.example.com/a b", "MTLS_PORT=8443", "MTLS_SERVER_CERTIFICATE=CERTIFICATE")]
    public void Read_WhenAValueCannotBeUsed_IsOneLineThatNamesIt(string name, string value, params string[] others)
    {
        using var certificate = new PemFile();
        var lines = Assert.Throws<StartFailureException>(() => Read(certificate, [$"{name}={value}", .. others])).Message;
        Assert.StartsWith(name + ": ", lines, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', lines);
    }

    [Theory]
    [InlineData("https://id.example.com", "https://id.example.com")]
    [InlineData("https://ID.example.com:8443/", "https://id.example.com:8443")]
    [InlineData("https://example.com/Identity/v1.0", "https://example.com/Identity/v1.0")]
    [InlineData("https://xn--exmple-cua.com/a_b-c~d", "https://xn--exmple-cua.com/a_b-c~d")]
    [InlineData("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443")]
    public void PublicUrl_WhenItIsAnAddress_IsTaken(string url, string issuer) => Assert.Equal(issuer, Read(null, "PUBLIC_URL=" + url).PublicUrl);

    [Fact]
    public void Ports_WhenThereAreThree_AreAllKnownByTheirSettings()
    {
        using var certificate = new PemFile();
        var settings = Read(certificate, "PORT=9001", "MANAGEMENT_PORT=9002", "MTLS_PORT=9003", "MTLS_SERVER_CERTIFICATE=CERTIFICATE");
        Assert.Equal([("PORT", 9001), ("MANAGEMENT_PORT", 9002), ("MTLS_PORT", 9003)], settings.Ports);
        Assert.Equal([9001, 9002], settings.PlainPorts);
    }

    [Fact]
    public void Certificates_WhenTheyAreOutOfTheirTime_AreNamedAndOthersAreNot()
    {
        using var certificate = new PemFile();
        var settings = Read(certificate, "MTLS_PORT=9003", "MTLS_SERVER_CERTIFICATE=CERTIFICATE", "MTLS_CLIENT_CAS=CERTIFICATE").MutualTls;
        Assert.Empty(settings.OutOfTime(s_now));
        Assert.Equal(["MTLS_SERVER_CERTIFICATE", "MTLS_CLIENT_CAS"], settings.OutOfTime(s_now.AddDays(2)).Select(line => line.Split(' ')[0]));
        Assert.Equal(2, settings.OutOfTime(s_now.AddDays(-2)).Count());
    }

    [Theory]
    [InlineData("Accounts:AuditDays", "999999")]
    [InlineData("Accounts:PasswordHashIterations", "2000000000")]
    [InlineData("Outbox:StatusInterval", "-00:00:01")]
    [InlineData("Outbox:StatusInterval", "0")]
    [InlineData("Outbox:LongestDelay", "60d")]
    [InlineData("Outbox:ClaimDuration", "60d")]
    public void Section_WhenAValueIsOutOfBounds_StopsTheStart(string name, string value)
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection([new(name, value)]).Build());
        services.AddIdentityAccounts();
        services.AddOutboxRelay();
        services.PostConfigure<AccountsOptions>(options => options.OneTimeCodeKey = new byte[32]);
        using var provider = services.BuildServiceProvider();
        var problem = Assert.ThrowsAny<Exception>(() => provider.GetRequiredService<IStartupValidator>().Validate());
        Assert.StartsWith(name + ": expected ", StartProblem.Lines(problem), StringComparison.Ordinal);
    }

    private static ServerSettings Read(PemFile? certificate, params string[] values) => ServerSettings.Read(
        new ConfigurationBuilder()
            .AddInMemoryCollection([new("PUBLIC_URL", "https://id.example.com")])
            .AddInMemoryCollection(values.Select(value => value.Split('=', 2)).Select(pair => KeyValuePair.Create(pair[0], (string?)pair[1].Replace("CERTIFICATE", certificate?.Path, StringComparison.Ordinal))))
            .Build(),
        isDevelopment: false);

    // A server's certificate and an authority's in one, good for a day before and after s_now.
    private sealed class PemFile : IDisposable
    {
        public PemFile()
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
            request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, critical: true));
            using var certificate = request.CreateSelfSigned(s_now.AddDays(-1), s_now.AddDays(1));
            File.WriteAllText(Path, certificate.ExportCertificatePem() + "\n" + key.ExportECPrivateKeyPem());
        }

        public string Path { get; } = System.IO.Path.GetTempFileName();

        public void Dispose() => File.Delete(Path);
    }
}
