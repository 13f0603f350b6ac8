using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts.Import;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Api;

/// <summary>
/// A whole directory of users, over the wire and from a file. 2,000 as a rule, and 100,000 where IDENTITY_TEST_IMPORT says so, which is how the
/// figures in docs/operations.md were measured.
/// </summary>
public sealed class LargeImportTests(ITestOutputHelper output)
{
    // As another system kept it: it is taken as it is, and computed again only when its owner signs in.
    private const string Bcrypt = "$2b$10$qPdd.SX5B0W4crLYo60HAO9oVhTR1rWySATmvIGcF9mrmqVUrL5yC";
    private const string AdminEmail = "chief@example.com";
    private const string AdminPassword = "a sound pass phrase 7";
    private const int BadEvery = 500;
    private const long Megabyte = 1024 * 1024;

    private static readonly int s_count = int.Parse(Environment.GetEnvironmentVariable("IDENTITY_TEST_IMPORT") ?? "2000", CultureInfo.InvariantCulture);

    // 20 ms a user on a busy machine: 100,000 in half an hour at the very worst.
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60) + TimeSpan.FromMilliseconds(20 * s_count);

    private static int Bad => s_count / BadEvery;

    [Fact]
    public async Task Route_WithManyUsers_TellsHowFarItIs_KeepsMemoryFlat_ReportsEachRefusal_AndIsSafeToRunAgain()
    {
        await using var server = await StartAsync();
        using var http = await AdminAsync(server);
        var memory = new Memory();
        var watch = Stopwatch.StartNew();
        var (first, seen) = await ImportAsync(http, memory);
        output.WriteLine($"route: {s_count} users in {watch.Elapsed}, heap at most {memory.Peak / Megabyte} MB above {memory.Start / Megabyte} MB");
        Assert.Equal((s_count, s_count, s_count - Bad, 0, Bad), Counts(first));
        Assert.Equal(seen.Order(), seen);
        Assert.True(seen.Distinct().Count() > 3, $"its progress was {string.Join(' ', seen)}");
        Assert.True(watch.Elapsed < s_limit, watch.Elapsed.ToString());
        memory.AssertFlat();

        var (lines, cursor) = (new List<long>(), "0");
        while (cursor is not null)
        {
            var page = await ReadAsync(http, $"/api/identity/imports/{first["id"]}/refusals?limit=1000&cursor={cursor}");
            Assert.All(page["items"]!.AsArray(), item => Assert.Equal("email must be an email", (string)Assert.Single(item!["reasons"]!.AsArray())!));
            lines.AddRange(page["items"]!.AsArray().Select(item => (long)item!["line"]!));
            cursor = (string?)page["nextCursor"];
        }

        Assert.Equal(Enumerable.Range(1, Bad).Select(i => (long)i * BadEvery), lines);
        watch.Restart();
        var (again, _) = await ImportAsync(http, memory);
        output.WriteLine($"route: the same again in {watch.Elapsed}");
        Assert.Equal((s_count, s_count, 0, s_count - Bad, Bad), Counts(again));
        await SignInAsync(server, s_count - 2);
    }

    [Fact]
    public async Task File_WithManyUsers_TellsHowFarItIs_KeepsMemoryFlat_ReportsEachRefusal_AndIsSafeToRunAgain()
    {
        await using var server = await StartAsync();
        var path = Path.Combine(Path.GetTempPath(), $"identity-users-{Guid.NewGuid():N}.jsonl");
        await using (var file = File.Create(path))
        {
            await WriteAsync(file);
        }

        var import = server.Services.GetRequiredService<UserFileImport>();
        var (memory, refusals, steps) = (new Memory(), new List<ImportRefusal>(), 0);
        var progress = new Told(_ =>
        {
            steps++;
            memory.Look();
        });
        var watch = Stopwatch.StartNew();
        var done = await import.RunAsync(path, mappingPath: null, refusals.Add, progress, TestContext.Current.CancellationToken);
        output.WriteLine($"file: {s_count} users in {watch.Elapsed}, heap at most {memory.Peak / Megabyte} MB above {memory.Start / Megabyte} MB");
        Assert.Equal(new UserFileResult.Done(new ImportProgress(s_count, s_count - Bad, 0, Bad)), done);
        Assert.Equal(Enumerable.Range(1, Bad).Select(i => (long)i * BadEvery), refusals.Select(refusal => refusal.Line));
        Assert.All(refusals, refusal => Assert.Equal(["email must be an email"], refusal.Reasons));
        Assert.Equal((s_count + AccountIntakeMost - 1) / AccountIntakeMost, steps);
        Assert.True(watch.Elapsed < s_limit, watch.Elapsed.ToString());
        memory.AssertFlat();
        watch.Restart();
        Assert.Equal(new UserFileResult.Done(new ImportProgress(s_count, 0, s_count - Bad, Bad)), await import.RunAsync(path, mappingPath: null, _ => { }, progress: null, TestContext.Current.CancellationToken));
        output.WriteLine($"file: the same again in {watch.Elapsed}");
        await SignInAsync(server, s_count - 2);
        File.Delete(path);
    }

    private const int AccountIntakeMost = 200;

    private static Task<HostedServer> StartAsync() => HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["ADMIN_EMAIL"] = AdminEmail, ["ADMIN_PASSWORD"] = AdminPassword });

    private static async Task<HttpClient> AdminAsync(HostedServer server)
    {
        var http = new HttpClient { BaseAddress = server.Url, Timeout = TimeSpan.FromMinutes(30) };
        using var login = await http.PostAsJsonAsync("/api/identity/login", new { email = AdminEmail, password = AdminPassword }, TestContext.Current.CancellationToken);
        http.DefaultRequestHeaders.Authorization = new("Bearer", (string)JsonNode.Parse(await login.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["accessToken"]!);
        return http;
    }

    private static async Task<(JsonNode Status, List<long> Seen)> ImportAsync(HttpClient http, Memory memory)
    {
        using var answer = await http.PostAsync("/api/identity/users/import", new Lines(), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        var seen = new List<long>();
        for (var watch = Stopwatch.StartNew(); watch.Elapsed < s_limit;)
        {
            memory.Look();
            var status = await ReadAsync(http, answer.Headers.Location!.OriginalString);
            seen.Add((long)status["processed"]!);
            if ((string)status["state"]! == "done")
            {
                return (status, seen);
            }

            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        throw new TimeoutException($"The import does not end: {string.Join(' ', seen.TakeLast(20))}");
    }

    private static async Task<JsonNode> ReadAsync(HttpClient http, string path) => JsonNode.Parse(await http.GetStringAsync(path, TestContext.Current.CancellationToken))!;

    private static (int Lines, int Processed, int Created, int Existing, int Refused) Counts(JsonNode status) =>
        ((int)status["lines"]!, (int)status["processed"]!, (int)status["created"]!, (int)status["existing"]!, (int)status["refused"]!);

    private static async Task SignInAsync(HostedServer server, int number)
    {
        using var http = new HttpClient { BaseAddress = server.Url };
        using var login = await http.PostAsJsonAsync("/api/identity/login", new { email = $"many{number}@example.com", password = "correct horse battery" }, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, login.StatusCode);
    }

    private static async Task WriteAsync(Stream stream)
    {
        for (var i = 1; i <= s_count; i++)
        {
            // The same id each time: the second run brings the same people.
            var email = i % BadEvery == 0 ? "nobody" : $"many{i}@example.com";
            await stream.WriteAsync(Encoding.UTF8.GetBytes($$$"""{"id":"00000000-0000-4000-8000-{{{i:D12}}}","email":"{{{email}}}","userName":"many.{{{i}}}","firstName":"F{{{i}}}","lastName":"L","emailVerified":true,"roles":["admin"],"metadata":{"i":{{{i}}}},"passwordHash":"{{{Bcrypt}}}","createdAt":"2020-01-02T03:04:05Z"}""" + "\n"));
        }
    }

    private sealed class Lines : HttpContent
    {
        public Lines() => Headers.ContentType = new("application/x-ndjson");

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => WriteAsync(stream);

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    private sealed class Told(Action<ImportProgress> told) : IProgress<ImportProgress>
    {
        public void Report(ImportProgress value) => told(value);
    }

    /// <summary>What lives after a collection: of a file of any length it stays what a batch takes. Judged where it is long and nothing else runs.</summary>
    private sealed class Memory
    {
        private readonly Stopwatch _last = Stopwatch.StartNew();

        public long Start { get; } = GC.GetTotalMemory(forceFullCollection: true);

        public long Peak { get; private set; }

        public void Look()
        {
            if (_last.Elapsed > TimeSpan.FromMilliseconds(500))
            {
                Peak = Math.Max(Peak, GC.GetTotalMemory(forceFullCollection: true) - Start);
                _last.Restart();
            }
        }

        public void AssertFlat() => Assert.True(Peak < 150 * Megabyte || s_count < 10_000, $"{Peak / Megabyte} MB more live than at the start");
    }
}
