using System.Text;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Mongo;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Devices;
using Identity.Tests.Kit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Identity.Tests.Push;

/// <summary>Push messages to devices whose tokens are in MongoDB: there, away, and there again.</summary>
public sealed class MongoPushTests
{
    [Fact]
    public async Task Messages_ToDevicesWhoseTokensAreInMongo_Arrive_AndWaitWhileItIsAway()
    {
        await using var mongo = await MongoInstance.StartAsync();
        if (mongo is not { IsPrivate: true })
        {
            Assert.Skip("Only a MongoDB of our own can be stopped.");
        }

        await using var world = await PushWorld.StartAsync(mongo.Settings());
        var owner = await world.AddAccountAsync();
        var (_, before) = await world.AddDeviceAsync(owner, "android");
        Assert.Equal([true], await IsMovedAsync(world));
        var document = Assert.Single(await world.Node.GetRequiredService<MongoServer>().Collection("devices").Find(FilterDefinition<BsonDocument>.Empty).ToListAsync(PushWorld.Cancel));
        Assert.DoesNotContain(before, Encoding.UTF8.GetString(Convert.FromBase64String(document["secret"].AsString)), StringComparison.Ordinal);
        await world.WriteAsync(owner.Account);
        await world.DrainAsync();
        Assert.Equal(before, (string?)Assert.Single(world.Fcm.Taken)["token"]);

        await mongo.StopAsync();
        var (_, during) = await world.AddDeviceAsync(owner, "android");
        await world.WriteAsync(owner.Account);
        await world.SendAsync();

        // The new one's token waits in its row, and is as good there. The other's message waits, and its device stays.
        Assert.Equal([before, during], world.Fcm.Taken.Select(taken => (string?)taken["token"]));
        Assert.Equal((1, 1), (await world.WaitingAsync(), world.Count("retries/store_away")));
        Assert.Equal(2, (await world.Node.GetRequiredService<DeviceRegistry>().ListAsync(owner.Account, null, PushWorld.Cancel)).Count);
        await mongo.StartAgainAsync();
        await world.DrainAsync();
        Assert.Equal([before, during, before], world.Fcm.Taken.Select(taken => (string?)taken["token"]));
        Assert.Equal(1, await world.Node.GetRequiredService<MongoMoves>().MoveAllAsync(progress: null, PushWorld.Cancel));
        Assert.Equal([true, true], await IsMovedAsync(world));
    }

    [Fact]
    public async Task Message_ToADeviceWhoseTokenIsLost_WaitsUntilItsAppRegistersAgain()
    {
        await using var mongo = await MongoInstance.StartAsync();
        if (mongo is null)
        {
            Assert.Skip(MongoInstance.WhatIsMissing);
        }

        await using var world = await PushWorld.StartAsync(mongo.Settings());
        var owner = await world.AddAccountAsync();
        var (device, token) = await world.AddDeviceAsync(owner, "android");
        await world.Node.GetRequiredService<DeviceSecrets>().RemoveAllAsync(PushWorld.Cancel);
        await world.WriteAsync(owner.Account);
        await world.SendAsync();
        Assert.Equal((0, 1, 1), (world.Fcm.Taken.Count, await world.WaitingAsync(), world.Count("retries/no_token")));
        Assert.Equal(device.Id, (await world.AddDeviceAsync(owner, "android", token)).Device.Id);
        await world.DrainAsync();
        Assert.Equal(token, (string?)Assert.Single(world.Fcm.Taken)["token"]);
    }

    private static async Task<IEnumerable<bool>> IsMovedAsync(PushWorld world) =>
        (await world.Node.GetRequiredService<StoreDatabase>().ReadAsync((context, token) => context.Set<DeviceRow>().Select(r => r.SealedToken).ToListAsync(token), PushWorld.Cancel)).Select(token => token.Length == 0);
}
