using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;

namespace Identity.Tests.Security;

/// <summary>kill -9 under load: what was acknowledged is there after the restart, and nothing works twice.</summary>
public sealed class CrashTests
{
    [Fact]
    public async Task Server_WhenKilledWhilePeopleRegisterAndRefresh_LosesNothingAcknowledgedAndRedeemsNothingTwice()
    {
        var directory = Directory.CreateTempSubdirectory("identity-crash-test-");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["DATA_DIR"] = directory.FullName,
            ["Accounts__PasswordHashIterations"] = "1000",
            ["Accounts__SignInsPerAddress"] = "1000000",
            ["OAuth__RefreshGrace"] = "00:00:00",
        };
        var registered = new ConcurrentBag<string>();
        var rotated = new ConcurrentBag<(string Old, string New)>();
        await using (var server = ServerProcess.Start(settings))
        {
            await server.WaitReadyAsync();
            settings["PORT"] = server.Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
            using var http = new HttpClient { BaseAddress = server.Address };
            var people = new List<JsonNode>();
            for (var i = 0; i < 20; i++)
            {
                people.Add(await SignUpAsync(http, registered));
            }

            // 200 sign-ups and as many chains of refreshes run when the power goes.
            var work = Enumerable.Range(0, 200).Select(_ => QuietlyAsync(() => SignUpAsync(http, registered)))
                .Concat(people.Select(person => QuietlyAsync(() => RefreshOnAndOnAsync(http, (string)person["refreshToken"]!, rotated)))).ToArray();
            while (registered.Count < 60 || rotated.Count < 60)
            {
                await Task.WhenAny(Task.WhenAll(work), Task.Delay(20));
            }

            await server.KillAsync();
            await Task.WhenAll(work);
        }

        await using (var server = ServerProcess.Start(settings))
        {
            await server.WaitReadyAsync();
            using var http = new HttpClient { BaseAddress = server.Address };
            foreach (var email in registered)
            {
                using var login = await http.PostAsJsonAsync("/api/identity/login", new { email, password = RunningServer.Password });
                Assert.True(login.StatusCode == HttpStatusCode.OK, email + await login.Content.ReadAsStringAsync());
            }

            // Of each chain the newest acknowledged token: a rotation may have been stored whose answer was never sent, so it either works or was used.
            // What was exchanged for an acknowledged successor never works again, and proves reuse.
            foreach (var (old, _) in rotated)
            {
                using var again = await http.PostAsJsonAsync("/api/identity/refresh-token", new { refreshToken = old });
                Assert.Equal(HttpStatusCode.Unauthorized, again.StatusCode);
            }
        }

        directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Server_WhenKilledBeforeANoticeIsSent_SendsItAfterTheRestart()
    {
        var directory = Directory.CreateTempSubdirectory("identity-crash-test-");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["DATA_DIR"] = directory.FullName, ["Accounts__PasswordHashIterations"] = "1000" };
        var email = "";
        await using (var server = ServerProcess.Start(new Dictionary<string, string>(settings) { ["SMTP_URL"] = $"smtp://127.0.0.1:{Ports.Free()}" }))
        {
            await server.WaitReadyAsync();
            using var http = new HttpClient { BaseAddress = server.Address };
            var person = await SignUpAsync(http, []);
            email = (string)person["user"]!["email"]!;
            http.DefaultRequestHeaders.Authorization = new("Bearer", (string)person["accessToken"]!);
            using var changed = await http.PostAsJsonAsync("/api/identity/password/change", new { currentPassword = RunningServer.Password, newPassword = "a third sound phrase 9" });
            Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
            while (!server.Output.Contains("(PasswordChanged) could not be sent at attempt 1", StringComparison.Ordinal))
            {
                await Task.Delay(20, TestContext.Current.CancellationToken);
            }

            await server.KillAsync();
        }

        // Mails are files now.
        var outbox = Path.Combine(directory.FullName, "outbox");
        await using (var server = ServerProcess.Start(settings))
        {
            await server.WaitReadyAsync();
            string[] mails = [];
            while (mails.Length == 0)
            {
                await Task.Delay(20, TestContext.Current.CancellationToken);
                mails = Directory.Exists(outbox) ? [.. Directory.GetFiles(outbox, "*.eml").Select(File.ReadAllText)] : [];
            }

            Assert.Contains("To: " + email, Assert.Single(mails), StringComparison.OrdinalIgnoreCase);
            Assert.Contains("Your password was changed", mails[0], StringComparison.Ordinal);
        }

        directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Server_WhenKilledAfterTheAnswer_TheLastRefreshTokenStillWorks()
    {
        var directory = Directory.CreateTempSubdirectory("identity-crash-test-");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["DATA_DIR"] = directory.FullName, ["Accounts__PasswordHashIterations"] = "1000" };
        var token = "";
        for (var round = 0; round < 3; round++)
        {
            await using var server = ServerProcess.Start(settings);
            await server.WaitReadyAsync();
            settings["PORT"] = server.Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
            using var http = new HttpClient { BaseAddress = server.Address };
            if (round == 0)
            {
                token = (string)(await SignUpAsync(http, []))["refreshToken"]!;
            }

            using var answer = await http.PostAsJsonAsync("/api/identity/refresh-token", new { refreshToken = token });
            var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
            Assert.True(answer.IsSuccessStatusCode, body.ToJsonString());
            token = (string)body["refreshToken"]!;
            await server.KillAsync();
        }

        directory.Delete(recursive: true);
    }

    private static async Task<JsonNode> SignUpAsync(HttpClient http, ConcurrentBag<string> registered)
    {
        var email = $"c{Guid.NewGuid():N}@example.com";
        using var answer = await http.PostAsJsonAsync("/api/identity/register", new { email, password = RunningServer.Password });
        answer.EnsureSuccessStatusCode();
        registered.Add(email);
        using var login = await http.PostAsJsonAsync("/api/identity/login", new { email, password = RunningServer.Password });
        login.EnsureSuccessStatusCode();
        return JsonNode.Parse(await login.Content.ReadAsStringAsync())!;
    }

    private static async Task RefreshOnAndOnAsync(HttpClient http, string token, ConcurrentBag<(string, string)> rotated)
    {
        while (true)
        {
            using var answer = await http.PostAsJsonAsync("/api/identity/refresh-token", new { refreshToken = token });
            answer.EnsureSuccessStatusCode();
            var next = (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["refreshToken"]!;
            rotated.Add((token, next));
            token = next;
        }
    }

    // The server goes away in the middle: what fails then was never acknowledged.
    private static async Task QuietlyAsync(Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or TaskCanceledException)
        {
        }
    }
}
