using System.Net;
using System.Net.Http.Json;
using Identity.Accounts;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.CommandLine;

/// <summary>identity users, beside a server that runs on the same database.</summary>
public sealed class UserCommandTests
{
    private const string Password = "staple of another colour";

    [Fact]
    public async Task User_WhenMadeDisabledEnabledAndReset_IsSoAtTheRunningServer()
    {
        using var shell = await Shell.MigratedAsync();
        await using var server = await shell.ServeAsync();
        var made = (await shell.RunAsync("users", "create", "Ada@Example.com", "--user-name", "ada", "--phone-number", "+49 151 12345678", "--first-name", "Ada", "--verified", "--json")).Done().Json;
        var password = (string)made["password"]!;
        Assert.Equal(("+4915112345678", true), ((string?)made["phoneNumber"], (bool)made["emailVerified"]!));
        Assert.Equal(HttpStatusCode.OK, await SignInAsync(server, password));

        Assert.False((bool)(await shell.RunAsync("users", "disable", "ada", "--json")).Done().Json["isActive"]!);
        Assert.Equal(HttpStatusCode.Unauthorized, await SignInAsync(server, password));
        Assert.True((bool)(await shell.RunAsync("users", "enable", (string)made["id"]!, "--json")).Done().Json["isActive"]!);
        Assert.Equal(HttpStatusCode.OK, await SignInAsync(server, password));

        var reset = (string)(await shell.RunAsync("users", "reset-password", "+4915112345678", "--json")).Done().Json["password"]!;
        Assert.Equal(HttpStatusCode.Unauthorized, await SignInAsync(server, password));
        Assert.Equal(HttpStatusCode.OK, await SignInAsync(server, reset));
        Assert.Contains("ada@example.com", string.Concat(Directory.GetFiles(Path.Combine(shell.DataDirectory, "outbox")).Select(File.ReadAllText)), StringComparison.OrdinalIgnoreCase);

        var given = (await shell.RunAsync(Password + "\n", ["users", "reset-password", "ada"])).Done();
        Assert.Contains("Password ", given.Output, StringComparison.Ordinal);
        given = (await shell.RunAsync(Password + "\n", ["users", "reset-password", "ada", "--password-stdin"])).Done();
        Assert.DoesNotContain("Password ", given.Output, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, await SignInAsync(server, Password));
    }

    [Fact]
    public async Task User_WhenACodeIsMailed_KeepsThePassword()
    {
        using var shell = await Shell.MigratedAsync();
        (await shell.RunAsync(Password + "\n", ["users", "create", "ada@example.com", "--password-stdin"])).Done();
        (await shell.RunAsync("users", "reset-password", "ada@example.com", "--mail")).Done();
        Assert.Matches(@"\b\d{6}\b", string.Concat(Directory.GetFiles(Path.Combine(shell.DataDirectory, "outbox")).Select(File.ReadAllText)));
        await using var server = await shell.ServeAsync();
        Assert.Equal(HttpStatusCode.OK, await SignInAsync(server, Password));
    }

