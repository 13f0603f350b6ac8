using System.Net;
using System.Net.Http.Json;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace Identity.Tests;

/// <summary>SSL_CERT_FILE: certificates of an authority that only the operator knows.</summary>
public sealed class PrivateAuthorityTests
{
    [Fact]
    public async Task Gateway_WhenItsAuthorityIsInSslCertFile_IsTrusted()
    {
        var received = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        await using var gateway = builder.Build();
        gateway.Run(async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            received.TrySetResult(await reader.ReadToEndAsync(context.RequestAborted));
        });
        await gateway.StartAsync(TestContext.Current.CancellationToken);
        await using var proxy = await TlsProxy.StartAsync();
        proxy.Target = new Uri(gateway.Urls.Single());

        var directory = Directory.CreateTempSubdirectory("identity-authority-test-");
        var authority = Path.Combine(directory.FullName, "authority.crt");
        await File.WriteAllTextAsync(authority, proxy.CertificatePem, TestContext.Current.CancellationToken);
        await using (var server = ServerProcess.Start(new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["DATA_DIR"] = directory.FullName,
            ["SSL_CERT_FILE"] = authority,
            ["SMS_WEBHOOK_URL"] = proxy.Address + "sms",
            ["SMS_WEBHOOK_SECRET"] = "a secret of a test's own",
            ["Accounts__PasswordHashIterations"] = "1000",
        }))
        {
            await server.WaitReadyAsync();
            using var http = new HttpClient { BaseAddress = server.Address };
            using var registered = await http.PostAsJsonAsync("/api/identity/register", new { email = "ada@example.com", password = "a sound pass phrase 7", phoneNumber = "+4915112345678" }, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.Created, registered.StatusCode);
            using var generated = await http.PostAsJsonAsync("/api/identity/otp/generate", new { phoneNumber = "+4915112345678", channel = "sms" }, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.OK, generated.StatusCode);
            Assert.Contains("4915112345678", await received.Task.WaitAsync(TimeLimit.Patience, TestContext.Current.CancellationToken), StringComparison.Ordinal);
        }

        directory.Delete(recursive: true);
    }
}
