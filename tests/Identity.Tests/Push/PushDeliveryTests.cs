using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Push;
using Identity.Accounts.Devices;
using Identity.Accounts.Events;
using Identity.Tests.Kit.Push;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Push;

/// <summary>Every word of the providers, spoken by stand-ins over their own protocols.</summary>
public sealed class PushDeliveryTests
{
    private enum Fate
    {
        Arrives,
        Removed,
        Dropped,
    }

    [Fact]
    public async Task Messages_WhenTheProvidersTakeThem_AreWhatTheirProtocolsAskFor()
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        var (_, android) = await world.AddDeviceAsync(owner, "android");
        var (_, ios) = await world.AddDeviceAsync(owner, "ios", environment: "sandbox");
        Assert.Equal(2, await world.WriteAsync(owner.Account, text: "Ihr Code: 123456"));
        await world.DrainAsync();
        var google = Assert.Single(world.Fcm.Taken);
        Assert.Equal(android, (string)google["token"]!);
        Assert.Equal(("title", "Ihr Code: 123456", "code"), ((string)google["notification"]!["title"]!, (string)google["notification"]!["body"]!, (string)google["data"]!["type"]!));
        Assert.Equal("3600s", (string)google["android"]!["ttl"]!);
        var apple = Assert.Single(world.Apns.Taken);
        Assert.Equal(ios, apple.Token);
        Assert.Equal("Ihr Code: 123456", (string)apple.Body["aps"]!["alert"]!["body"]!);
        Assert.Equal("code", (string)apple.Body["type"]!);
        Assert.Equal(Guid.Parse(apple.Headers["apns-id"]).ToString("N"), apple.Headers["apns-collapse-id"]);
        Assert.Empty(world.Fcm.Complaints);
        Assert.Empty(world.Apns.Complaints);
        Assert.Equal(2, world.Count("sent"));
        Assert.DoesNotContain(world.Logs.Lines, line => line.Contains(android, StringComparison.Ordinal) || line.Contains(ios, StringComparison.Ordinal) || line.Contains("123456", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(404, "UNREGISTERED", true)]
    [InlineData(400, "INVALID_ARGUMENT", true)]
    [InlineData(403, "SENDER_ID_MISMATCH", false)]
    [InlineData(401, "THIRD_PARTY_AUTH_ERROR", false)]
    [InlineData(403, "PERMISSION_DENIED", false)]
    public async Task Fcm_WhenItRefusesForGood_RemovesTheDeviceOrRaisesTheAlarm(int status, string code, bool isRemoved)
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        var (device, token) = await world.AddDeviceAsync(owner, "android");
        world.Fcm.Plan(token, StandInFcm.Error(status, code));
        await world.WriteAsync(owner.Account);
        await world.DrainAsync();
        await AssertRefusedAsync(world, owner.Account, device, code, isRemoved);
        Assert.Single(world.Fcm.Asked);
        Assert.Empty(world.Fcm.Taken);
    }

