// Security catalogue: during an upgrade nodes of two versions run on one schema, and the newer one's may be there first.
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Identity.Tests.Repository;
using Npgsql;

namespace Identity.Tests.Security;

/// <summary>Expand, then contract: the version before runs on the schema of the next.</summary>
public sealed class UpgradeTests
{
    // What a next version may add (ExpandContractTests): this one must neither read, write nor miss it.
    private const string NextVersion = """
        ALTER TABLE accounts ADD COLUMN next_note text NULL;
        ALTER TABLE accounts ADD COLUMN next_count integer NOT NULL DEFAULT 7;
        ALTER TABLE sessions ADD COLUMN next_kind character varying(20) NOT NULL DEFAULT 'x';
        ALTER TABLE authorizations ADD COLUMN next_note text NULL;
        ALTER TABLE credentials ADD COLUMN next_note text NULL;
        ALTER TABLE tokens ADD COLUMN next_note text NULL;
        ALTER TABLE outbox ADD COLUMN next_note text NULL;
        CREATE TABLE next_table (id uuid PRIMARY KEY, account_id uuid NOT NULL);
        CREATE INDEX ix_accounts_next ON accounts (next_count);
        INSERT INTO "__EFMigrationsHistory" (migration_id, product_version) VALUES ('29991231235959_Next', '99.0.0');
        """;

    [Fact]
    public async Task Server_WhenTheSchemaBecomesThatOfTheNextVersion_GoesOn_AndStartsOnItWithALine()
    {
        var directory = Directory.CreateTempSubdirectory("identity-upgrade-test-");
        await using var database = await PostgresServer.StartAsync();
        if (database is null)
        {
            Assert.Skip(PostgresServer.WhatIsMissing);
        }

        var settings = await SettingsAsync(directory, database);
        string email, refresh;
        await using (var process = ServerProcess.Start(settings))
        {
            await process.WaitReadyAsync();
            using var node = new AddressedNode(process.Address);
            (email, refresh) = await SignUpAsync(node);
            await using (var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(database.ConnectionString) { Database = settings["DB_NAME"] }.ConnectionString))
            {
                await connection.OpenAsync(TestContext.Current.CancellationToken);
                await using var command = new NpgsqlCommand(NextVersion, connection);
                await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
            }

            await EverythingAsync(node);
            refresh = await RefreshAsync(node, refresh);
            await process.TerminateAsync();
        }

        await using (var process = ServerProcess.Start(settings))
        {
            await process.WaitReadyAsync();
            Assert.Contains("was brought up to date by a newer version (29991231235959_Next)", process.Output, StringComparison.Ordinal);
            using var node = new AddressedNode(process.Address);
            await LoginAsync(node, email);
            await RefreshAsync(node, refresh);
            await EverythingAsync(node);
        }

