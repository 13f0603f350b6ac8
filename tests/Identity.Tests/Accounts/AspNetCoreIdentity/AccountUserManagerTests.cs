using Identity.Accounts;
using Identity.Accounts.AspNetCoreIdentity;
using Identity.Accounts.Events;
using Identity.Accounts.SignIn;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Accounts.AspNetCoreIdentity;

/// <summary>Identity's UserManager over our ports: what it does has the consequences that our own routes have.</summary>
public sealed class AccountUserManagerTests : IAsyncDisposable
{
    private readonly World _world = new(options => options.LockoutThreshold = 5);
    private readonly AsyncServiceScope _scope;

    public AccountUserManagerTests()
    {
        _scope = _world.Get<IServiceScopeFactory>().CreateAsyncScope();
        Users = _scope.ServiceProvider.GetRequiredService<UserManager<Account>>();
    }

    private UserManager<Account> Users { get; }

    [Fact]
    public async Task Create_WithAPassword_MakesAnAccountThatSignsIn()
    {
        var account = New("grace@example.com", "grace");
        Succeeds(await Users.CreateAsync(account, World.Password));

        Assert.IsType<AccountUserManager>(Users);
        Assert.Equal(account.Id, (await _world.SignedInAsync("Grace@Example.com")).AccountId);
        Assert.Equal(account.Id, (await Users.FindByNameAsync("GRACE"))!.Id);
        Assert.Equal(account.Id, (await Users.FindByEmailAsync("grace@EXAMPLE.com"))!.Id);
        Assert.Equal(account.Id, (await Users.FindByIdAsync(account.Id.ToString()))!.Id);
        Assert.Null(await Users.FindByIdAsync("no id"));
        Assert.Single(_world.Events.Of(EventTypes.UserCreated));
    }

    [Theory]
    [InlineData("ada@example.com", null, World.Password, "DuplicateEmail")]
    [InlineData("other@example.com", "ada", World.Password, "DuplicateUserName")]
    [InlineData("other@example.com", null, "password", "Password")]
    [InlineData("nobody", null, World.Password, "InvalidEmail")]
    [InlineData("other@example.com", "a@b", World.Password, "InvalidUserName")]
    public async Task Create_WhenRefused_SaysWhyAndMakesNothing(string email, string? userName, string password, string code)
    {
        await _world.AddAsync(userName: "Ada");
        var before = _world.Events.All.Count;
        var refused = await Users.CreateAsync(New(email, userName), password);
        Assert.Equal(code, Assert.Single(refused.Errors).Code);
        Assert.Equal(before, _world.Events.All.Count);
    }

    [Fact]
    public async Task ChangePassword_WhenDone_EndsSessionsAndTells()
    {
        var account = await _world.AddAsync();
        var session = await _world.SignedInAsync();

        Assert.Equal("PasswordMismatch", Assert.Single((await Users.ChangePasswordAsync(account, World.Other, World.Other)).Errors).Code);
        Succeeds(await Users.ChangePasswordAsync(account, World.Password, World.Other));

        Assert.Null(await _world.Sessions.FindLiveAsync(session.Id, World.Cancel));
        Assert.IsType<SignInAttempt.Refused>(await _world.SignInAsync());
        await _world.SignedInAsync(password: World.Other);
        Assert.Single(_world.Events.Of(EventTypes.UserPasswordChanged));
        Assert.Equal("password_changed", (string?)Assert.Single(_world.Events.Of(EventTypes.SessionDestroyed)).Data["reason"]);
    }

    [Fact]
    public async Task RemovePassword_WhenDone_LeavesNoneToSignInWith()
    {
        var account = await _world.AddAsync();
        Succeeds(await Users.RemovePasswordAsync(account));
        Assert.False(await Users.HasPasswordAsync(account));
        Assert.IsType<SignInAttempt.Refused>(await _world.SignInAsync());
        Succeeds(await Users.AddPasswordAsync(account, World.Other));
        await _world.SignedInAsync(password: World.Other);
    }

    [Fact]
    public async Task CheckPassword_WhenTheHashIsOld_UpgradesItAndEndsNothing()
    {
        var account = await _world.AddAsync();
        var session = await _world.SignedInAsync();
        var stored = (await _world.CredentialsAsync(account))!;
        Assert.True(await _world.Accounts.TrySetPasswordAsync(account.Id, stored.PasswordHash, CountingHasher.Old(World.Password), stored.PasswordChangedAt!.Value, World.Cancel));

        Assert.True(await Users.CheckPasswordAsync(account, World.Password));
        Assert.Equal(stored, await _world.CredentialsAsync(account));
        Assert.NotNull(await _world.Sessions.FindLiveAsync(session.Id, World.Cancel));
        Assert.Equal(account.SecurityStamp, (await _world.CurrentAsync(account)).SecurityStamp);
    }

