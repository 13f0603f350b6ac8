using Identity.Accounts;
using Identity.Accounts.Events;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Passwords;
using Identity.Accounts.SignIn;
using Identity.Tests.Accounts.SignIn;

namespace Identity.Tests.Accounts.Passwords;

public sealed class PasswordServiceTests
{
    [Fact]
    public async Task Change_WhenTheCurrentPasswordIsRight_EndsEverySessionAndTells()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        await world.SignedInAsync();
        await world.SignedInAsync();
        Assert.IsType<PasswordChange.Changed>(await ChangeAsync(world, account, World.Password, World.Other));
        Assert.Empty(await world.Sessions.ListAsync(account.Id, World.Cancel));
        Assert.Equal(["password_changed", "password_changed"], world.Events.Of(EventTypes.SessionDestroyed).Select(e => (string?)e.Data["reason"]));
        Assert.Single(world.Events.Of(EventTypes.UserPasswordChanged));
        Assert.NotEqual(account.SecurityStamp, (await world.CurrentAsync(account)).SecurityStamp);
        Assert.IsType<SignInAttempt.Refused>(await world.SignInAsync());
        await world.SignedInAsync(password: World.Other);
        await world.StopDeliveryAsync();
        Assert.Equal("Your password was changed", Assert.Single(world.Mail.All).Subject);
    }

    [Fact]
    public async Task Change_WhenRaced_OneWins()
    {
        await using var world = new World(options => options.LockoutThreshold = 100);
        var account = await world.AddAsync();
        var results = await World.RaceAsync(i => ChangeAsync(world, account, World.Password, $"{World.Other} {i}"));
        Assert.Single(results.OfType<PasswordChange.Changed>());
        Assert.Equal(World.Width - 1, results.OfType<PasswordChange.WrongProof>().Count());
        Assert.Single(world.Events.Of(EventTypes.UserPasswordChanged));
        var winner = results.ToList().FindIndex(result => result is PasswordChange.Changed);
        await world.SignedInAsync(password: $"{World.Other} {winner}");
    }

    [Fact]
    public async Task Change_WhenTheCurrentPasswordIsWrong_CountsTowardsTheLockout()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        await World.RaceAsync(_ => ChangeAsync(world, account, "wrong", World.Other), width: 20);
        Assert.Single(world.Events.Of(EventTypes.UserLockedOut));
        Assert.IsType<PasswordChange.WrongProof>(await ChangeAsync(world, account, World.Password, World.Other));
        Assert.IsType<SignInAttempt.Refused>(await world.SignInAsync());
    }

    [Fact]
    public async Task Change_WhenASignInStoresTheHashAnewMeanwhile_IsStillDone()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        await world.Accounts.TrySetPasswordAsync(account.Id, "new:" + World.Password, CountingHasher.Old(World.Password), world.Time.GetUtcNow(), World.Cancel);
        world.Hasher.Meanwhile = () =>
        {
            world.Hasher.Meanwhile = null;
            return world.Accounts.TrySetPasswordAsync(account.Id, CountingHasher.Old(World.Password), "new:" + World.Password, world.Time.GetUtcNow(), World.Cancel);
        };
        Assert.IsType<PasswordChange.Changed>(await ChangeAsync(world, account, World.Password, World.Other));
    }

    [Fact]
    public async Task Change_WhenTheNewOneIsWeak_IsRefusedWithoutHashing()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        var before = world.Hasher.Verified;
        Assert.Equal(["must be at least 8 characters long"], Assert.IsType<PasswordChange.Refused>(await ChangeAsync(world, account, World.Password, "short")).Problems);
        Assert.Equal(before, world.Hasher.Verified);
    }

    [Fact]
    public async Task Reset_WhenTheCodeIsRight_WinsOnceAndProvesTheAddress()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        await world.SignedInAsync();
        var code = await PasswordSignInTests.ForgotAsync(world);
        var results = await World.RaceAsync(i => world.Passwords.ResetAsync("ada@example.com", code, $"{World.Other} {i}", world.Caller, World.Cancel));
        Assert.Single(results.OfType<PasswordChange.Changed>());
        Assert.Empty(await world.Sessions.ListAsync(account.Id, World.Cancel));
        Assert.True((await world.CurrentAsync(account)).EmailVerified);
        Assert.Single(world.Events.Of(EventTypes.UserEmailVerified));
        Assert.Single(world.Events.Of(EventTypes.UserPasswordChanged));
    }

    [Fact]
    public async Task Reset_WhenFiveGuessesWereWrong_RefusesTheRightOne()
    {
        await using var world = new World();
        await world.AddAsync();
        var code = await PasswordSignInTests.ForgotAsync(world);
        for (var i = 0; i < 5; i++)
        {
            Assert.IsType<PasswordChange.WrongProof>(await ResetAsync(world, World.Wrong(code)));
        }

        Assert.IsType<PasswordChange.WrongProof>(await ResetAsync(world, code));
        await world.SignedInAsync();
    }

    [Fact]
    public async Task Reset_WhenTheNewPasswordIsWeak_SpendsNoGuess()
    {
        await using var world = new World();
        await world.AddAsync();
        var code = await PasswordSignInTests.ForgotAsync(world);
        for (var i = 0; i < 6; i++)
        {
            Assert.IsType<PasswordChange.Refused>(await ResetAsync(world, code, "password"));
        }

        Assert.IsType<PasswordChange.Changed>(await ResetAsync(world, code));
    }

    [Fact]
    public async Task Reset_WhenLocked_IsDoneAndUnlocks()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        var code = await PasswordSignInTests.ForgotAsync(world);
        await PasswordSignInTests.LockAsync(world, account);
        Assert.IsType<PasswordChange.Changed>(await ResetAsync(world, code));
        await world.SignedInAsync(password: World.Other);
    }

    [Fact]
    public async Task Reset_WhenTheCodeIsForSomethingElse_IsRefused()
    {
        await using var world = new World();
        await world.AddAsync();
        await world.GenerateAsync(purpose: OneTimeCodePurposes.Verification);
        Assert.IsType<PasswordChange.WrongProof>(await ResetAsync(world, await world.NextCodeAsync()));
    }

    [Fact]
    public async Task ForgotAndReset_WhenUnknown_CostTheSame()
    {
        await using var world = new World();
        await world.AddAsync();
        var costs = new List<(int Statements, int Audited, int Hashes)>();
        foreach (var email in (string[])["ada@example.com", "nobody@example.com"])
        {
            var before = (world.Statements, world.Audit.All.Count, world.Hasher.Hashed + world.Hasher.Verified);
            Assert.Null(await world.Passwords.ForgotAsync(email, world.Caller, World.Cancel));
            Assert.IsType<PasswordChange.WrongProof>(await world.Passwords.ResetAsync(email, "no code", World.Other, world.Caller, World.Cancel));
            costs.Add((world.Statements - before.Statements, world.Audit.All.Count - before.Count, world.Hasher.Hashed + world.Hasher.Verified - before.Item3));
        }

        Assert.Equal(costs[0], costs[1]);
    }

    private static Task<PasswordChange> ChangeAsync(World world, Account account, string current, string next) => world.Passwords.ChangeAsync(account.Id, current, next, world.Caller, World.Cancel);

    private static Task<PasswordChange> ResetAsync(World world, string code, string next = World.Other) => world.Passwords.ResetAsync("ada@example.com", code, next, world.Caller, World.Cancel);
}
