using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Mongo;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Devices;
using Identity.Accounts.SecondFactors;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using MongoDB.Bson;
using MongoDB.Driver;
using OtpNet;

namespace Identity.Tests.Security;

/// <summary>kill -9 while accounts are in one database and their credentials in another: the repair leaves no half. IDENTITY_TEST_KILLS sets how often.</summary>
public sealed class MongoCrashTests
{
    private const string NewPassword = "another sound pass phrase 8";

    private static readonly int s_kills = int.TryParse(Environment.GetEnvironmentVariable("IDENTITY_TEST_KILLS"), CultureInfo.InvariantCulture, out var wanted) ? wanted : 4;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Server_WhenKilledAtRandomPointsWithMongoDB_IsLeftWithNoHalfAfterTheRepair()
    {
        var directory = Directory.CreateTempSubdirectory("identity-mongo-crash-test-");
        await using var mongo = await MongoInstance.StartAsync();
        if (mongo is null)
        {
            Assert.Skip(MongoInstance.WhatIsMissing);
        }

        var settings = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["DATA_DIR"] = directory.FullName,
            ["MONGO_URI"] = mongo.Uri(),
            ["ADMIN_EMAIL"] = "admin@example.com",
            ["ADMIN_PASSWORD"] = Node.Password,
            ["Accounts__PasswordHashIterations"] = "1000",
            ["Accounts__SignInsPerAddress"] = "1000000",
            ["Accounts__RegistrationsPerAddress"] = "1000000",
        };

