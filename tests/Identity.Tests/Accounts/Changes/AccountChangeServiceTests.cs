using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Accounts.Events;
using Identity.Accounts.Profile;

namespace Identity.Tests.Accounts.Changes;

public sealed class AccountChangeServiceTests
{
    [Fact]
    public async Task Change_WhenTheVersionIsRaced_OneIsDoneAndTheOthersConflict()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        var results = await World.RaceAsync(i => ChangeAsync(world, account, new AccountChange { FirstName = $"n{i}" }, expectedVersion: 1));
        Assert.Single(results.OfType<AccountChangeResult.Changed>());
        Assert.Equal(World.Width - 1, results.OfType<AccountChangeResult.Conflict>().Count());
        Assert.Single(world.Events.Of(EventTypes.UserUpdated));
    }

    [Fact]
    public async Task Change_WhenTheAddressOrPhoneIsNew_IsUnverified()
    {
        await using var world = new World();
        var account = await world.AddAsync(change: stored => (stored.EmailVerified, stored.PhoneNumberVerified) = (true, true), phoneNumber: "+436601234567");
        var same = Assert.IsType<AccountChangeResult.Changed>(await ChangeAsync(world, account, new AccountChange { Email = "Ada@Example.com", PhoneNumber = "+436601234567" }));
        Assert.True(same.Account is { EmailVerified: true, PhoneNumberVerified: true, Email: "Ada@Example.com" });
        var other = Assert.IsType<AccountChangeResult.Changed>(await ChangeAsync(world, account, new AccountChange { Email = "new@example.com", PhoneNumber = (string?)null }));
        Assert.True(other.Account is { EmailVerified: false, PhoneNumberVerified: false, PhoneNumber: null });
        await world.SignedInAsync("new@example.com");
    }

    [Fact]
    public async Task Change_WhenTaken_SaysWhichAndChangesNothing()
    {
        await using var world = new World();
        await world.AddAsync("bob@example.com", userName: "bob");
        var account = await world.AddAsync();
        Assert.Equal(new AccountChangeResult.Taken(AccountWrite.EmailTaken), await ChangeAsync(world, account, new AccountChange { Email = "BOB@example.com", FirstName = "x" }));
        Assert.Equal(new AccountChangeResult.Taken(AccountWrite.UserNameTaken), await ChangeAsync(world, account, new AccountChange { UserName = "BOB" }));
        Assert.Null((await world.CurrentAsync(account)).FirstName);
    }

    [Fact]
    public async Task Change_OfMetadata_MergesAndIsRefusedOver16KB()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        await ChangeAsync(world, account, new AccountChange { Metadata = new JsonObject { ["a"] = 1, ["b"] = 2 } });
        var merged = Assert.IsType<AccountChangeResult.Changed>(await ChangeAsync(world, account, new AccountChange { Metadata = new JsonObject { ["a"] = null, ["c"] = 3 } }));
        Assert.Equal("""{"b":2,"c":3}""", merged.Metadata.ToJsonString());
        Assert.IsType<AccountChangeResult.MetadataTooLarge>(await ChangeAsync(world, account, new AccountChange { FirstName = "x", Metadata = new JsonObject { ["d"] = new string('x', 17_000) } }));
        Assert.Null((await world.CurrentAsync(account)).FirstName);
    }

    [Fact]
    public async Task Change_OfRoles_EndsSessionsAndTellsOnce()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        var session = await world.SignedInAsync();
        world.Accounts.Roles.UnionWith(["a", "b"]);
        await ChangeAsync(world, account, new AccountChange { Roles = ["b", "a", "b"] });
        Assert.Null(await world.Sessions.FindLiveAsync(session.Id, World.Cancel));
        Assert.Equal("admin", (string?)Assert.Single(world.Events.Of(EventTypes.SessionDestroyed)).Data["reason"]);
        session = await world.SignedInAsync();
        await ChangeAsync(world, account, new AccountChange { Roles = ["a", "b"] });
        Assert.NotNull(await world.Sessions.FindLiveAsync(session.Id, World.Cancel));
        Assert.Equal(["a", "b"], Assert.Single(world.Events.Of(EventTypes.UserRolesChanged)).Data["roles"]!.AsArray().Select(role => (string?)role));
        Assert.Single(world.Audit.All, record => record.Action == "role_change");
    }

    [Fact]
    public async Task Change_OfActivity_TellsBothWays()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        await ChangeAsync(world, account, new AccountChange { IsActive = false });
        await ChangeAsync(world, account, new AccountChange { IsActive = false });
        await ChangeAsync(world, account, new AccountChange { IsActive = true });
        Assert.Single(world.Events.Of(EventTypes.UserDeactivated));
        Assert.Single(world.Events.Of(EventTypes.UserReactivated));
        Assert.Equal(["deactivate", "reactivate"], world.Audit.All.Select(record => record.Action).Where(action => action.EndsWith("activate", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Change_WhenUnknown_IsNotFound()
    {
        await using var world = new World();
        Assert.IsType<AccountChangeResult.NotFound>(await world.Changes.ChangeAsync(Guid.NewGuid(), new AccountChange { FirstName = "x" }, null, world.Caller, World.Cancel));
    }

    [Fact]
    public async Task ProfileClaims_WhenUnset_AreLeftOut()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        Assert.Equal(["updated_at", "email", "email_verified"], ProfileClaims.Of(account).Select(claim => claim.Key));
        var changed = Assert.IsType<AccountChangeResult.Changed>(await ChangeAsync(world, account, new AccountChange
        {
            FirstName = "Ada",
            LastName = "Lovelace",
            UserName = "ada",
            PhoneNumber = "+436601234567",
            Roles = ["admin"],
            Profile = new JsonObject { ["locale"] = "en-GB", ["address"] = new JsonObject { ["country"] = "UK" } },
        }));
        var claims = ProfileClaims.Of(changed.Account);
        Assert.Equal(("Ada Lovelace", "ada", "en-GB", "UK", false), ((string?)claims["name"], (string?)claims["preferred_username"], (string?)claims["locale"], (string?)claims["address"]!["country"], (bool)claims["phone_number_verified"]!));
        Assert.Equal("""["admin"]""", claims["roles"]!.ToJsonString());
        Assert.Equal(world.Time.GetUtcNow().ToUnixTimeSeconds(), (long)claims["updated_at"]!);
    }

    private static Task<AccountChangeResult> ChangeAsync(World world, Account account, AccountChange change, long? expectedVersion = null) =>
        world.Changes.ChangeAsync(account.Id, change, expectedVersion, world.Caller, World.Cancel);
}