    [Fact]
    public async Task AccessFailed_WhenRaced_LocksOnceAndTellsOnce()
    {
        var account = await _world.AddAsync();
        await World.RaceAsync(async _ =>
        {
            await using var scope = _world.Get<IServiceScopeFactory>().CreateAsyncScope();
            var users = scope.ServiceProvider.GetRequiredService<UserManager<Account>>();
            return await users.AccessFailedAsync((await users.FindByIdAsync(account.Id.ToString()))!);
        });

        Assert.True(await Users.IsLockedOutAsync(account));
        Assert.Single(_world.Events.Of(EventTypes.UserLockedOut));
        Assert.Equal(account.Version, (await _world.CurrentAsync(account)).Version);
        Assert.IsType<SignInAttempt.Refused>(await _world.SignInAsync());

        Succeeds(await Users.SetLockoutEndDateAsync(account, null));
        await _world.SignedInAsync();

        Succeeds(await Users.SetLockoutEndDateAsync(account, _world.Time.GetUtcNow().AddDays(1)));
        Assert.True(await Users.IsLockedOutAsync(account));
        _world.Time.Advance(TimeSpan.FromDays(1));
        Assert.False(await Users.IsLockedOutAsync(account));
    }

    [Fact]
    public async Task AccessFailed_BelowTheLimit_CountsUntilASuccess()
    {
        var account = await _world.AddAsync();
        for (var i = 1; i < 5; i++)
        {
            Succeeds(await Users.AccessFailedAsync(account));
            Assert.Equal(i, await Users.GetAccessFailedCountAsync(account));
        }

        Succeeds(await Users.ResetAccessFailedCountAsync(account));
        Assert.Equal(0, await Users.GetAccessFailedCountAsync(account));
        Assert.False(await Users.IsLockedOutAsync(account));
    }

    [Fact]
    public async Task SetEmail_WhenDone_IsUnverifiedAndSignsOutAsIdentityMeansIt()
    {
        var account = await _world.AddAsync(change: a => a.EmailVerified = true);
        var session = await _world.SignedInAsync();
        Succeeds(await Users.SetEmailAsync(account, "countess@example.com"));

        var stored = await _world.CurrentAsync(account);
        Assert.Equal(("countess@example.com", "COUNTESS@EXAMPLE.COM", false), (stored.Email, stored.NormalizedEmail, stored.EmailVerified));
        Assert.Null(await _world.Sessions.FindLiveAsync(session.Id, World.Cancel));
        Assert.Single(_world.Events.Of(EventTypes.UserUpdated));
    }

    [Fact]
    public async Task Update_WhenRolesDifferOrTheAccountEnds_HasTheConsequencesOfOurOwnRoutes()
    {
        var account = await _world.AddAsync();
        var session = await _world.SignedInAsync();
        _world.Accounts.Roles.Add("support");
        account.Roles = ["support"];
        Succeeds(await Users.UpdateAsync(account));
        Assert.Null(await _world.Sessions.FindLiveAsync(session.Id, World.Cancel));
        Assert.Single(_world.Events.Of(EventTypes.UserRolesChanged));

        session = await _world.SignedInAsync();
        account.IsActive = false;
        Succeeds(await Users.UpdateAsync(account));
        Assert.Equal("deactivated", (string?)_world.Events.Of(EventTypes.SessionDestroyed)[^1].Data["reason"]);
        Assert.Single(_world.Events.Of(EventTypes.UserDeactivated));
        Assert.IsType<SignInAttempt.Refused>(await _world.SignInAsync());
    }

    [Fact]
    public async Task Update_WhenRaced_SucceedsForOneAndFailsAsConcurrentForTheRest()
    {
        var account = await _world.AddAsync();
        var results = await World.RaceAsync(async i =>
        {
            await using var scope = _world.Get<IServiceScopeFactory>().CreateAsyncScope();
            var read = await _world.CurrentAsync(account);
            read.FirstName = "Ada " + i;
            read.Version = account.Version;
            return await scope.ServiceProvider.GetRequiredService<UserManager<Account>>().UpdateAsync(read);
        });
        Assert.Single(results, r => r.Succeeded);
        Assert.All(results.Where(r => !r.Succeeded), r => Assert.Equal("ConcurrencyFailure", Assert.Single(r.Errors).Code));
    }

    [Fact]
    public async Task Update_WhenNothingDiffers_WritesNothing()
    {
        var account = await _world.AddAsync();
        var before = _world.Events.All.Count;
        Succeeds(await Users.UpdateAsync(account));
        Assert.Equal(account.Version, (await _world.CurrentAsync(account)).Version);
        Assert.Equal(before, _world.Events.All.Count);
    }

    [Fact]
    public async Task Delete_WhenAsked_FailsAndSaysWhatToDo()
    {
        var account = await _world.AddAsync();
        Assert.Equal("Accounts are deactivated, not deleted.", Assert.Single((await Users.DeleteAsync(account)).Errors).Description);
        await Assert.ThrowsAsync<NotSupportedException>(() => Users.SetLockoutEnabledAsync(account, false));
    }

    public async ValueTask DisposeAsync()
    {
        await _scope.DisposeAsync();
        await _world.DisposeAsync();
    }

    private Account New(string email, string? userName) => new()
    {
        Id = Guid.CreateVersion7(_world.Time.GetUtcNow()),
        Email = email,
        NormalizedEmail = "",
        UserName = userName,
        CreatedAt = _world.Time.GetUtcNow(),
        UpdatedAt = _world.Time.GetUtcNow(),
    };

    private static void Succeeds(IdentityResult result) => Assert.True(result.Succeeded, result.ToString());
}
