using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Accounts.Credentials;
using Identity.Accounts.Events;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Passwords;
using Identity.Accounts.SignIn;

namespace Identity.Tests.Accounts.SignIn;

public sealed class PasswordSignInTests
{
    [Theory]
    [InlineData("ada@example.com")]
    [InlineData("  ADA@Example.COM ")]
    [InlineData("Countess")]
    [InlineData("+436601234567")]
    [InlineData("+43 (660) 123-4567")]
    public async Task SignIn_WhenThePasswordIsRight_StartsASession(string login)
    {
        await using var world = new World();
        var account = await world.AddAsync(userName: "countess", phoneNumber: "+436601234567");
        var succeeded = Assert.IsType<SignInAttempt.Succeeded>(await world.SignInAsync(login));
        Assert.Equal(account.Id, succeeded.Account.Id);
        Assert.Equal(world.Time.GetUtcNow(), succeeded.Account.LastLoginAt);
        Assert.Equal(["pwd"], succeeded.Session.Amr);
        Assert.Equal(["app"], succeeded.Session.ClientIds);
        Assert.Equal("phone", succeeded.Session.DeviceId);
        Assert.Equal(succeeded.Session.Id, (string?)Assert.Single(world.Events.Of(EventTypes.SessionCreated)).Data["sessionId"]);
        var audited = Assert.Single(world.Audit.All, record => record.Action == "sign_in");
        Assert.Equal(("success", account.Id, "192.0.2.1"), (audited.Outcome, audited.AccountId, audited.Ip));
    }

    [Fact]
    public async Task SignIn_WhenRefused_AnswersAndCostsTheSameForEveryReason()
    {
        await using var world = new World();
        await world.AddAsync("wrong@example.com");
        await world.AddAsync("disabled@example.com", account => account.IsActive = false);
        var locked = await world.AddAsync("locked@example.com");
        await LockAsync(world, locked);
        await AddPasswordlessAsync(world, "passwordless@example.com");

        var costs = new List<(string Login, int Verified, int Hashed, int Statements, int Audited)>();
        foreach (var (login, password) in ((string, string)[])[("wrong@example.com", World.Other), ("disabled@example.com", World.Password), ("locked@example.com", World.Password), ("passwordless@example.com", World.Password), ("unknown@example.com", World.Password)])
        {
            var before = (world.Hasher.Verified, world.Hasher.Hashed, world.Statements, world.Audit.All.Count);
            Assert.Equal(new SignInAttempt.Refused(), await world.SignInAsync(login, password));
            costs.Add((login, world.Hasher.Verified - before.Verified, world.Hasher.Hashed - before.Hashed, world.Statements - before.Statements, world.Audit.All.Count - before.Count));
        }

        Assert.All(costs, cost => Assert.Equal((costs[0].Verified, costs[0].Hashed, costs[0].Statements, costs[0].Audited), (cost.Verified, cost.Hashed, cost.Statements, cost.Audited)));
        Assert.Equal(1, costs[0].Verified);
        Assert.Equal(["wrong_password", "disabled", "locked", "no_password", "unknown_user"], world.Audit.All.Where(record => record.Action == "sign_in").Select(record => record.Outcome));
        Assert.Empty(world.Events.Of(EventTypes.SessionCreated));
    }

    [Fact]
    public async Task SignIn_When20WrongOnesRun_CountsAs20()
    {
        await using var world = new World(options => options.LockoutThreshold = 100);
        var account = await world.AddAsync();
        await World.RaceAsync(_ => world.SignInAsync(password: World.Other), width: 20);
        Assert.Equal(20, (await world.CurrentAsync(account)).AccessFailedCount);
    }