        // What each account was acknowledged to have, and may have: a request that got no answer was done or was not.
        var people = new ConcurrentDictionary<string, Promise>(StringComparer.Ordinal);
        var random = new Random(4711);
        for (var kill = 0; kill < s_kills; kill++)
        {
            await using var server = ServerProcess.Start(settings);
            await server.WaitReadyAsync();
            using var http = new HttpClient { BaseAddress = new Uri(server.Address, "/api/identity/") };
            var admin = await LoginAsync(http, "admin@example.com", Node.Password);
            var soFar = people.Count;
            var load = Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
            {
                try
                {
                    for (var i = worker; ; i++)
                    {
                        await LiveAsync(http, admin, people, i);
                    }
                }
                catch (Exception exception) when (exception is HttpRequestException or IOException or TaskCanceledException)
                {
                    // Killed.
                }
            }, Cancel)).ToArray();
            while (people.Count < soFar + 20)
            {
                await Task.Delay(10, Cancel);
            }

            await Task.Delay(random.Next(0, 400), Cancel);
            await server.KillAsync();
            await Task.WhenAll(load);
        }

        // An hour later, as far as the repair can tell: what it may not touch yet is minutes old at most.
        await using (var server = await HostedServer.StartAsync(time: new OffsetTimeProvider(TimeSpan.FromHours(1)), settings: settings.ToDictionary(pair => pair.Key.Replace("__", ":", StringComparison.Ordinal), pair => pair.Value, StringComparer.Ordinal)))
        {
            var moves = server.Services.GetRequiredService<MongoMoves>();
            var finished = await moves.MoveAllAsync(progress: null, Cancel);
            var removed = await moves.RemoveOrphansAsync(Cancel);
            var database = server.Services.GetRequiredService<StoreDatabase>();
            Assert.Equal(0, await database.ReadAsync((context, token) => context.Credentials.CountAsync(token), Cancel));
            var accounts = (await database.ReadAsync((context, token) => context.Accounts.Select(r => r.Id).ToListAsync(token), Cancel)).Order().ToArray();
            Assert.Equal(accounts, await IdsAsync(server, "credentials"));
            Assert.Empty((await IdsAsync(server, "metadata")).Except(accounts));

            // Each row has its secret there, and no document is without a row.
            var factors = await database.ReadAsync((context, token) => context.Set<SecondFactorRow>().ToListAsync(token), Cancel);
            var devices = await database.ReadAsync((context, token) => context.Set<DeviceRow>().ToListAsync(token), Cancel);
            Assert.All(factors, factor => Assert.Equal("", factor.Data));
            Assert.All(devices, device => Assert.Empty(device.SealedToken));
            Assert.Equal(factors.Select(factor => FactorSecrets.Key(factor.Id)).Order(StringComparer.Ordinal), await KeysAsync(server, "second_factors"));
            Assert.Equal(devices.Select(device => DeviceSecrets.Of(device).Key).Order(StringComparer.Ordinal), await KeysAsync(server, "devices"));
            foreach (var (email, promise) in people)
            {
                var account = await server.Services.GetRequiredService<IAccountStore>().FindByEmailAsync(email.ToUpperInvariant(), Cancel);
                Assert.True(account is null ? promise.MayBeGone : !promise.IsGone, email);
                if (account is not null)
                {
                    Assert.NotNull((await server.Services.GetRequiredService<ICredentialStore>().FindAsync(account.Id, Cancel))?.PasswordHash);
                    if (promise.Secret is { } secret)
                    {
                        var factor = await server.Services.GetRequiredService<ISecondFactorStore>().FindBySlotAsync(Authenticator.Slot(account.Id), Cancel);
                        var now = TimeProvider.System.GetUtcNow();
                        Assert.NotNull(server.Services.GetRequiredService<Authenticator>().Match(account.Id, factor!.Data, new Totp(Base32Encoding.ToBytes(secret)).ComputeTotp(now.UtcDateTime), now));
                    }

                    if (promise.Token is { } token)
                    {
                        Assert.Equal(token, await server.Services.GetRequiredService<DeviceRegistry>().TokenAsync(devices.Single(device => device.AccountId == account.Id), Cancel));
                    }
                }
            }

            using var http = new HttpClient { BaseAddress = new Uri(server.Url, "/api/identity/") };
            foreach (var (email, promise) in people.Where(person => !person.Value.MayBeGone))
            {
                var works = new List<string>();
                foreach (var password in new[] { Node.Password, NewPassword })
                {
                    using var login = await http.PostAsJsonAsync("login", new { email, password }, Cancel);
                    if (login.IsSuccessStatusCode || (await login.Content.ReadAsStringAsync(Cancel)).Contains("\"mfa_required\"", StringComparison.Ordinal))
                    {
                        works.Add(password);
                    }
                }

                Assert.Contains(Assert.Single(works), promise.Passwords);
            }

            TestContext.Current.TestOutputHelper?.WriteLine($"{s_kills} kills, {people.Count} people, {people.Values.Count(promise => promise.IsGone)} deleted, {people.Values.Count(promise => promise.Secret is not null)} with an app, {people.Values.Count(promise => promise.Passwords is [NewPassword])} passwords changed; the repair finished {finished} and removed {removed} halves after what the start had done");
        }
    }

    private static async Task LiveAsync(HttpClient http, string admin, ConcurrentDictionary<string, Promise> people, int i)
    {
        var email = $"m{Guid.NewGuid():N}@example.com";
        using var registered = await http.PostAsJsonAsync("register", new { email, password = Node.Password, metadata = new { turn = i } }, Cancel);
        registered.EnsureSuccessStatusCode();
        var id = (string)(await registered.Content.ReadFromJsonAsync<JsonNode>(Cancel))!["id"]!;
        var promise = people[email] = new();
        if (i % 3 == 0)
        {
            var access = await LoginAsync(http, email, Node.Password);
            promise.Passwords = [Node.Password, NewPassword];
            using var change = new HttpRequestMessage(HttpMethod.Post, "password/change") { Content = JsonContent.Create(new { currentPassword = Node.Password, newPassword = NewPassword }) };
            change.Headers.Authorization = new("Bearer", access);
            using var changed = await http.SendAsync(change, Cancel);
            changed.EnsureSuccessStatusCode();
            promise.Passwords = [NewPassword];
        }
        else if (i % 3 == 1)
        {
            promise.MayBeGone = true;
            using var delete = new HttpRequestMessage(HttpMethod.Delete, "users/" + id);
            delete.Headers.Authorization = new("Bearer", admin);
            using var deleted = await http.SendAsync(delete, Cancel);
            deleted.EnsureSuccessStatusCode();
            promise.IsGone = true;
        }
        else
        {
            var access = await LoginAsync(http, email, Node.Password);
            var token = $"token-of-{id}";
            await PostAsync(http, "devices", new { platform = "android", token }, access);
            promise.Token = token;
            var begun = await PostAsync(http, "factors/totp", body: null, access);
            var secret = (string)begun["secret"]!;
            await PostAsync(http, "factors/totp/confirm", new { enrolmentToken = (string)begun["enrolmentToken"]!, code = new Totp(Base32Encoding.ToBytes(secret)).ComputeTotp() }, access);
            promise.Secret = secret;
        }
    }

    private static async Task<JsonNode> PostAsync(HttpClient http, string path, object? body, string access)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) };
        request.Headers.Authorization = new("Bearer", access);
        using var answer = await http.SendAsync(request, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return (await answer.Content.ReadFromJsonAsync<JsonNode>(Cancel))!;
    }

    private static async Task<string> LoginAsync(HttpClient http, string email, string password)
    {
        using var login = await http.PostAsJsonAsync("login", new { email, password }, Cancel);
        login.EnsureSuccessStatusCode();
        return (string)(await login.Content.ReadFromJsonAsync<JsonNode>(Cancel))!["accessToken"]!;
    }

    private static async Task<Guid[]> IdsAsync(HostedServer server, string collection)
    {
        var documents = await server.Services.GetRequiredService<MongoServer>().Collection(collection).Find(FilterDefinition<BsonDocument>.Empty).ToListAsync(Cancel);
        return [.. documents.Select(document => MongoServer.Id(document["_id"])).Order()];
    }

    private static async Task<IEnumerable<string>> KeysAsync(HostedServer server, string collection)
    {
        var documents = await server.Services.GetRequiredService<MongoServer>().Collection(collection).Find(FilterDefinition<BsonDocument>.Empty).ToListAsync(Cancel);
        return documents.Select(document => document["_id"].AsString).Order(StringComparer.Ordinal);
    }

    private sealed class Promise
    {
        public string[] Passwords { get; set; } = [Node.Password];

        /// <summary>Of its authenticator app, once it was acknowledged.</summary>
        public string? Secret { get; set; }

        /// <summary>Of its device, once it was acknowledged.</summary>
        public string? Token { get; set; }

        public bool MayBeGone { get; set; }

        public bool IsGone { get; set; }
    }
}
