using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts.Audit;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Events;
using Identity.Accounts.Profile;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Api;

/// <summary>A server whose events stay in the outbox, where tests read them.</summary>
public sealed class DeviceServer() : ApiServer([], services => services.AddSingleton<IEventPublisher, NobodyListens>())
{
    internal StoreDatabase Database => Services.GetRequiredService<StoreDatabase>();

    /// <summary>The data of the account's events of this type, in order.</summary>
    public async Task<IReadOnlyList<JsonNode>> EventsAsync(string accountId, string type)
    {
        var id = Guid.Parse(accountId);
        var bodies = await Database.ReadAsync((context, token) => context.Outbox.Where(r => r.AccountId == id && r.RoutingKey == type).OrderBy(r => r.Sequence).Select(r => r.Body).ToListAsync(token), TestContext.Current.CancellationToken);
        return [.. bodies.Select(body => JsonNode.Parse(body)!["data"]!)];
    }

    public static string NewToken() => "fcm-token:" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));

    public static string NewAppleToken() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));

    public async Task<JsonArray> DevicesAsync(Tokens tokens)
    {
        var answer = await GetAsync("devices", tokens.Access);
        answer.AssertOk();
        return JsonNode.Parse(answer.Text)!.AsArray();
    }

    public async Task<string> AddDeviceAsync(Tokens tokens, string? token = null, string? deviceId = null, string? publicKey = null)
    {
        var answer = await PostAsync("devices", new { platform = "android", token = token ?? NewToken(), deviceId, appId = "com.example.app", publicKey }, tokens.Access);
        Assert.True(answer.Status == HttpStatusCode.Created, answer.Text);
        return answer.Value("id");
    }

    private sealed class NobodyListens : IEventPublisher
    {
        public Task<PublishOutcome> PublishAsync(IReadOnlyList<OutboxMessage> messages, CancellationToken cancellationToken) => Task.FromResult(PublishOutcome.Nothing);
    }
}

public sealed class DeviceTests(DeviceServer server) : IClassFixture<DeviceServer>
{
    [Fact]
    public async Task Post_WhenNew_RegistersItAndShowsNoToken()
    {
        var (person, tokens) = await server.SignedInAsync();
        var token = DeviceServer.NewAppleToken();
        var answer = await server.PostAsync("devices", new { platform = "ios", token, deviceId = "phone-1", appId = "com.example.app", environment = "sandbox" }, tokens.Access);
        Assert.Equal(HttpStatusCode.Created, answer.Status);
        Assert.Equal(["id", "platform", "deviceId", "appId", "environment", "canApprove", "current", "createdAt", "lastSeenAt"], answer.Json.Select(member => member.Key));
        Assert.Equal("no-store", answer.Headers["Cache-Control"]);
        var listed = Assert.Single(await server.DevicesAsync(tokens))!;
        Assert.True(JsonNode.DeepEquals(answer.Json, listed));
        Assert.True((bool)listed["current"]!);
        Assert.False((bool)listed["canApprove"]!);
        var registered = Assert.Single(await server.EventsAsync(person.Id, EventTypes.DeviceRegistered));
        Assert.Equal(answer.Value("id"), (string)registered["id"]!);
        Assert.Equal(person.Id, (string)registered["userId"]!);
        Assert.Equal("ios", (string)registered["platform"]!);
        Assert.False((bool)registered["moved"]!);
        Assert.DoesNotContain(token, registered.ToJsonString(), StringComparison.OrdinalIgnoreCase);
        var audit = await server.Services.GetRequiredService<IAuditLog>().ListAsync(Guid.Parse(person.Id), 10, TestContext.Current.CancellationToken);
        Assert.Contains(audit, record => record is { Action: "device_register", Outcome: "success" } && record.SessionId == tokens.SessionId);
    }

    [Fact]
    public async Task Post_WhenTheBodyDoesNotValidate_TellsEveryProblem()
    {
        var (_, tokens) = await server.SignedInAsync();
        Task<Answer> Post(object body) => server.PostAsync("devices", body, tokens.Access);
        (await Post(new { })).AssertProblems("platform should not be empty", "token should not be empty");
        (await Post(new { platform = "windows", token = "x" })).AssertProblems("platform must be one of the following values: android, ios");
        (await Post(new { platform = "ios", token = "not hexadecimal" })).AssertProblems("token must be hexadecimal, as APNs gives it");
        (await Post(new { platform = "android", token = "white space" })).AssertProblems("token must be a registration token, as Firebase gives it");
        (await Post(new { platform = "ios", token = DeviceServer.NewAppleToken(), environment = "test" })).AssertProblems("environment must be one of the following values: sandbox, production");
        (await Post(new { platform = "android", token = new string('x', 4097) })).AssertProblems("token must be shorter than or equal to 4096 characters");
        (await Post(new { platform = "android", token = "x", publicKey = "AAAA" })).AssertProblems("publicKey must be a P-256 public key in base64: SubjectPublicKeyInfo or an uncompressed point");
    }