    [Fact]
    public async Task SignIn_WhenWrongOnesRace_LocksOnceAndTellsOnce()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        await World.RaceAsync(_ => world.SignInAsync(password: World.Other));
        Assert.True((await world.CurrentAsync(account)).LockoutEnd > world.Time.GetUtcNow());
        Assert.Equal(account.Id, Assert.Single(world.Events.Of(EventTypes.UserLockedOut)).AccountId);
        Assert.Equal(new SignInAttempt.Refused(), await world.SignInAsync());
        world.Time.Advance(TimeSpan.FromMinutes(15));
        await world.SignedInAsync();
    }

    [Fact]
    public async Task SignIn_WhenLockedWhileTheHashIsComputed_IsRefused()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        world.Hasher.Meanwhile = () => LockAsync(world, account);
        Assert.Equal(new SignInAttempt.Refused(), await world.SignInAsync());
        Assert.Empty(world.Events.Of(EventTypes.SessionCreated));
    }

    // Whether a second factor is due was judged by the roles of before, and the change ended the sessions that it found.
    [Fact]
    public async Task SignIn_WhenARoleIsGivenMeanwhile_LeavesNoSession()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        world.Hasher.Meanwhile = async () =>
        {
            world.Hasher.Meanwhile = null;
            Assert.IsType<AccountChangeResult.Changed>(await world.Changes.ChangeAsync(account.Id, new AccountChange { Roles = ["admin"] }, null, world.Caller, World.Cancel));
        };
        Assert.Equal(new SignInAttempt.Refused(), await world.SignInAsync());
        Assert.Empty(await world.Sessions.ListAsync(account.Id, World.Cancel));
        Assert.Equal("admin", (string?)Assert.Single(world.Events.Of(EventTypes.SessionDestroyed)).Data["reason"]);
        await world.SignedInAsync();
    }

    [Fact]
    public async Task SignIn_WhenThePasswordChangesMeanwhile_LeavesNoSession()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        world.Hasher.Meanwhile = async () =>
        {
            world.Hasher.Meanwhile = null;
            var code = await ForgotAsync(world);
            Assert.IsType<PasswordChange.Changed>(await world.Passwords.ResetAsync(account.Email, code, World.Other, world.Caller, World.Cancel));
        };
        Assert.Equal(new SignInAttempt.Refused(), await world.SignInAsync());
        Assert.Empty(await world.Sessions.ListAsync(account.Id, World.Cancel));
        await world.SignedInAsync(password: World.Other);
    }

    [Fact]
    public async Task SignIn_WhenFailuresWereFewer_ForgetsThem()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        for (var i = 0; i < 9; i++)
        {
            await world.SignInAsync(password: World.Other);
        }

        Assert.Equal(9, (await world.CurrentAsync(account)).AccessFailedCount);
        await world.SignedInAsync();
        Assert.Equal(0, (await world.CurrentAsync(account)).AccessFailedCount);
    }

    [Fact]
    public async Task SignIn_WhenTheAddressMustBeVerified_SaysSoOnlyAfterTheRightPassword()
    {
        await using var world = new World(options => options.RequireVerifiedEmail = true);
        await world.AddAsync();
        Assert.Equal(new SignInAttempt.Refused(), await world.SignInAsync(password: World.Other));
        Assert.IsType<SignInAttempt.EmailNotVerified>(await world.SignInAsync());
        Assert.Empty(world.Events.Of(EventTypes.SessionCreated));
        await world.GenerateAsync();
        await world.Codes.VerifyAsync(new CodeRecipient(null, "ada@example.com", null), "verification", await world.NextCodeAsync(), world.Caller, World.Cancel);
        await world.SignedInAsync();
    }

    [Fact]
    public async Task SignIn_WhenTheHashIsOld_StoresANewOne()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        var stored = await world.CredentialsAsync(account);
        Assert.True(await world.Accounts.TrySetPasswordAsync(account.Id, stored!.PasswordHash, CountingHasher.Old(World.Password), world.Time.GetUtcNow(), World.Cancel));
        await world.SignedInAsync();
        Assert.Equal("new:" + World.Password, (await world.CredentialsAsync(account))!.PasswordHash);
        Assert.Equal(account.SecurityStamp, (await world.CurrentAsync(account)).SecurityStamp);
    }

    [Fact]
    public async Task SignIn_WhenTheAddressTriesTooOften_IsLimitedWithoutHashing()
    {
        await using var world = new World(options => options.SignInsPerAddress = 10);
        await world.AddAsync();
        var before = world.Hasher.Verified;
        var results = await World.RaceAsync(i => world.SignInAsync($"u{i}@example.com", World.Other));
        Assert.Equal(10, results.Count(result => result is SignInAttempt.Refused));
        Assert.All(results.OfType<SignInAttempt.RateLimited>(), limited => Assert.InRange(limited.RetryAfter, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1)));
        Assert.Equal(before + 10, world.Hasher.Verified);
    }

    internal static async Task LockAsync(World world, Account account) =>
        Assert.True((await world.Accounts.CountFailureAsync(account.Id, 1, world.Time.GetUtcNow().AddMinutes(15), world.Time.GetUtcNow(), world.Get<LifecycleEvents>().OfUser(EventTypes.UserLockedOut, account), World.Cancel)).LockedNow);

    internal static async Task<string> ForgotAsync(World world, string email = "ada@example.com")
    {
        Assert.Null(await world.Passwords.ForgotAsync(email, world.Caller, World.Cancel));
        return await world.NextCodeAsync();
    }

    private static async Task AddPasswordlessAsync(World world, string email)
    {
        var now = world.Time.GetUtcNow();
        var account = new Account { Id = Guid.CreateVersion7(now), Email = email, NormalizedEmail = email.ToUpperInvariant(), CreatedAt = now };
        Assert.Equal(AccountWrite.Done, await world.Accounts.CreateAsync(account, new AccountCredentials(account.Id, null, null), [], World.Cancel));
    }
}
