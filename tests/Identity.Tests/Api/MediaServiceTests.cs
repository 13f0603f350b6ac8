using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Export;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Identity.Tests.Api;

/// <summary>Exports rendered by MEDIA_SERVICE_URL: a stand-in that takes JSON lines and answers as it is told.</summary>
public sealed class MediaServiceTests
{
    private const string Xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

    [Fact]
    public async Task Export_WhenTheServiceAnswers_SendsTheRowsAsLinesAndPassesItsFileOn()
    {
        await using var media = await StandIn.StartAsync((context, _) => FileAsync(context, Xlsx, new string('x', 300_000)));
        await using var server = await ApiServer.StartAsync(new() { ["MEDIA_SERVICE_URL"] = media.Address + "render?profile=a" });
        var role = UserExportTests.Mark();
        var people = await UserExportTests.SeedAsync(server, role, 1200);
        var file = await UserExportTests.FetchAsync(server, $"users/export?format=xlsx&role={role}", (await server.AdminAsync()).Access);
        Assert.Equal((300_000, Xlsx), (file.Bytes.Length, file.Header("Content-Type")));
        Assert.StartsWith("attachment; filename=", file.Header("Content-Disposition"), StringComparison.Ordinal);
        var request = Assert.Single(media.Requests);
        Assert.Equal(("POST", "/render", "?profile=a&format=xlsx", "application/x-ndjson", Xlsx), (request.Method, request.Path, request.Query, request.ContentType, request.Accept));
        var lines = request.Body.TrimEnd('\n').Split('\n').Select(line => JsonNode.Parse(line)!.AsObject()).ToList();
        Assert.Equal(people.Select(person => person.Email), lines.Select(line => (string)line["email"]!));
        Assert.Equal(["id", "email", "userName", "phoneNumber", "firstName", "lastName", "emailVerified", "phoneNumberVerified", "isActive", "roles", "createdAt", "updatedAt", "lastLoginAt"], lines[0].Select(member => member.Key));
        Assert.Equal((people[1].FirstName, people[1].LastName), ((string?)lines[1]["firstName"], (string?)lines[1]["lastName"]));
    }

    [Fact]
    public async Task Export_WhenTheServiceFailsOnceBeforeItsAnswer_IsMadeAtTheNextAttempt()
    {
        await using var media = await StandIn.StartAsync((context, attempt) =>
        {
            if (attempt > 1)
            {
                return FileAsync(context, "application/octet-stream", "the file");
            }

            context.Response.StatusCode = 500;
            return Task.CompletedTask;
        });
        await using var server = await ApiServer.StartAsync(new() { ["MEDIA_SERVICE_URL"] = media.Address });
        var role = UserExportTests.Mark();
        await UserExportTests.SeedAsync(server, role, 3);
        var answer = await PumpAsync(server, server.GetAsync($"users/export?format=pdf&role={role}", (await server.AdminAsync()).Access));
        Assert.Equal((HttpStatusCode.OK, "the file", "application/pdf"), (answer.Status, answer.Text, answer.ContentType));
        Assert.Equal(2, media.Requests.Count);
        Assert.All(media.Requests, request => Assert.Equal(3, request.Body.Count(c => c == '\n')));
    }

    [Theory]
    [InlineData("500", 3)]
    [InlineData("429", 3)]
    [InlineData("400", 1)]
    [InlineData("302", 1)]
    [InlineData("html", 1)]
    [InlineData("empty", 3)]
    [InlineData("cut before the first byte", 3)]
    [InlineData("silence", 3)]
    public async Task Export_WhenTheServiceFailsForGood_Is502AfterAsManyAttemptsAsMakeSense(string how, int attempts)
    {
        await using var media = await StandIn.StartAsync((context, _) =>
        {
            switch (how)
            {
                case "html":
                    return FileAsync(context, "text/html", "<h1>Sorry</h1>");
                case "empty":
                    return FileAsync(context, "text/csv", "");
                case "cut before the first byte":
                    context.Abort();
                    return Task.CompletedTask;
                case "silence":
                    return Task.Delay(Timeout.Infinite, context.RequestAborted);
                default:
                    context.Response.StatusCode = int.Parse(how, System.Globalization.CultureInfo.InvariantCulture);
                    context.Response.Headers.Location = "/elsewhere";
                    return Task.CompletedTask;
            }
        });
        await using var server = await ApiServer.StartAsync(new() { ["MEDIA_SERVICE_URL"] = media.Address });
        var role = UserExportTests.Mark();
        await UserExportTests.SeedAsync(server, role, 3);
        var admin = await server.AdminAsync();
        var answer = await PumpAsync(server, server.GetAsync($"users/export?format=csv&role={role}", admin.Access));
        answer.AssertFailure(502, "media_service_failed");
        Assert.False(answer.Headers.ContainsKey("Content-Disposition"));
        Assert.Equal(attempts, media.Requests.Count);
    }