    // Apps for both platforms send one body.
    [Theory]
    [InlineData("sandbox")]
    [InlineData("production")]
    [InlineData("")]
    [InlineData("debug")]
    public async Task Post_WhenAnAndroidDeviceNamesAnEnvironment_RegistersItWithoutOne(string environment)
    {
        var (_, tokens) = await server.SignedInAsync();
        var answer = await server.PostAsync("devices", new { platform = "android", token = DeviceServer.NewToken(), environment }, tokens.Access);
        Assert.Equal(HttpStatusCode.Created, answer.Status);
        Assert.Null(answer.Json["environment"]);
    }

    [Fact]
    public async Task Routes_WhenTheTokenIsNotThePersonsOwn_AreRefused()
    {
        var service = await server.ServiceTokenAsync("writer", "identity.users.write");
        foreach (var token in (string?[])[null, "nonsense"])
        {
            (await server.PostAsync("devices", new { platform = "android", token = "x" }, token)).AssertFailure(401, token is null ? "unauthorized" : "invalid_token");
            (await server.GetAsync("devices", token)).AssertFailure(401, token is null ? "unauthorized" : "invalid_token");
        }

        (await server.PostAsync("devices", new { platform = "android", token = "x" }, service)).AssertFailure(403, "forbidden");
        (await server.GetAsync("devices", service)).AssertFailure(403, "forbidden");
        (await server.SendAsync(HttpMethod.Delete, "devices/" + Guid.NewGuid(), body: null, service)).AssertFailure(403, "forbidden");
    }

    [Fact]
    public async Task Post_WhenRepeated_IsOneDeviceAndOneEvent()
    {
        var (person, tokens) = await server.SignedInAsync();
        var token = DeviceServer.NewToken();
        var id = await server.AddDeviceAsync(tokens, token);
        server.Time.Advance(TimeSpan.FromMinutes(3));
        Assert.Equal(id, await server.AddDeviceAsync(tokens, token));
        var listed = Assert.Single(await server.DevicesAsync(tokens))!;
        Assert.Equal(TimeSpan.FromMinutes(3), DateTimeOffset.Parse((string)listed["lastSeenAt"]!, null) - DateTimeOffset.Parse((string)listed["createdAt"]!, null));
        Assert.Single(await server.EventsAsync(person.Id, EventTypes.DeviceRegistered));
    }

    [Fact]
    public async Task Post_WhenTheSameDeviceBringsANewToken_ReplacesTheOld()
    {
        var (person, tokens) = await server.SignedInAsync();
        var first = DeviceServer.NewToken();
        var id = await server.AddDeviceAsync(tokens, first, "phone-1");
        Assert.Equal(id, await server.AddDeviceAsync(tokens, DeviceServer.NewToken(), "phone-1"));
        Assert.Single(await server.DevicesAsync(tokens));

        // The old token is nobody's now: it can be another device's, with an event of its own.
        Assert.NotEqual(id, await server.AddDeviceAsync(tokens, first, "phone-2"));
        Assert.Equal(2, (await server.DevicesAsync(tokens)).Count);
        Assert.Equal(2, (await server.EventsAsync(person.Id, EventTypes.DeviceRegistered)).Count);
    }

    [Fact]
    public async Task Post_WhenTheTokenIsAnothers_MovesItAndTellsBoth()
    {
        var (before, beforeTokens) = await server.SignedInAsync();
        var (after, afterTokens) = await server.SignedInAsync();
        var token = DeviceServer.NewToken();
        var old = await server.AddDeviceAsync(beforeTokens, token);
        var moved = await server.AddDeviceAsync(afterTokens, token);
        Assert.NotEqual(old, moved);
        Assert.Empty(await server.DevicesAsync(beforeTokens));
        Assert.Single(await server.DevicesAsync(afterTokens));
        var removed = Assert.Single(await server.EventsAsync(before.Id, EventTypes.DeviceRemoved));
        Assert.Equal((old, "moved"), ((string)removed["id"]!, (string)removed["reason"]!));
        Assert.True((bool)Assert.Single(await server.EventsAsync(after.Id, EventTypes.DeviceRegistered))["moved"]!);
    }

