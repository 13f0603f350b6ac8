using System.ComponentModel;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using Identity.Tests.Kit;

namespace Identity.Tests.Api;

/// <summary>npm jose as the library of somebody else's API: what login hands out must be good there, and only what login handed out.</summary>
public sealed class ResourceServerTests
{
    private const string Secret = "a-shared-secret-of-more-than-32-bytes";

    [Theory]
    [InlineData(null)]
    [InlineData(Secret)]
    public async Task Jose_WhenItIsGivenATokenOfLogin_AcceptsItAndNothingElse(string? secret)
    {
        var port = Ports.Free();
        var issuer = $"http://localhost:{port}";
        var settings = new Dictionary<string, string> { ["PUBLIC_URL"] = issuer, ["PORT"] = port.ToString() };
        if (secret is not null)
        {
            settings["JWT_SECRET"] = secret;
        }

        await using var server = new ApiServer(settings, isReal: true);
        server.UseKestrel(port);
        server.StartServer();
        await server.InitializeAsync();
        var (person, tokens) = await server.SignedInAsync();
        using var node = await NodeAsync(issuer, issuer + "/api/identity", secret);
        using var http = new HttpClient { BaseAddress = new Uri("http://127.0.0.1:" + await node.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken)) };

        var accepted = await SendAsync(http, tokens.Access);
        accepted.AssertOk();
        Assert.Equal(person.Id, accepted.Value("sub"));
        Assert.Equal(tokens.SessionId, accepted.Value("sid"));
        Assert.Equal("identity-api", accepted.Value("client_id"));
        Assert.Equal(person.Email, accepted.Value("email"));

        var parts = tokens.Access.Split('.');
        foreach (var bad in (string[])["", tokens.Refresh, parts[0] + "." + parts[1] + ".", parts[0] + "." + parts[1] + "." + new string('A', parts[2].Length), await server.ServiceTokenAsync("orders", "orders.read")])
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await SendAsync(http, bad)).Status);
        }

        node.StandardInput.Close();
        await node.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    private static async Task<Answer> SendAsync(HttpClient http, string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        return await Answer.ReadAsync(response);
    }

    private static async Task<Process> NodeAsync(string issuer, string audience, string? secret)
    {
        var folder = ClientsFolder();
        var missing = await InstallAsync(folder);
        if (missing is not null)
        {
            Assert.False(Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") == "1", missing);
            Assert.Skip(missing);
        }

        return Start(folder, "node", secret is null ? ["resource-server.mjs", issuer, audience] : ["resource-server.mjs", issuer, audience, secret]);
    }

    private static async Task<string?> InstallAsync(string folder)
    {
        try
        {
            if (Directory.Exists(Path.Combine(folder, "node_modules", "jose")))
            {
                using var node = Start(folder, "node", ["--version"]);
                await node.WaitForExitAsync(TestContext.Current.CancellationToken);
                return null;
            }

            using var npm = Start(folder, "npm", ["ci", "--no-audit", "--no-fund"]);
            var output = await npm.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken) + await npm.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await npm.WaitForExitAsync(TestContext.Current.CancellationToken);
            return npm.ExitCode == 0 ? null : "npm ci failed: " + output;
        }
        catch (Win32Exception)
        {
            return "Node is not installed.";
        }
    }

    private static Process Start(string folder, string file, string[] arguments) => Process.Start(new ProcessStartInfo(file, arguments)
    {
        WorkingDirectory = folder,
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = file == "npm",
        UseShellExecute = false,
    })!;

    private static string ClientsFolder()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Identity.sln")))
        {
            folder = folder.Parent ?? throw new DirectoryNotFoundException("The tests are run outside the repository.");
        }

        return Path.Combine(folder.FullName, "tests", "Identity.Tests", "Api", "clients");
    }
}
