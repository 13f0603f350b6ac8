using System.Text;
using System.Text.RegularExpressions;
using Identity.Accounts.Audit;
using Identity.Tests.Kit;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Api;

/// <summary>Secrets are looked for where they must not be: in logs, in the store's files, in the headers of messages, in the audit trail.</summary>
public sealed partial class CanaryTests
{
    [Fact]
    public async Task Secrets_WhenEveryRouteHasSeenThem_AreInNoLogNoStoreAndNoHeader()
    {
        const string Secret = "canary-jwt-secret-of-more-than-32-bytes";
        const string Password = "canary pass phrase one 1";
        const string NextPassword = "canary pass phrase two 2";
        const string LastPassword = "canary pass phrase three 3";
        await using var server = await ApiServer.StartAsync(new() { ["JWT_SECRET"] = Secret }, isReal: true);
        var person = await server.RegisterAsync("canary@example.com", Password);
        var tokens = await server.LoginAsync(person.Email, Password);
        var refreshed = Tokens.Of(await server.PostAsync("refresh-token", new { refreshToken = tokens.Refresh }));
        await server.PostAsync("login", new { email = person.Email, password = Password + " wrong" });
        await server.PostAsync("login", new { email = Password, password = Password });
        await server.PostAsync("login", new { userName = "forged\r\nline of a log", password = Password });
        var otp = await server.PostAsync("otp/generate", new { email = person.Email });
        var code = await CodeAsync(server, 1);
        await server.PostAsync("otp/verify", new { otpId = otp.Value("otpId"), code = OtpTests.Wrong(code) });
        (await server.PostAsync("otp/verify", new { otpId = otp.Value("otpId"), code })).AssertOk();
        (await server.PostAsync("password/change", new { currentPassword = Password, newPassword = NextPassword }, refreshed.Access)).AssertOk();
        (await server.PostAsync("password/forgot", new { email = person.Email })).AssertOk();
        var resetCode = await CodeAsync(server, 2);
        (await server.PostAsync("password/reset", new { email = person.Email, code = resetCode, newPassword = LastPassword })).AssertOk();
        var last = await server.LoginAsync(person.Email, LastPassword);
        await server.GetAsync($"users/{person.Id}?access_token={last.Access}");
        await server.PostAsync("logout", new { refreshToken = last.Refresh }, last.Access);

        string[] secrets = [Secret, "canary pass phrase", "canary+pass+phrase", tokens.Access, tokens.Refresh, refreshed.Access, refreshed.Refresh, last.Access, last.Refresh, tokens.Access.Split('.')[2], last.Access.Split('.')[2]];
        string[] codes = [code, resetCode];
        Assert.NotEmpty(server.Logs.Lines);
        foreach (var line in server.Logs.Lines)
        {
            AssertClean("a log line", line, secrets, codes);
            Assert.DoesNotContain("forged\r\nline", line, StringComparison.Ordinal);
        }

        var files = Directory.GetFiles(server.DirectoryPath, "*", SearchOption.AllDirectories);
        Assert.Contains(files, file => file.EndsWith("identity.db", StringComparison.Ordinal));
        foreach (var file in files.Where(file => System.IO.Path.GetFileName(file) is not ("clients.json" or "resources.json")))
        {
            var text = Encoding.Latin1.GetString(await ReadAsync(file));
            if (file.Contains("outbox", StringComparison.Ordinal))
            {
                // The body of a mail is where a code belongs, and nowhere else.
                AssertClean(file, text, secrets, []);
                AssertClean(file, text.Split("\r\n\r\n")[0], secrets, codes);
            }
            else
            {
                AssertClean(file, text, secrets, codes);
            }
        }

        var audit = await server.Services.GetRequiredService<IAuditLog>().ListAsync(accountId: null, 1000, TestContext.Current.CancellationToken);
        var written = audit.Select(record => record.Action + " " + record.Outcome).ToHashSet();
        Assert.Superset(
            new HashSet<string> { "register success", "sign_in success", "sign_in wrong_password", "sign_in unknown_user", "otp_generate success", "otp_verify success", "otp_verify invalid", "password_change success", "password_reset success", "sign_out logout" },
            written);
        Assert.All(audit, record => AssertClean("the audit trail", record.ToString(), secrets, codes));
        Assert.Contains(audit, record => record.Action == "sign_in" && record.Ip == "127.0.0.1" && record.AccountId == Guid.Parse(person.Id));
    }

    private static void AssertClean(string where, string text, string[] secrets, string[] codes)
    {
        foreach (var secret in secrets)
        {
            Assert.False(text.Contains(secret, StringComparison.Ordinal), $"A secret is in {where}.");
        }

        foreach (var code in codes)
        {
            // Six digits can be a part of an id or a number.
            Assert.False(Regex.IsMatch(text, $"(?<![0-9a-zA-Z.:-]){code}(?![0-9a-zA-Z.:-])", RegexOptions.None, TimeSpan.FromSeconds(5)), $"A code is in {where}.");
        }
    }

    private static async Task<byte[]> ReadAsync(string file)
    {
        await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy, TestContext.Current.CancellationToken);
        return copy.ToArray();
    }

    // The n-th mail with a code; it is written after the answer, so the folder is watched for it.
    private static async Task<string> CodeAsync(ApiServer server, int nth)
    {
        var outbox = Directory.CreateDirectory(System.IO.Path.Combine(server.DirectoryPath, "data", "outbox")).FullName;
        using var changed = new SemaphoreSlim(0);
        using var watcher = new FileSystemWatcher(outbox) { EnableRaisingEvents = true };
        watcher.Renamed += (_, _) => changed.Release();
        watcher.Created += (_, _) => changed.Release();
        while (true)
        {
            var codes = new List<string>();
            foreach (var file in Directory.GetFiles(outbox, "*.eml").Order(StringComparer.Ordinal))
            {
                if (Code().Match((await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken)).Split("\r\n\r\n", 2)[1]) is { Success: true } match)
                {
                    codes.Add(match.Value);
                }
            }

            if (codes.Count >= nth)
            {
                return codes[nth - 1];
            }

            Assert.True(await changed.WaitAsync(TimeLimit.Patience, TestContext.Current.CancellationToken), "No mail came.");
        }
    }

    [GeneratedRegex(@"\b[0-9]{6}\b")]
    private static partial Regex Code();
}