    [Fact]
    public async Task Delete_WhenItIsOnesOwn_RemovesItOnce()
    {
        var (person, tokens) = await server.SignedInAsync();
        var (_, strangers) = await server.SignedInAsync();
        var id = await server.AddDeviceAsync(tokens);
        (await server.SendAsync(HttpMethod.Delete, "devices/" + id, body: null, strangers.Access)).AssertFailure(404, "device_not_found");
        Assert.Equal(HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Delete, "devices/" + id, body: null, tokens.Access)).Status);
        (await server.SendAsync(HttpMethod.Delete, "devices/" + id, body: null, tokens.Access)).AssertFailure(404, "device_not_found");
        (await server.SendAsync(HttpMethod.Delete, "devices/nonsense", body: null, tokens.Access)).AssertFailure(404, "device_not_found");
        Assert.Equal("requested", (string)Assert.Single(await server.EventsAsync(person.Id, EventTypes.DeviceRemoved))["reason"]!);
    }

    [Fact]
    public async Task SignOut_OfTheSession_DetachesItsDevicesAndNoOthers()
    {
        var (person, first) = await server.SignedInAsync();
        var second = await server.LoginAsync(person.Email);
        await server.AddDeviceAsync(first, deviceId: "a");
        var kept = await server.AddDeviceAsync(second, deviceId: "b");
        (await server.PostAsync("logout", new { refreshToken = first.Refresh })).AssertOk();
        Assert.Equal(kept, (string)Assert.Single(await server.DevicesAsync(second))!["id"]!);
        Assert.Equal("logout", (string)Assert.Single(await server.EventsAsync(person.Id, EventTypes.DeviceRemoved))["reason"]!);
    }

    [Fact]
    public async Task PasswordChange_DetachesAll()
    {
        var (person, tokens) = await server.SignedInAsync();
        await server.AddDeviceAsync(tokens);
        await server.AddDeviceAsync(await server.LoginAsync(person.Email));
        (await server.PostAsync("password/change", new { currentPassword = person.Password, newPassword = "another sound pass phrase 8" }, tokens.Access)).AssertOk();
        Assert.Empty(await server.DevicesAsync(await server.LoginAsync(person.Email, "another sound pass phrase 8")));
        Assert.Equal(["password_changed", "password_changed"], (await server.EventsAsync(person.Id, EventTypes.DeviceRemoved)).Select(data => (string)data["reason"]!));
    }

    [Fact]
    public async Task Deactivation_DetachesAll_AlsoThoseWhoseSessionRanOut()
    {
        var (person, tokens) = await server.SignedInAsync();
        await server.AddDeviceAsync(tokens);
        server.Time.Jump(TimeSpan.FromDays(8));
        var later = await server.LoginAsync(person.Email);
        Assert.Single(await server.DevicesAsync(later));
        await server.AddDeviceAsync(later);
        (await server.PutAsync("users/" + person.Id, new { isActive = false }, (await server.AdminAsync()).Access)).AssertOk();
        Assert.Equal(["deactivated", "deactivated"], (await server.EventsAsync(person.Id, EventTypes.DeviceRemoved)).Select(data => (string)data["reason"]!));
        var id = Guid.Parse(person.Id);
        Assert.Equal(0, await server.Database.ReadAsync((context, token) => context.Set<DeviceRow>().CountAsync(r => r.AccountId == id, token), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task CleanUp_WhenADeviceWasNotSeenFor270Days_RemovesIt()
    {
        var (person, tokens) = await server.SignedInAsync();
        var stale = await server.AddDeviceAsync(tokens, deviceId: "drawer");
        server.Time.Jump(TimeSpan.FromDays(2));
        var kept = await server.AddDeviceAsync(await server.LoginAsync(person.Email), deviceId: "pocket");
        server.Time.Jump(TimeSpan.FromDays(269));
        await server.Services.GetRequiredService<StoreCleanUp>().RunAsync(TestContext.Current.CancellationToken);
        Assert.Equal(kept, (string)Assert.Single(await server.DevicesAsync(await server.LoginAsync(person.Email)))!["id"]!);
        var removed = Assert.Single(await server.EventsAsync(person.Id, EventTypes.DeviceRemoved));
        Assert.Equal((stale, "stale"), ((string)removed["id"]!, (string)removed["reason"]!));
    }

    [Fact]
    public async Task Post_WhenTheAccountHasTwenty_MakesRoomByTheOneNotSeenLongest()
    {
        var (person, tokens) = await server.SignedInAsync();
        var first = await server.AddDeviceAsync(tokens);
        for (var i = 0; i < 20; i++)
        {
            server.Time.Advance(TimeSpan.FromSeconds(1));
            await server.AddDeviceAsync(tokens);
        }

        Assert.Equal(20, (await server.DevicesAsync(tokens)).Count);
        var removed = Assert.Single(await server.EventsAsync(person.Id, EventTypes.DeviceRemoved));
        Assert.Equal((first, "replaced"), ((string)removed["id"]!, (string)removed["reason"]!));
    }

    [Fact]
    public async Task Post_WhenItBringsAKey_NeedsAFreshSignIn()
    {
        var (person, tokens) = await server.SignedInAsync();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var spki = Convert.ToBase64String(key.ExportSubjectPublicKeyInfo());
        var token = DeviceServer.NewToken();
        var id = await server.AddDeviceAsync(tokens, token, publicKey: spki);
        Assert.True((bool)Assert.Single(await server.DevicesAsync(tokens))!["canApprove"]!);

        // The same key, as iOS writes it, is no news; without one it keeps the key it has; another one needs proof.
        server.Time.Advance(TimeSpan.FromMinutes(11));
        var q = key.ExportParameters(includePrivateParameters: false).Q;
        Assert.Equal(id, await server.AddDeviceAsync(tokens, token, publicKey: Convert.ToBase64String([4, .. q.X!, .. q.Y!])));
        Assert.Equal(id, await server.AddDeviceAsync(tokens, token));
        Assert.True((bool)Assert.Single(await server.DevicesAsync(tokens))!["canApprove"]!);
        var swap = new { platform = "android", token, publicKey = Convert.ToBase64String(other.ExportSubjectPublicKeyInfo()) };
        (await server.PostAsync("devices", swap, tokens.Access)).AssertFailure(403, "reauthentication_required");
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("devices", swap, (await server.LoginAsync(person.Email)).Access)).Status);
    }

    [Fact]
    public async Task Post_WhenANewTokenComesWithoutTheKey_LosesTheKeyUnlessTheSignInIsFresh()
    {
        var (_, tokens) = await server.SignedInAsync();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var spki = Convert.ToBase64String(key.ExportSubjectPublicKeyInfo());
        async Task<bool> CanApproveAsync() => (bool)Assert.Single(await server.DevicesAsync(tokens))!["canApprove"]!;
        await server.AddDeviceAsync(tokens, DeviceServer.NewToken(), "phone-1", spki);
        await server.AddDeviceAsync(tokens, DeviceServer.NewToken(), "phone-1");
        Assert.True(await CanApproveAsync());
        server.Time.Advance(TimeSpan.FromMinutes(11));
        await server.AddDeviceAsync(tokens, DeviceServer.NewToken(), "phone-1", spki);
        Assert.True(await CanApproveAsync());

        // As somebody would who got hold of the access token, and wants what is sent to this device.
        await server.AddDeviceAsync(tokens, DeviceServer.NewToken(), "phone-1");
        Assert.False(await CanApproveAsync());
    }

    // Questions and codes go where the new token leads from then on: its owner is told as of a new key, unless the device says its own.
    [Fact]
    public async Task Post_WhenAnotherTokenTakesTheKeyedDevicesPlaceWithoutTheKey_TellsTheOwner()
    {
        var (person, tokens) = await server.SignedInAsync();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var spki = Convert.ToBase64String(key.ExportSubjectPublicKeyInfo());
        await server.AddDeviceAsync(tokens, DeviceServer.NewToken(), "phone-1", spki);
        await server.AddDeviceAsync(tokens, DeviceServer.NewToken(), "phone-1", spki);
        Assert.Equal(1, await NoticesAsync(person));
        await server.AddDeviceAsync(tokens, DeviceServer.NewToken(), "phone-1");
        Assert.Equal(2, await NoticesAsync(person));
    }

    // A stolen access token takes a key away by any of these, and removing the device, of which its owner is told, is not needed.
    [Fact]
    public async Task Post_WhenANewTokenOfAnOldSignInTakesTheKeyAway_TellsTheOwner()
    {
        var (person, tokens) = await server.SignedInAsync();
        await AddKeyedAsync(tokens, DeviceServer.NewToken(), "phone-1");
        server.Time.Advance(TimeSpan.FromMinutes(11));
        Assert.Equal(0, await NoticesAsync(person, AccessChange.DeviceKeyRemoved));
        await server.AddDeviceAsync(tokens, DeviceServer.NewToken(), "phone-1");
        Assert.Equal(1, await NoticesAsync(person, AccessChange.DeviceKeyRemoved));
        await server.AddDeviceAsync(tokens, DeviceServer.NewToken(), "phone-1");
        Assert.Equal((1, 1), (await NoticesAsync(person), await NoticesAsync(person, AccessChange.DeviceKeyRemoved)));
    }

    [Fact]
    public async Task Post_WhenAKeyedDeviceMakesRoom_TellsTheOwner()
    {
        var (person, tokens) = await server.SignedInAsync();
        await AddKeyedAsync(tokens, DeviceServer.NewToken(), "phone-1");
        for (var i = 0; i < 20; i++)
        {
            server.Time.Advance(TimeSpan.FromSeconds(1));
            await server.AddDeviceAsync(tokens);
        }

        Assert.Equal((1, 1), (await NoticesAsync(person), await NoticesAsync(person, AccessChange.DeviceKeyRemoved)));
    }

    [Fact]
    public async Task Post_WhenAKeyedDevicesTokenBecomesAnothers_TellsTheOneWhoHadIt()
    {
        var (person, tokens) = await server.SignedInAsync();
        var (other, others) = await server.SignedInAsync();
        var token = DeviceServer.NewToken();
        await AddKeyedAsync(tokens, token, "phone-1");
        await server.AddDeviceAsync(others, token, "phone-1");
        Assert.Equal((1, 0), (await NoticesAsync(person, AccessChange.DeviceKeyRemoved), await NoticesAsync(other, AccessChange.DeviceKeyRemoved)));
    }

    private async Task AddKeyedAsync(Tokens tokens, string token, string deviceId)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await server.AddDeviceAsync(tokens, token, deviceId, Convert.ToBase64String(key.ExportSubjectPublicKeyInfo()));
    }

    private Task<int> NoticesAsync(Person person, AccessChange change = AccessChange.DeviceKeyAdded)
    {
        var (id, name) = (Guid.Parse(person.Id), change.ToString());
        return server.Database.ReadAsync((context, cancel) => context.Set<AccessNoticeRow>().CountAsync(r => r.AccountId == id && r.Change == name, cancel), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Store_WhenADeviceIsRegistered_HoldsNeitherItsTokenNorAPlainHashOfIt()
    {
        var (_, tokens) = await server.SignedInAsync();
        var token = DeviceServer.NewToken();
        var id = Guid.Parse(await server.AddDeviceAsync(tokens, token));
        var row = await server.Database.ReadAsync((context, cancel) => context.Set<DeviceRow>().SingleAsync(r => r.Id == id, cancel), TestContext.Current.CancellationToken);
        Assert.DoesNotContain(token[..10], Encoding.Latin1.GetString(row.SealedToken), StringComparison.Ordinal);
        Assert.NotEqual(Text.Hash(token), row.TokenHash);
        Assert.NotEqual(Text.Hash("android|" + token), row.TokenHash);
        Assert.DoesNotContain(server.Logs.Lines, line => line.Contains(token, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Post_When50PeopleRaceForOneToken_OneHasItAndEachLossIsTold()
    {
        var people = new List<(Person Person, Tokens Tokens)>();
        for (var i = 0; i < 50; i++)
        {
            people.Add(await server.SignedInAsync());
        }

        var token = DeviceServer.NewToken();
        var answers = await Task.WhenAll(people.Select(person => server.PostAsync("devices", new { platform = "android", token }, person.Tokens.Access)));
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Created, answer.Status));
        var owners = 0;
        foreach (var (person, tokens) in people)
        {
            var has = (await server.DevicesAsync(tokens)).Count;
            owners += has;
            Assert.Single(await server.EventsAsync(person.Id, EventTypes.DeviceRegistered));
            Assert.Equal(1 - has, (await server.EventsAsync(person.Id, EventTypes.DeviceRemoved)).Count);
        }

        Assert.Equal(1, owners);
    }
}
