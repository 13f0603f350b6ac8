using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace Identity.Tests.Api;

/// <summary>Long exports in little memory: by a server process whose heap the runtime holds under 200 MB, come what may.</summary>
public sealed class ExportSizeTests(ITestOutputHelper output)
{
    private const int Limit = 200 * 1024 * 1024;

    [Fact]
    public async Task Export_OfManyUsers_FitsIn200Megabytes()
    {
        // 100,000 where IDENTITY_TEST_EXPORT says so.
        var count = int.Parse(Environment.GetEnvironmentVariable("IDENTITY_TEST_EXPORT") ?? "3000", CultureInfo.InvariantCulture);
        var directory = Directory.CreateTempSubdirectory("identity-export-test-");
        var role = UserExportTests.Mark();
        await using (var seed = await ApiServer.StartAsync(new() { ["DATA_DIR"] = directory.FullName }, isReal: true))
        {
            await UserExportTests.SeedAsync(seed, role, count);
        }

        await using var server = ServerProcess.Start(new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["DATA_DIR"] = directory.FullName,
            ["ADMIN_EMAIL"] = ApiServer.AdminEmail,
            ["ADMIN_PASSWORD"] = ApiServer.Password,
            ["Accounts__PasswordHashIterations"] = "1000",
            ["Exports__DirectPdfRows"] = "200000",
            ["DOTNET_GCHeapHardLimit"] = "0x" + Limit.ToString("X", CultureInfo.InvariantCulture),
        });
        await server.WaitReadyAsync();
        using var http = new HttpClient { BaseAddress = server.Address, Timeout = TimeSpan.FromMinutes(20) };
        using var login = await http.PostAsJsonAsync("/api/identity/login", new { email = ApiServer.AdminEmail, password = ApiServer.Password }, TestContext.Current.CancellationToken);
        var token = (string)JsonNode.Parse(await login.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["accessToken"]!;
        foreach (var format in (string[])["csv", "xlsx", "pdf"])
        {
            var watch = Stopwatch.StartNew();
            using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/identity/users/export?format={format}&role={role}");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
            response.EnsureSuccessStatusCode();
            var first = watch.Elapsed;
            var (length, own) = (0L, server.OwnMegabytes ?? 0);
            await using var body = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
            var buffer = new byte[64 * 1024];
            while (await body.ReadAsync(buffer, TestContext.Current.CancellationToken) is > 0 and var read)
            {
                own = length / 500_000 == (length + read) / 500_000 ? own : Math.Max(own, server.OwnMegabytes ?? 0);
                length += read;
            }

            own = Math.Max(own, server.OwnMegabytes ?? 0);
            output.WriteLine($"{count} users as {format}: {length / 1e6:f1} MB, first byte after {first.TotalSeconds:f1} s, all after {watch.Elapsed.TotalSeconds:f1} s, resident at most {server.PeakMegabytes} MB so far, {own} MB of it its own");
            Assert.True(own < Limit / (1024 * 1024), $"{format}: {own} MB");
            Assert.True(length > count * 20L, $"{format}: {length} bytes");
        }

        directory.Delete(recursive: true);
    }
}