        directory.Delete(recursive: true);
    }

    /// <summary>
    /// The real thing, where IDENTITY_TEST_VERSION_BEFORE names a commit or a tag: it is built, and its server runs beside the one of today on
    /// the schema of today.
    /// </summary>
    [Fact]
    public async Task ServerOfTheVersionBefore_WhenItStartsOnTheSchemaOfThisOne_WorksBesideIt()
    {
        var before = Environment.GetEnvironmentVariable("IDENTITY_TEST_VERSION_BEFORE");
        Assert.SkipWhen(string.IsNullOrEmpty(before), "IDENTITY_TEST_VERSION_BEFORE names no commit to build.");
        var directory = Directory.CreateTempSubdirectory("identity-upgrade-test-");
        await using var database = await PostgresServer.StartAsync();
        if (database is null)
        {
            Assert.Skip(PostgresServer.WhatIsMissing);
        }

        var sources = Directory.CreateDirectory(Path.Combine(directory.FullName, "before")).FullName;
        await RunAsync("git", ["-C", RepositoryRoot.Path, "archive", "--output", sources + ".tar", before!], RepositoryRoot.Path);
        await RunAsync("tar", ["-xf", sources + ".tar", "-C", sources], sources);
        await RunAsync("dotnet", ["build", "src/Identity.Server", "-c", "Release", "-nologo", "-v", "q", "-p:RunAnalyzers=false", "-o", Path.Combine(directory.FullName, "server")], sources);

        var settings = await SettingsAsync(directory, database);
        await using var process = ServerProcess.Start(settings);
        await process.WaitReadyAsync();
        using var node = new AddressedNode(process.Address);
        await using var older = ServerProcess.Start(
            new Dictionary<string, string>(settings, StringComparer.Ordinal) { ["PUBLIC_URL"] = $"http://localhost:{process.Port}", ["PORT"] = $"{Ports.Free()}", ["DATA_DIR"] = Path.Combine(directory.FullName, "older") },
            program: Path.Combine(directory.FullName, "server", "Identity.Server.dll"));
        await older.WaitReadyAsync();
        using var other = new AddressedNode(older.Address);
        foreach (var (first, second) in new[] { (node, other), (other, node) })
        {
            await EverythingAsync(first);
            var (email, refresh) = await SignUpAsync(first);
            await LoginAsync(second, email);
            refresh = await RefreshAsync(second, refresh);
            await RefreshAsync(first, refresh);
        }

        await older.KillAsync();
        await process.KillAsync();
        directory.Delete(recursive: true);
    }

    private static async Task<Dictionary<string, string>> SettingsAsync(DirectoryInfo directory, PostgresServer database)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var settings = await RunningServer.WriteClientsAsync(directory.FullName, key);
        settings["DATA_DIR"] = Path.Combine(directory.FullName, "data");
        settings["OAuth__RefreshGrace"] = "00:00:00";
        settings["PORT"] = $"{Ports.Free()}";
        database.AddSettings(settings);
        return settings;
    }

    // What touches the tables: registration, sign-in by page, code, refresh, revocation, a change of the account, sign-out.
    private static async Task EverythingAsync(Node node)
    {
        using var browser = await node.SignedInAsync();
        var tokens = await node.TokensAsync(browser);
        Assert.Equal(HttpStatusCode.OK, await node.UserInfoAsync((string)tokens["access_token"]!));
        var (status, refreshed) = await node.RefreshAsync((string)tokens["refresh_token"]!);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(HttpStatusCode.OK, (await node.PostAsync("/connect/revoke", null, ("client_id", "spa"), ("token", (string)refreshed["access_token"]!))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, await node.UserInfoAsync((string)refreshed["access_token"]!));
        var (email, _) = await SignUpAsync(node);
        using (var change = new HttpRequestMessage(HttpMethod.Post, new Uri(node.Address, "/api/identity/password/change")) { Content = JsonContent.Create(new { currentPassword = Node.Password, newPassword = Node.Password + " 2" }) })
        {
            change.Headers.Authorization = new("Bearer", await LoginAsync(node, email));
            using var changed = await node.Http.SendAsync(change);
            Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
        }

        using var signedOut = await browser.SubmitAsync("/signout", []);
        Assert.Equal("invalid_grant", (string?)(await node.RefreshAsync((string)refreshed["refresh_token"]!)).Body["error"]);
    }

    private static async Task<(string Email, string Refresh)> SignUpAsync(Node node)
    {
        var (_, email) = await node.RegisterAsync();
        using var browser = new Browser(node.Address);
        await browser.SignInAsync(email, Node.Password);
        return (email, (string)(await node.TokensAsync(browser))["refresh_token"]!);
    }

    private static async Task<string> LoginAsync(Node node, string email)
    {
        using var login = await node.Http.PostAsJsonAsync(new Uri(node.Address, "/api/identity/login"), new { email, password = Node.Password });
        Assert.Equal(HttpStatusCode.OK, login.StatusCode);
        return (string)(await login.Content.ReadFromJsonAsync<JsonNode>())!["accessToken"]!;
    }

    private static async Task<string> RefreshAsync(Node node, string token)
    {
        var (status, body) = await node.RefreshAsync(token);
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        return (string)body["refresh_token"]!;
    }

    private static async Task RunAsync(string program, string[] arguments, string folder)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {await output}{await error}");
    }
}
