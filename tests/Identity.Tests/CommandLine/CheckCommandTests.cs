using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Identity.Server.Hosting;
using Identity.Tests.Kit;

namespace Identity.Tests.CommandLine;

/// <summary>identity check: what is configured is tried, and what is wrong is one line.</summary>
public sealed class CheckCommandTests
{
    private const string Secret = "s3cret-that-nobody-may-see";

    [Fact]
    public async Task Check_WhenAllIsWell_SaysSoAndChangesNothing()
    {
        using var shell = await Shell.MigratedAsync();
        Assert.Equal(["settings: ok", "database: ok", "runtime: ok"], Lines((await shell.RunAsync("check")).Done().Output));
        var json = (await shell.RunAsync("check", "--json")).Done().Json;
        Assert.True((bool)json["ok"]!);
        Assert.Equal(3, json["checks"]!.AsArray().Count);
    }

    [Theory]
    [InlineData("10.0.6", "10.0.12", false)]
    [InlineData("10.0.12", "10.0.12", true)]
    [InlineData("10.0.13", "10.0.12", true)]
    [InlineData("11.0.0", "10.0.12", true)]
    [InlineData("10.0.6", null, true)]
    public void Runtime_OlderThanTheOneOfTheBuild_IsAProblem(string running, string? builtWith, bool isFine)
    {
        var problem = RuntimePatch.FindProblem(Version.Parse(running), builtWith is null ? null : Version.Parse(builtWith));
        Assert.Equal(isFine, problem is null);
        Assert.True(isFine || (problem!.Contains(running, StringComparison.Ordinal) && problem.Contains(builtWith!, StringComparison.Ordinal)));
        Assert.NotNull(RuntimePatch.BuiltWith);
    }

    [Fact]
    public async Task Check_WhenThereIsNoDatabaseYet_SaysHowToMakeIt()
    {
        using var shell = new Shell();
        var spoken = await shell.RunAsync("check");
        Assert.Equal(1, spoken.Code);
        Assert.Matches("^database: DATA_DIR: .*identity migrate$", Lines(spoken.Output)[1]);
        Assert.Single(Lines(spoken.Error));
        Assert.False(File.Exists(Path.Combine(shell.DataDirectory, "identity.db")));
    }

