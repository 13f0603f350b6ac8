using System.Diagnostics;
using Identity.Server.CommandLine;

namespace Identity.Tests.CommandLine;

/// <summary>The first word decides, and exit codes are as documented.</summary>
public sealed class CommandLineTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(false, "--PORT", "8016")]
    [InlineData(false, "--DATA_DIR", "users")]
    [InlineData(false, "--environment=Development")]
    [InlineData(false, "urls=http://localhost:1")]
    [InlineData(false, "/PORT", "8016")]
    [InlineData(true, "somebody")]
    [InlineData(true, "migrate")]
    [InlineData(true, "check", "--json")]
    [InlineData(true, "users", "list")]
    [InlineData(true, "clients")]
    [InlineData(true, "keys", "rotate")]
    [InlineData(true, "migrate-credentials")]
    [InlineData(true, "export", "x")]
    [InlineData(true, "import", "x")]
    [InlineData(true, "--help")]
    public void FirstWord_WhenItIsNoSetting_IsACommandAndElseTheServerStarts(bool isAsked, params string[] args) => Assert.Equal(isAsked, IdentityCommands.IsAsked(args));

    [Theory]
    [InlineData("user")]
    [InlineData("users", "lst")]
    [InlineData("users", "list", "--jsn")]
    [InlineData("users", "list", "--limit", "0")]
    [InlineData("users", "list", "--limit", "abc")]
    [InlineData("users", "list", "--limit", "-1")]
    [InlineData("users", "list", "--limit", "99999999999")]
    [InlineData("users", "create", "a@example.com", "--no-password=perhaps", "--password-stdin")]
    [InlineData("users", "create", "a@example.com", "--verified=perhaps")]
    [InlineData("users", "reset-password", "a@example.com", "--mail=perhaps", "--password-stdin")]
    [InlineData("clients", "rotate-secret", "shop", "--revoke-old=perhaps")]
    [InlineData("check", "--json=perhaps")]
    [InlineData("users", "list", "--active", "perhaps")]
    [InlineData("users", "create")]
    [InlineData("users", "create", "a@example.com", "--no-password", "--password-stdin")]
    [InlineData("users", "reset-password", "a@example.com", "--mail", "--password-stdin")]
    [InlineData("clients", "show")]
    [InlineData("keys", "rotate", "--algorithm", "none")]
    [InlineData("migrate-credentials")]
    [InlineData("migrate-credentials", "--to", "redis")]
    [InlineData("check", "everything")]
    [InlineData("migrate", "--dry-run")]
    public async Task Words_WhenTheyAreNotUnderstood_AreRefusedWithTwoAndNothingIsDone(params string[] words)
    {
        using var shell = new Shell();
        var spoken = await shell.RunAsync(words);
        Assert.Equal(IdentityCommands.Usage, spoken.Code);
        Assert.NotEmpty(spoken.Error);
        Assert.Empty(Directory.GetFileSystemEntries(shell.DataDirectory));
    }

    [Theory]
    [InlineData("Accounts:LockoutDuration", "soon")]
    [InlineData("Compatibility:PostStatus", "created")]
    [InlineData("Federation:Providers:corp:CreateAccounts", "perhaps")]
    [InlineData("OAuth:ClockSkew", "5s")]
    public async Task Command_WhenASettingCannotBeUsed_IsRefusedWithTheLineThatNamesIt(string name, string value)
    {
        using var shell = new Shell((name, value));
        Assert.StartsWith(name + ": expected ", (await shell.RunAsync("migrate")).Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Command_WhenTheDatabaseIsNotReady_IsRefusedAndMakesNone()
    {
        using var shell = new Shell();
        Assert.Matches("^DATA_DIR: .*identity migrate$", (await shell.RunAsync("users", "list")).Refused());
        Assert.False(File.Exists(Path.Combine(shell.DataDirectory, "identity.db")));
    }

    [Fact]
    public async Task Setting_WhenItCannotBeUsed_IsToldInALine()
    {
        using var shell = new Shell(("DB_PROVIDER", "oracle"));
        Assert.StartsWith("DB_PROVIDER:", (await shell.RunAsync("users", "list")).Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Migrate_WhenRunTwice_MakesTheDatabaseOnce()
    {
        using var shell = new Shell();
        Assert.True((bool)(await shell.RunAsync("migrate", "--json")).Done().Json["upToDate"]!);
        Assert.Contains("identity.db", (await shell.RunAsync("migrate")).Done().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Program_WhenGivenACommand_RunsItWithoutServing()
    {
        using var shell = new Shell();
        var (code, output, error) = await RunProgramAsync(shell, "migrate", "--json");
        Assert.Equal(("", 0), (error, code));
        Assert.StartsWith("{", output, StringComparison.Ordinal);
        (code, output, error) = await RunProgramAsync(shell, "users", "disable", "nobody@example.com");
        Assert.Equal(("", "There is no such user.", 1), (output, error.Trim(), code));
        Assert.Equal(2, (await RunProgramAsync(shell, "users", "lst")).Code);
        (code, output, _) = await RunProgramAsync(shell, "--help");
        Assert.Equal(0, code);
        Assert.Contains("migrate-credentials", output, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output, string Error)> RunProgramAsync(Shell shell, params string[] words)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Identity.Server.dll"), .. words]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment["ASPNETCORE_ENVIRONMENT"] = "Development";
        foreach (var (name, value) in shell.Settings)
        {
            start.Environment[name.Replace(":", "__", StringComparison.Ordinal)] = value;
        }

        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        await process.WaitForExitAsync(limit.Token);
        return (process.ExitCode, await output, await error);
    }
}