    [Fact]
    public async Task User_WhenTheMailServerIsAway_IsResetAndTheOperatorIsTold()
    {
        using var shell = await Shell.MigratedAsync(("SMTP_URL", $"smtp://127.0.0.1:{Kit.Ports.Free()}"));
        (await shell.RunAsync("users", "create", "ada@example.com")).Done();
        var spoken = await shell.RunAsync("users", "reset-password", "ada@example.com", "--json");
        Assert.Equal(0, spoken.Code);
        Assert.True((bool)spoken.Json["changed"]!);
        Assert.Contains("could not be told of it yet", spoken.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("could not be told", (await shell.RunAsync("users", "list")).Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("email must be an email", "create", "nobody")]
    [InlineData("--user-name must be 3 to 64", "create", "b@example.com", "--user-name", "a@b")]
    [InlineData("--phone-number must be a phone number", "create", "b@example.com", "--phone-number", "12")]
    [InlineData("e-mail address is another user's", "create", "ADA@example.com")]
    [InlineData("user name is another user's", "create", "b@example.com", "--user-name", "ADA")]
    [InlineData("must be the name of a role that exists", "create", "b@example.com", "--role", "nobody-made-it")]
    [InlineData("password must be at least 8", "create", "b@example.com", "--password-stdin")]
    [InlineData("There is no such user", "disable", "nobody@example.com")]
    [InlineData("There is no such user", "unlock", "0195f3f2-7a6b-7c3d-8e4f-000000000001")]
    [InlineData("There is no such user", "reset-password", "nobody")]
    [InlineData("password must be at least 8", "reset-password", "ada", "--password-stdin")]
    [InlineData("last active administrator", "disable", "ada")]
    [InlineData("cannot be read", "import", "/nowhere/users.jsonl")]
    public async Task Command_WhenItCannotBeDone_IsRefusedInOneLine(string problem, params string[] words)
    {
        using var shell = await Shell.MigratedAsync();
        (await shell.RunAsync("users", "create", "ada@example.com", "--user-name", "ada", "--role", "admin")).Done();
        Assert.Contains(problem, (await shell.RunAsync("short\n", ["users", .. words])).Refused(), StringComparison.Ordinal);
        Assert.Single((await shell.RunAsync("users", "list", "--json")).Done().Json.AsArray());
    }

    [Fact]
    public async Task Users_WhenListed_AreSearchedFilteredAndLimited()
    {
        using var shell = await Shell.MigratedAsync();
        foreach (var name in new[] { "ada", "bob", "eve" })
        {
            (await shell.RunAsync("users", "create", name + "@example.com", "--no-password")).Done();
        }

        (await shell.RunAsync("users", "disable", "bob@example.com")).Done();
        Assert.Equal(["ada@example.com", "bob@example.com", "eve@example.com"], await EmailsAsync(shell));
        Assert.Equal(["bob@example.com"], await EmailsAsync(shell, "--search", "BOB"));
        Assert.Equal(["ada@example.com", "eve@example.com"], await EmailsAsync(shell, "--active", "true"));
        Assert.Equal(["ada@example.com", "bob@example.com"], await EmailsAsync(shell, "--limit", "2"));
        Assert.Empty(await EmailsAsync(shell, "--role", "admin"));
        var table = (await shell.RunAsync("users", "list")).Done().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(4, table.Length);
        Assert.Contains("bob@example.com", table[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task User_WhenLocked_IsUnlocked()
    {
        using var shell = await Shell.MigratedAsync();
        await using var server = await shell.ServeAsync();
        var id = Guid.Parse((string)(await shell.RunAsync("users", "create", "ada@example.com", "--json")).Done().Json["id"]!);
        var accounts = server.Services.GetRequiredService<IAccountStore>();
        await accounts.SetLockoutAsync(id, TimeProvider.System.GetUtcNow().AddHours(1), [], TestContext.Current.CancellationToken);
        (await shell.RunAsync("users", "unlock", "ada@example.com")).Done();
        Assert.Null((await accounts.FindAsync(id, TestContext.Current.CancellationToken))!.LockoutEnd);
    }

    [Fact]
    public async Task Import_WhenLinesAreBad_TakesTheOthersAndSaysWhich()
    {
        using var shell = await Shell.MigratedAsync();
        var file = shell.File("users.jsonl", """
            {"email":"ada@example.com","firstName":"Ada"}
            {"email":"nobody"}
            {"email":"bob@example.com","roles":["nobody-made-it"]}
            """);
        var spoken = await shell.RunAsync("users", "import", file, "--json");
        Assert.Equal(1, spoken.Code);
        Assert.Equal((3, 1, 2), ((int)spoken.Json["lines"]!, (int)spoken.Json["created"]!, (int)spoken.Json["refused"]!));
        Assert.Equal([2, 3], spoken.Json["refusals"]!.AsArray().Select(refusal => (int)refusal!["line"]!));
        Assert.StartsWith("line 2: email must be an email", spoken.Error, StringComparison.Ordinal);
        var csv = shell.File("users.csv", "E-Mail,Plan\neve@example.com,gold\nada@example.com,blue\n");
        var mapping = shell.File("mapping.json", """{"E-Mail":"email","Plan":"metadata.plan"}""");
        var again = (await shell.RunAsync("users", "import", csv, "--mapping", mapping, "--json")).Done().Json;
        Assert.Equal((1, 1), ((int)again["created"]!, (int)again["existing"]!));
        Assert.Equal("gold", (string?)(await shell.RunAsync("users", "list", "--search", "eve", "--json")).Done().Json[0]!["metadata"]!["plan"]);
    }

    [Fact]
    public async Task Command_WhenDone_IsInTheAuditTrailAsTheCommandLines()
    {
        using var shell = await Shell.MigratedAsync();
        (await shell.RunAsync("users", "create", "ada@example.com")).Done();
        (await shell.RunAsync("users", "import", shell.File("users.jsonl", """{"email":"bob@example.com"}"""))).Done();
        Assert.Equal(1, (await shell.RunAsync("users", "import", "/nowhere/users.jsonl")).Code);
        Assert.Equal([("create", "success", "command-line"), ("import", "success", "command-line")], await shell.TrailAsync());
    }

    private static async Task<string[]> EmailsAsync(Shell shell, params string[] options) =>
        [.. (await shell.RunAsync(["users", "list", "--json", .. options])).Done().Json.AsArray().Select(user => (string)user!["email"]!)];

    private static async Task<HttpStatusCode> SignInAsync(HostedServer server, string password)
    {
        using var http = new HttpClient { BaseAddress = server.Url };
        using var answer = await http.PostAsJsonAsync("/api/identity/login", new { email = "ada@example.com", password });
        return answer.StatusCode;
    }
}