    [Fact]
    public async Task Export_WhenNobodyListens_Is502()
    {
        await using var server = await ApiServer.StartAsync(new() { ["MEDIA_SERVICE_URL"] = $"http://127.0.0.1:{Kit.Ports.Free()}/" });
        var admin = await server.AdminAsync();
        (await PumpAsync(server, server.GetAsync("users/export?format=csv", admin.Access))).AssertFailure(502, "media_service_failed");
    }

    [Fact]
    public async Task Export_WhenTheServiceIsCutOffInTheMiddle_IsCutOffAndNotTriedAgain()
    {
        var cut = new TaskCompletionSource();
        await using var media = await StandIn.StartAsync((context, _) => CutAsync(context, cut.Task));
        await using var server = await ApiServer.StartAsync(new() { ["MEDIA_SERVICE_URL"] = media.Address });
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/identity/users/export?format=csv");
        request.Headers.Authorization = new("Bearer", (await server.AdminAsync()).Access);
        using var response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        await using var body = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        Assert.NotEqual(0, await body.ReadAsync(new byte[1024], TestContext.Current.CancellationToken));
        cut.SetResult();
        var failure = await Record.ExceptionAsync(() => body.CopyToAsync(Stream.Null, TestContext.Current.CancellationToken));
        Assert.True(failure is HttpRequestException or IOException or OperationCanceledException, failure?.ToString() ?? "A cut file looks whole.");
        Assert.Single(media.Requests);
    }