    [Fact]
    public async Task Fcm_WhenAnotherArgumentIsBad_KeepsTheDevice()
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        var (device, token) = await world.AddDeviceAsync(owner, "android");
        world.Fcm.Plan(token, new PushFault(400, """{"error":{"code":400,"status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"message.data[0].value","description":"no"}]}]}}"""));
        await world.WriteAsync(owner.Account);
        await world.DrainAsync();
        await AssertRefusedAsync(world, owner.Account, device, "INVALID_ARGUMENT", isRemoved: false);
    }

    [Fact]
    public async Task Fcm_WhenAMessageIsTooBig_KeepsTheDevice()
    {
        // As Firebase tells it: the same code as for a token that is none, without a word of the token.
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        var (device, token) = await world.AddDeviceAsync(owner, "android");
        world.Fcm.Plan(token, new PushFault(400, """{"error":{"code":400,"message":"Android message is too big","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"INVALID_ARGUMENT"}]}}"""));
        await world.WriteAsync(owner.Account);
        await world.DrainAsync();
        await AssertRefusedAsync(world, owner.Account, device, "INVALID_ARGUMENT", isRemoved: false);
    }

    [Theory]
    [InlineData("Device message rate exceeded", true)]
    [InlineData("Project quota exceeded", false)]
    public async Task Fcm_WhenTheQuotaIsOneDevices_OthersGoOn(string description, bool othersGoOn)
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        var (_, token) = await world.AddDeviceAsync(owner, "android");
        world.Fcm.Plan(token, new PushFault(429, $$$"""{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"QUOTA_EXCEEDED"},{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"subject":"x","description":"{{{description}}}"}]}]}}"""));
        await world.WriteAsync(owner.Account);
        await world.SendAsync();
        Assert.Empty(world.Fcm.Taken);
        var other = await world.AddAccountAsync();
        await world.AddDeviceAsync(other, "android");
        await world.WriteAsync(other.Account);
        await world.SendAsync();
        Assert.Equal(othersGoOn ? 1 : 0, world.Fcm.Taken.Count);
        await world.DrainAsync();
        Assert.Equal(2, world.Fcm.Taken.Count);
    }

    [Fact]
    public async Task Apple_WhenGoogleIsPaused_GoesOn()
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        var (_, token) = await world.AddDeviceAsync(owner, "android");
        await world.AddDeviceAsync(owner, "ios");
        world.Fcm.Plan(token, StandInFcm.Error(429, "QUOTA_EXCEEDED", "600"));
        await world.WriteAsync(owner.Account);
        await world.SendAsync();
        await world.WriteAsync(owner.Account);
        await world.SendAsync();
        Assert.Empty(world.Fcm.Taken);
        Assert.Equal(2, world.Apns.Taken.Count);
    }

    [Fact]
    public async Task ProviderToken_WhenTheStoredOneIsOfAnotherMasterKey_IsReplaced()
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        await world.AddDeviceAsync(owner, "ios");
        var name = $"apns_token:{StandInApns.TeamId}:{StandInApns.KeyId}";
        await world.Node.GetRequiredService<StoreDatabase>().WriteAsync(
            async (context, token) =>
            {
                context.StoreValues.Add(new() { Name = name, Value = Convert.ToBase64String(new byte[64]) });
                return await context.SaveChangesAsync(token);
            },
            PushWorld.Cancel);
        await world.WriteAsync(owner.Account);
        await world.DrainAsync();
        Assert.Single(world.Apns.Taken);
        Assert.Single(world.Apns.ProviderTokens);
    }

    [Fact]
    public async Task Messages_WhenManyProcessesClaimAtOnce_ArriveOnce()
    {
        await using var world = await PushWorld.StartAsync();
        var other = await world.AddNodeAsync();
        var owner = await world.AddAccountAsync();
        await world.AddDeviceAsync(owner, "android");
        await world.AddDeviceAsync(owner, "ios");
        await world.WriteAsync(owner.Account);
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Task.Run(() => (i % 2 == 0 ? world.Node : other).GetRequiredService<PushDelivery>().SendDueAsync(PushWorld.Cancel))));
        Assert.Single(world.Fcm.Asked);
        Assert.Single(world.Apns.Taken);
        Assert.Equal(0, await world.WaitingAsync());
    }

    [Fact]
    public async Task Message_WhenTheProcessThatClaimedItWasKilled_IsSentWhenTheClaimIsOver()
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        await world.AddDeviceAsync(owner, "android");
        await world.WriteAsync(owner.Account);

        // What a killed process leaves behind.
        var until = world.Time.GetUtcNow().AddSeconds(45);
        await world.Node.GetRequiredService<StoreDatabase>().WriteAsync(
            (context, token) => context.Set<PushMessageRow>().ExecuteUpdateAsync(set => set.SetProperty(r => r.ClaimedBy, "killed").SetProperty(r => r.ClaimedUntil, until), token),
            PushWorld.Cancel);
        await world.SendAsync();
        Assert.Empty(world.Fcm.Asked);
        world.Time.Advance(TimeSpan.FromSeconds(46));
        await world.SendAsync();
        Assert.Single(world.Fcm.Taken);
    }

    [Fact]
    public async Task Store_WhileAMessageWaits_HoldsItsTextSealed()
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        await world.AddDeviceAsync(owner, "android");
        await world.WriteAsync(owner.Account, text: "Your code: 123456");
        var row = await world.Node.GetRequiredService<StoreDatabase>().ReadAsync((context, token) => context.Set<PushMessageRow>().SingleAsync(token), PushWorld.Cancel);
        Assert.DoesNotContain("123456", System.Text.Encoding.Latin1.GetString(row.SealedBody), StringComparison.Ordinal);
        Assert.Equal("Your code: 123456", world.Node.GetRequiredService<PushOutbox>().Open(row).Text);
    }

    [Fact]
    public async Task Message_WhenItsDeviceIsRemoved_GoesWithIt()
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        var (device, _) = await world.AddDeviceAsync(owner, "android");
        await world.WriteAsync(owner.Account);
        Assert.NotNull(await world.Node.GetRequiredService<DeviceRegistry>().RemoveAsync(owner.Account, device.Id, new Caller(null, null), notice: null, PushWorld.Cancel));
        Assert.Equal(0, await world.WaitingAsync());
        await world.SendAsync();
        Assert.Empty(world.Fcm.Asked);
    }

    // As somebody would who got hold of the access token: the code was asked for in the owner's name a moment before.
    [Fact]
    public async Task LoginCode_WhenItsDeviceLosesItsKeyBeforeItIsSent_DoesNotReachTheTokenThatTookItsPlace()
    {
        await using var world = await PushWorld.StartAsync();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var owner = await world.AddAccountAsync();
        await RegisterAsync("phone", "with-key", key.ExportSubjectPublicKeyInfo());
        await RegisterAsync("tablet", "without-key", key: null);
        world.Time.Advance(TimeSpan.FromMinutes(11));
        await SendAsync("Login code 123456", opensAccount: true);
        await RegisterAsync("phone", "of-the-thief", key: null);
        Assert.Equal(0, await world.WaitingAsync());

        // What is no secret of the key's follows a device to its new token.
        await SendAsync("Code 654321", opensAccount: false);
        await RegisterAsync("tablet", "renewed", key: null);
        await world.DrainAsync();
        Assert.Equal(["of-the-thief Code 654321", "renewed Code 654321"], world.Fcm.Taken.Select(message => $"{(string)message["token"]!} {(string)message["notification"]!["body"]!}").Order());

        async Task RegisterAsync(string name, string token, byte[]? key) =>
            Assert.IsType<DeviceRegistration.Registered>(await world.Node.GetRequiredService<DeviceRegistry>().RegisterAsync(owner.Account, owner.Session, new NewDevice("android", token, name, PublicKey: key), new Caller(null, null), notice: null, PushWorld.Cancel));

        Task SendAsync(string text, bool opensAccount) =>
            world.Node.GetRequiredService<PushOutbox>().SendAsync(new PersonalMessage(owner.Account.ToString("N"), "title", text, Id: Guid.NewGuid(), OpensAccount: opensAccount), PushWorld.Cancel);
    }

    [Fact]
    public async Task Code_WhenItWaitedInLineBeforeItWasWritten_IsWorthNothingOnceItIsOver()
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        await world.AddDeviceAsync(owner, "android");
        var message = new PersonalMessage(owner.Account.ToString("N"), "title", "Code 123456", Id: Guid.NewGuid()) { ExpiresAt = world.Time.GetUtcNow() + TimeSpan.FromMinutes(5) };
        world.Time.Advance(TimeSpan.FromMinutes(4));
        await world.Node.GetRequiredService<PushOutbox>().SendAsync(message, PushWorld.Cancel);
        world.Time.Advance(TimeSpan.FromSeconds(61));
        await world.DrainAsync();
        Assert.Equal((0, 1), (world.Fcm.Taken.Count, world.Count("expired")));
    }

    [Theory]
    [InlineData(410, "Unregistered", true)]
    [InlineData(410, "ExpiredToken", true)]
    [InlineData(400, "BadDeviceToken", true)]
    [InlineData(400, "DeviceTokenNotForTopic", false)]
    [InlineData(403, "InvalidProviderToken", false)]
    [InlineData(400, "TopicDisallowed", false)]
    public async Task Apns_WhenItRefusesForGood_RemovesTheDeviceOrRaisesTheAlarm(int status, string reason, bool isRemoved)
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        var (device, token) = await world.AddDeviceAsync(owner, "ios");
        world.Time.Advance(TimeSpan.FromSeconds(1));
        world.Apns.Plan(token, StandInApns.Error(status, reason, status == 410 ? world.Time.GetUtcNow() : null));
        await world.WriteAsync(owner.Account);
        await world.DrainAsync();
        await AssertRefusedAsync(world, owner.Account, device, reason, isRemoved);
        Assert.Empty(world.Apns.Taken);
    }

    [Fact]
    public async Task Apns_WhenTheAppRegisteredAgainSinceTheTokenDied_KeepsTheDeviceAndSends()
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        var died = world.Time.GetUtcNow();
        world.Time.Advance(TimeSpan.FromMinutes(1));
        var (_, token) = await world.AddDeviceAsync(owner, "ios");
        world.Apns.Plan(token, StandInApns.Error(410, "Unregistered", died));
        await world.WriteAsync(owner.Account);
        await world.DrainAsync();
        Assert.Single(world.Apns.Taken);
        Assert.Empty(await world.EventsAsync(EventTypes.DeviceRemoved));
    }

    [Theory]
    [InlineData("fcm", 429, "QUOTA_EXCEEDED", null, 60)]
    [InlineData("fcm", 429, "QUOTA_EXCEEDED", "120", 120)]
    [InlineData("fcm", 503, "UNAVAILABLE", "30", 30)]
    [InlineData("fcm", 500, "INTERNAL", null, 0)]
    [InlineData("apns", 429, "TooManyProviderTokenUpdates", null, 60)]
    [InlineData("apns", 429, "TooManyRequests", null, 60)]
    [InlineData("apns", 503, "ServiceUnavailable", null, 0)]
    [InlineData("apns", 500, "InternalServerError", "90", 90)]
    public async Task Providers_WhenTheyAskToWait_GetTheMessageLaterAndOnce(string provider, int status, string reason, string? retryAfter, int atLeastSeconds)
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        var (_, token) = await world.AddDeviceAsync(owner, provider == "fcm" ? "android" : "ios");
        if (provider == "fcm")
        {
            world.Fcm.Plan(token, StandInFcm.Error(status, reason, retryAfter));
        }
        else
        {
            world.Apns.Plan(token, StandInApns.Error(status, reason, retryAfter: retryAfter));
        }

        var start = world.Time.GetUtcNow();
        await world.WriteAsync(owner.Account);
        await world.DrainAsync();
        Assert.Equal(1, world.Fcm.Taken.Count + world.Apns.Taken.Count);
        Assert.InRange(world.Time.GetUtcNow() - start, TimeSpan.FromSeconds(atLeastSeconds), TimeSpan.FromSeconds(atLeastSeconds + 21));
        Assert.Equal(1, world.Count("retries/" + reason));
        Assert.Empty(await world.EventsAsync(EventTypes.DeviceRemoved));
        if (reason == "TooManyProviderTokenUpdates")
        {
            Assert.Single(world.Apns.ProviderTokens);
        }
    }

    [Fact]
    public async Task Apns_WhenTheProviderTokenIsCalledExpired_RenewsOnceAndSends()
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        await world.AddDeviceAsync(owner, "ios");
        await world.WriteAsync(owner.Account);
        await world.DrainAsync();
        var first = Assert.Single(world.Apns.ProviderTokens).Key;
        world.Apns.Expired[first] = true;
        await world.WriteAsync(owner.Account);
        await world.DrainAsync();
        Assert.Equal(2, world.Apns.Taken.Count);
        Assert.Equal(2, world.Apns.ProviderTokens.Count);
        Assert.Equal(0, world.Count("retries/ExpiredProviderToken"));

        // A second one that is called expired at once is not renewed again: that would never end.
        world.Apns.Expired[world.Apns.ProviderTokens.Keys.Single(token => token != first)] = true;
        await world.WriteAsync(owner.Account, TimeSpan.FromMinutes(10));
        await world.DrainAsync(TimeSpan.FromMinutes(15));
        Assert.Equal(2, world.Apns.ProviderTokens.Count);
        Assert.True(world.Count("retries/ExpiredProviderToken") > 0);
        Assert.Equal(1, world.Count("expired"));
    }

    [Fact]
    public async Task Apns_WhenTwoNodesSendForHours_ShareATokenRenewedEvery20To55Minutes()
    {
        await using var world = await PushWorld.StartAsync();
        await world.AddNodeAsync();
        var owner = await world.AddAccountAsync();
        await world.AddDeviceAsync(owner, "ios");
        for (var minutes = 0; minutes < 240; minutes += 7)
        {
            await world.WriteAsync(owner.Account);
            await world.WriteAsync(owner.Account);
            await world.DrainAsync();
            world.Time.Advance(TimeSpan.FromMinutes(7));
        }

        Assert.Empty(world.Apns.Complaints);
        Assert.Equal(70, world.Apns.Taken.Count);
        var first = world.Apns.ProviderTokens.Values.Order().ToList();
        Assert.InRange(first.Count, 4, 7);
        Assert.All(first.Zip(first.Skip(1)), pair => Assert.InRange(pair.Second - pair.First, TimeSpan.FromMinutes(20), TimeSpan.FromMinutes(55)));
    }

    [Fact]
    public async Task ProviderToken_WhenFiftyAskTwoNodesAtOnce_IsOne()
    {
        await using var world = await PushWorld.StartAsync();
        var other = await world.AddNodeAsync();
        for (var round = 0; round < 2; round++)
        {
            var tokens = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Task.Run(() => (i % 2 == 0 ? world.Node : other).GetRequiredService<ApnsProviderToken>().GetAsync(PushWorld.Cancel))));
            Assert.Single(tokens.Distinct(StringComparer.Ordinal));
            world.Time.Advance(TimeSpan.FromMinutes(46));
        }
    }

    [Fact]
    public async Task Message_WhenTheProcessStopsBeforeItIsSent_IsSentByTheNextOnce()
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        var (_, token) = await world.AddDeviceAsync(owner, "android");
        world.Fcm.Plan(token, StandInFcm.Error(503, "UNAVAILABLE"));
        await world.WriteAsync(owner.Account);
        Assert.Equal(1, await world.Node.GetRequiredService<PushDelivery>().SendDueAsync(PushWorld.Cancel));
        Assert.Empty(world.Fcm.Taken);
        Assert.Equal(1, await world.WaitingAsync());

        // Another process over the same store.
        var next = await world.AddNodeAsync();
        world.Time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(1, await next.GetRequiredService<PushDelivery>().SendDueAsync(PushWorld.Cancel));
        Assert.Single(world.Fcm.Taken);
        Assert.Equal(0, await world.WaitingAsync());
    }

    [Fact]
    public async Task Message_WhenItExpiresFirst_IsDroppedAndCounted()
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        await world.AddDeviceAsync(owner, "android");
        await world.WriteAsync(owner.Account, TimeSpan.FromMinutes(1));
        world.Time.Advance(TimeSpan.FromMinutes(2));
        await world.DrainAsync();
        Assert.Empty(world.Fcm.Asked);
        Assert.Equal(1, world.Count("expired"));
    }

    [Fact]
    public async Task Fcm_WhenItsAccessTokenIsTakenBack_GetsANewOne()
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        var (_, token) = await world.AddDeviceAsync(owner, "android");
        world.Fcm.Plan(token, StandInFcm.Error(401, "UNAUTHENTICATED", type: "type.googleapis.com/google.rpc.ErrorInfo"));
        await world.WriteAsync(owner.Account);
        await world.DrainAsync();
        Assert.Single(world.Fcm.Taken);
        Assert.Equal(2, world.Fcm.AccessTokens);
        Assert.Empty(world.Fcm.Complaints);
    }

    [Fact]
    public async Task Fcm_WhenItsAccessTokenIsTakenBackFromManyAtOnce_IsAskedForOneNewOne()
    {
        await using var world = await PushWorld.StartAsync();
        var owner = await world.AddAccountAsync();
        await world.AddDeviceAsync(owner, "android");
        await world.WriteAsync(owner.Account);
        await world.DrainAsync();
        world.Fcm.TakenBack = 1;
        for (var i = 1; i < 20; i++)
        {
            await world.AddDeviceAsync(owner, "android");
        }

        await world.WriteAsync(owner.Account);
        await world.DrainAsync();
        Assert.Equal(21, world.Fcm.Taken.Count);
        Assert.Equal(2, world.Fcm.AccessTokens);
        Assert.Empty(world.Fcm.Complaints);
    }

    /// <summary>A thousand messages, a tenth of them with each kind of fault, sent by two processes at once.</summary>
    [Fact]
    public async Task ThousandMessages_WithATenthOfEachFault_EachArriveOnceOrTheDeviceGoesForTheRightReason()
    {
        await using var world = await PushWorld.StartAsync();
        await world.AddNodeAsync();
        (Fate Fate, string Reason, PushFault? Fault)[] google =
        [
            (Fate.Removed, "UNREGISTERED", StandInFcm.Error(404, "UNREGISTERED")),
            (Fate.Removed, "INVALID_ARGUMENT", StandInFcm.Error(400, "INVALID_ARGUMENT")),
            (Fate.Arrives, "QUOTA_EXCEEDED", StandInFcm.Error(429, "QUOTA_EXCEEDED")),
            (Fate.Arrives, "UNAVAILABLE", StandInFcm.Error(503, "UNAVAILABLE")),
            (Fate.Arrives, "INTERNAL", StandInFcm.Error(500, "INTERNAL")),
            (Fate.Dropped, "SENDER_ID_MISMATCH", StandInFcm.Error(403, "SENDER_ID_MISMATCH")),
            (Fate.Dropped, "THIRD_PARTY_AUTH_ERROR", StandInFcm.Error(401, "THIRD_PARTY_AUTH_ERROR")),
            (Fate.Arrives, "", null), (Fate.Arrives, "", null), (Fate.Arrives, "", null),
        ];
        var later = world.Time.GetUtcNow().AddDays(1);
        (Fate Fate, string Reason, PushFault? Fault)[] apple =
        [
            (Fate.Removed, "Unregistered", StandInApns.Error(410, "Unregistered", later)),
            (Fate.Removed, "BadDeviceToken", StandInApns.Error(400, "BadDeviceToken")),
            (Fate.Arrives, "ExpiredProviderToken", StandInApns.Error(403, "ExpiredProviderToken")),
            (Fate.Arrives, "TooManyProviderTokenUpdates", StandInApns.Error(429, "TooManyProviderTokenUpdates")),
            (Fate.Arrives, "TooManyRequests", StandInApns.Error(429, "TooManyRequests")),
            (Fate.Arrives, "ServiceUnavailable", StandInApns.Error(503, "ServiceUnavailable")),
            (Fate.Arrives, "InternalServerError", StandInApns.Error(500, "InternalServerError")),
            (Fate.Arrives, "", null), (Fate.Arrives, "", null), (Fate.Arrives, "", null),
        ];
        var devices = new List<(Guid Account, Device Device, string Token, Fate Fate)>();
        for (var account = 0; account < 50; account++)
        {
            var owner = await world.AddAccountAsync();
            for (var i = 0; i < 20; i++)
            {
                var (fate, _, fault) = (i < 10 ? google : apple)[i % 10];
                var (device, token) = await world.AddDeviceAsync(owner, i < 10 ? "android" : "ios");
                devices.Add((owner.Account, device, token, fate));
                if (fault is not null && i < 10)
                {
                    world.Fcm.Plan(token, fault);
                }
                else if (fault is not null)
                {
                    world.Apns.Plan(token, fault);
                }
            }

            Assert.Equal(20, await world.WriteAsync(owner.Account, TimeSpan.FromHours(3)));
        }

        await world.DrainAsync(TimeSpan.FromHours(3));
        Assert.Equal(0, await world.WaitingAsync());
        Assert.Empty(world.Fcm.Complaints);
        Assert.Empty(world.Apns.Complaints);
        var taken = world.Fcm.Taken.Select(message => (string)message["token"]!).Concat(world.Apns.Taken.Select(push => push.Token)).CountBy(token => token).ToDictionary();
        var removed = (await world.EventsAsync(EventTypes.DeviceRemoved)).Select(body => JsonNode.Parse(body)!["data"]!).ToDictionary(data => (string)data["id"]!, data => (string)data["reason"]!);
        Assert.All(devices, device =>
        {
            Assert.Equal(device.Fate == Fate.Arrives ? 1 : 0, taken.GetValueOrDefault(device.Token));
            Assert.Equal(device.Fate == Fate.Removed ? "unregistered" : null, removed.GetValueOrDefault(device.Device.Id.ToString()));
        });
        Assert.All(google.Concat(apple).Where(kind => kind.Fate == Fate.Removed), kind => Assert.Equal(50, world.Count("removed/" + kind.Reason)));
        Assert.All(google.Where(kind => kind.Fate == Fate.Dropped), kind => Assert.Equal(50, world.Count("alarms/" + kind.Reason)));
        Assert.Equal(700, world.Count("sent"));
        Assert.Equal(2, world.Apns.ProviderTokens.Values.Count(at => at < later.AddDays(-1).AddMinutes(20)));
    }

    private static async Task AssertRefusedAsync(PushWorld world, Guid account, Device device, string reason, bool isRemoved)
    {
        Assert.Equal(0, await world.WaitingAsync());
        var events = await world.EventsAsync(EventTypes.DeviceRemoved);
        var left = await world.Node.GetRequiredService<DeviceRegistry>().ListAsync(account, sessionId: null, PushWorld.Cancel);
        if (isRemoved)
        {
            Assert.Empty(left);
            var data = JsonNode.Parse(Assert.Single(events))!["data"]!;
            Assert.Equal((device.Id.ToString(), "unregistered"), ((string)data["id"]!, (string)data["reason"]!));
            Assert.Equal(1, world.Count("removed/" + reason));
            Assert.Equal(0, world.Count("alarms/" + reason));
        }
        else
        {
            Assert.Single(left);
            Assert.Empty(events);
            Assert.Equal(1, world.Count("alarms/" + reason));
            Assert.Contains(world.Logs.Lines, line => line.Contains("refuses us", StringComparison.Ordinal) && line.Contains(reason, StringComparison.Ordinal));
        }
    }
}