    [Theory]
    [InlineData("mongodb", "MONGO_URI:", "MONGO_URI", "mongodb://u:s3cret-that-nobody-may-see@127.0.0.1:{port}/x")]
    [InlineData("redis", "REDIS_HOST:", "REDIS_HOST", "127.0.0.1:{port}")]
    [InlineData("rabbitmq", "RABBITMQ_URIS:", "RABBITMQ_URIS", "amqp://u:s3cret-that-nobody-may-see@127.0.0.1:{port}")]
    [InlineData("smtp", "SMTP_URL:", "SMTP_URL", "smtp://u:s3cret-that-nobody-may-see@127.0.0.1:{port}")]
    [InlineData("sms", "SMS_WEBHOOK_URL:", "SMS_WEBHOOK_URL", "http://127.0.0.1:{port}/sms")]
    [InlineData("media", "MEDIA_SERVICE_URL:", "MEDIA_SERVICE_URL", "http://127.0.0.1:{port}/render")]
    [InlineData("telemetry", "OTEL_EXPORTER_OTLP_ENDPOINT:", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:{port}")]
    [InlineData("database", "DB_HOST:", "DB_HOST", "127.0.0.1:{port}")]
    public async Task Check_WhenADependencyIsDown_SaysItInOneLineThatNamesTheSetting(string name, string begins, string setting, string value)
    {
        List<(string, string)> settings = [(setting, value.Replace("{port}", $"{Ports.Free()}", StringComparison.Ordinal))];
        if (name == "sms")
        {
            settings.Add(("SMS_WEBHOOK_SECRET", Secret));
        }

        if (name == "database")
        {
            settings.AddRange([("DB_PROVIDER", "postgres"), ("DB_NAME", "x"), ("DB_USERNAME", "u"), ("DB_PASSWORD", Secret), ("DB_TLS", "off"), ("MASTER_KEY", Key())]);
        }

        using var shell = new Shell([.. settings]);
        if (name != "database")
        {
            using var plain = new Shell(("DATA_DIR", shell.DataDirectory));
            (await plain.RunAsync("migrate")).Done();
        }

        var spoken = await shell.RunAsync("check");
        Assert.Equal(1, spoken.Code);
        var line = Assert.Single(Lines(spoken.Output), line => !line.EndsWith(": ok", StringComparison.Ordinal));
        Assert.StartsWith($"{name}: {begins}", line, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, spoken.Output + spoken.Error, StringComparison.Ordinal);
        Assert.Single(Lines(spoken.Error));
        var json = await shell.RunAsync("check", "--json");
        Assert.False((bool)json.Json["ok"]!);
        Assert.StartsWith(begins, (string?)json.Json["checks"]!.AsArray().Single(check => !(bool)check!["ok"]!)!["problem"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_WhenTheMailServerOffersNoStartTls_SaysSo()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var greeting = Task.Run(async () =>
        {
            using var client = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
            using var reader = new StreamReader(client.GetStream(), Encoding.ASCII);
            await client.GetStream().WriteAsync("220 mail.example.com\r\n"u8.ToArray());
            await reader.ReadLineAsync(TestContext.Current.CancellationToken);
            await client.GetStream().WriteAsync("250-mail.example.com\r\n250 SIZE\r\n"u8.ToArray());
            await reader.ReadLineAsync(TestContext.Current.CancellationToken);
        }, TestContext.Current.CancellationToken);
        using var shell = await Shell.MigratedAsync(("SMTP_URL", $"smtp+starttls://u:{Secret}@127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}"));
        Assert.Contains("it does not offer STARTTLS", (await shell.RunAsync("check")).Output, StringComparison.Ordinal);
        await greeting;
    }

    [Fact]
    public async Task Check_WhenTheMasterKeyIsAnother_SaysSo()
    {
        using var shell = await Shell.MigratedAsync();
        using var other = new Shell(("DATA_DIR", shell.DataDirectory), ("MASTER_KEY", Key()));
        Assert.Contains("database: MASTER_KEY: expected the master key", (await other.RunAsync("check")).Output, StringComparison.Ordinal);
        Assert.StartsWith("MASTER_KEY:", (await other.RunAsync("users", "list")).Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_WhenAFileOfClientsIsBad_SaysWhichAndWhy()
    {
        using var shell = await Shell.MigratedAsync();
        var file = shell.File("clients.json", """[{"client_id":"broken","token_endpoint_auth_method":"none","redirect_uris":["http://evil.example.com/"]}]""");
        using var with = new Shell(("DATA_DIR", shell.DataDirectory), ("CLIENTS_FILE", file));
        Assert.Contains("settings: CLIENTS_FILE: broken: redirect_uris[0]:", (await with.RunAsync("check")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Commands_OnPostgres_MakeItCheckItAndWorkOnIt()
    {
        await using var postgres = await PostgresServer.StartAsync();
        if (postgres is null)
        {
            Assert.Skip(PostgresServer.WhatIsMissing);
        }

        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        postgres.AddSettings(settings);
        using var shell = new Shell([.. settings.Select(setting => (setting.Key, setting.Value))]);
        Assert.Contains("database: DB_HOST: expected a database that is ready", (await shell.RunAsync("check")).Output, StringComparison.Ordinal);
        (await shell.RunAsync("migrate")).Done();
        (await shell.RunAsync("check")).Done();
        (await shell.RunAsync("users", "create", "ada@example.com")).Done();
        Assert.Equal("ada@example.com", (string?)(await shell.RunAsync("users", "list", "--json")).Done().Json[0]!["email"]);
    }

    internal static string Key() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    private static string[] Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