    [Fact]
    public async Task Job_WhenTheServiceIsCutOffInTheMiddle_IsMadeAnewAndWhole()
    {
        var cut = new TaskCompletionSource();
        await using var media = await StandIn.StartAsync((context, attempt) => attempt == 1 ? CutAsync(context, cut.Task) : FileAsync(context, "text/csv", new string('y', 600_000)));
        await using var server = await ApiServer.StartAsync(new() { ["MEDIA_SERVICE_URL"] = media.Address });
        var role = UserExportTests.Mark();
        await UserExportTests.SeedAsync(server, role, 3);
        var job = UserExportTests.DoneAsync(server, $"format=csv&role={role}");
        var database = server.Services.GetRequiredService<StoreDatabase>();
        while (!job.IsCompleted && !await database.ReadAsync((context, token) => context.Set<ExportChunkRow>().AnyAsync(token), TestContext.Current.CancellationToken))
        {
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        cut.SetResult();
        var done = await job;
        var file = await UserExportTests.FetchAsync(server, done.Value("fileUrl"), (await server.AdminAsync()).Access);
        Assert.Equal(new string('y', 600_000), Encoding.ASCII.GetString(file.Bytes));
        Assert.Equal(2, media.Requests.Count);
        Assert.Equal(3, (int)done.Json["processed"]!);
    }

    // A node that was frozen for minutes: its claim has run out, and its connections broke.
    [Fact]
    public async Task Job_WhenAnotherNodeTookItOverBeforeTheCut_IsLeftToThatNodeWithItsFile()
    {
        var cut = new TaskCompletionSource();
        await using var media = await StandIn.StartAsync((context, _) => CutAsync(context, cut.Task));
        await using var server = await ApiServer.StartAsync(new() { ["MEDIA_SERVICE_URL"] = media.Address });
        var role = UserExportTests.Mark();
        await UserExportTests.SeedAsync(server, role, 3);
        var (id, now, database) = (Guid.NewGuid(), server.Time.GetUtcNow(), server.Services.GetRequiredService<StoreDatabase>());
        await database.WriteAsync(
            (context, token) =>
            {
                context.Add(new ExportJobRow { Id = id, State = "waiting", Format = "csv", Language = "en", Role = role, CreatedAt = now, Total = 3, ExpiresAt = now.AddDays(1) });
                return context.SaveChangesAsync(token);
            },
            TestContext.Current.CancellationToken);
        var frozen = server.Services.GetRequiredService<ExportJobs>().RunNextAsync(TestContext.Current.CancellationToken);
        while (!frozen.IsCompleted && !await database.ReadAsync((context, token) => context.Set<ExportChunkRow>().AnyAsync(token), TestContext.Current.CancellationToken))
        {
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        await database.TransactAsync(
            async (context, token) =>
            {
                await context.Set<ExportJobRow>().Where(r => r.Id == id).ExecuteUpdateAsync(set => set.SetProperty(r => r.ClaimedBy, Guid.NewGuid()), token);
                await context.Set<ExportChunkRow>().Where(r => r.JobId == id).ExecuteDeleteAsync(token);
                context.Add(new ExportChunkRow { JobId = id, Ordinal = 0, Content = "theirs"u8.ToArray() });
                return await context.SaveChangesAsync(token);
            },
            TestContext.Current.CancellationToken);
        cut.SetResult();
        await frozen;
        var chunk = await database.ReadAsync((context, token) => context.Set<ExportChunkRow>().SingleOrDefaultAsync(r => r.JobId == id, token), TestContext.Current.CancellationToken);
        Assert.Equal("theirs", Encoding.ASCII.GetString(chunk?.Content ?? []));
        Assert.Single(media.Requests);
    }

    [Fact]
    public async Task Job_WhenTheServiceRefuses_HasFailedAndHasNoFile()
    {
        await using var media = await StandIn.StartAsync((context, _) =>
        {
            context.Response.StatusCode = 400;
            return Task.CompletedTask;
        });
        await using var server = await ApiServer.StartAsync(new() { ["MEDIA_SERVICE_URL"] = media.Address });
        var admin = await server.AdminAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/identity/users/export?format=xlsx");
        request.Headers.Authorization = new("Bearer", admin.Access);
        request.Headers.Add("Prefer", "respond-async");
        using var response = await server.Http.SendAsync(request, TestContext.Current.CancellationToken);
        var status = await UserExportTests.EndedAsync(server, (await Answer.ReadAsync(response)).Headers["Location"], admin.Access);
        Assert.Equal("failed", status.Value("state"));
        Assert.Null(status.Json["fileUrl"]);
        (await server.GetAsync($"exports/{status.Value("id")}/file", admin.Access)).AssertFailure(409, "export_not_ready");
    }

    private static async Task FileAsync(HttpContext context, string type, string content)
    {
        context.Response.ContentType = type;
        await context.Response.WriteAsync(content, context.RequestAborted);
    }

    // What was sent has been seen further on before it is cut.
    private static async Task CutAsync(HttpContext context, Task seen)
    {
        context.Response.ContentType = "text/csv";
        context.Response.ContentLength = 1_000_000;
        await context.Response.WriteAsync(new string('x', 400_000), context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
        await seen;
        context.Abort();
    }

    // The server's clock moves for as long as it is waited for.
    private static async Task<Answer> PumpAsync(ApiServer server, Task<Answer> answer)
    {
        for (var watch = Stopwatch.StartNew(); !answer.IsCompleted && watch.Elapsed < TimeSpan.FromMinutes(2);)
        {
            server.Time.Advance(TimeSpan.FromSeconds(2));
            await Task.WhenAny(answer, Task.Delay(100, TestContext.Current.CancellationToken));
        }

        return await answer;
    }

    private sealed record Seen(string Method, string Path, string Query, string? ContentType, string Accept, string Body);

    private sealed class StandIn : IAsyncDisposable
    {
        private readonly WebApplication _app;

        private StandIn(WebApplication app) => _app = app;

        public ConcurrentQueue<Seen> Requests { get; } = new();

        public string Address => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single() + "/";

        /// <param name="answer">Told which attempt it is, from 1.</param>
        public static async Task<StandIn> StartAsync(Func<HttpContext, int, Task> answer)
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            var app = builder.Build();
            var standIn = new StandIn(app);
            app.Run(async context =>
            {
                using var reader = new StreamReader(context.Request.Body);
                var body = await reader.ReadToEndAsync(context.RequestAborted);
                standIn.Requests.Enqueue(new(context.Request.Method, context.Request.Path, context.Request.QueryString.ToString(), context.Request.ContentType, context.Request.Headers.Accept.ToString(), body));
                await answer(context, standIn.Requests.Count);
            });
            await app.StartAsync(TestContext.Current.CancellationToken);
            return standIn;
        }

        public async ValueTask DisposeAsync()
        {
            await _app.StopAsync(new CancellationToken(canceled: true));
            await _app.DisposeAsync();
        }
    }
}
