using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Credentials;
using Identity.Accounts.Events;

namespace Identity.Tests.Shared.Conformance;

public abstract class AccountStoreConformance(StoreFixture fixture) : StoreConformance<IAccountStore>(fixture)
{
    [Fact]
    public async Task Find_AfterCreate_GivesEveryMemberBackByEveryKey()
    {
        var account = NewAccount();
        account.UserName = Unique("User");
        account.NormalizedUserName = account.UserName.ToUpperInvariant();
        account.PhoneNumber = "+4369" + Random.Shared.NextInt64(1_000_000_000, 9_999_999_999);
        account.FirstName = "Zoë";
        account.LastName = "O'Neil \"x\"";
        account.EmailVerified = true;
        account.PhoneNumberVerified = true;
        account.IsActive = false;
        account.Roles = ["admin", "a b"];
        account.Profile = new JsonObject { ["locale"] = "de", ["address"] = new JsonObject { ["country"] = "AT" } };
        account.LastLoginAt = Now.AddHours(-1);
        Assert.Equal(AccountWrite.Done, await CreateAsync(account));

        var expected = JsonSerializer.Serialize(account);
        Assert.Equal(expected, JsonSerializer.Serialize(await Store.FindAsync(account.Id, Cancel)));
        Assert.Equal(expected, JsonSerializer.Serialize(await Store.FindByEmailAsync(account.NormalizedEmail, Cancel)));
        Assert.Equal(expected, JsonSerializer.Serialize(await Store.FindByUserNameAsync(account.NormalizedUserName, Cancel)));
        Assert.Equal(expected, JsonSerializer.Serialize(await Store.FindByPhoneNumberAsync(account.PhoneNumber, Cancel)));
        Assert.Equal("hash", (await Get<ICredentialStore>().FindAsync(account.Id, Cancel))!.PasswordHash);
    }

    [Fact]
    public async Task Find_WhenUnknown_IsNull()
    {
        Assert.Null(await Store.FindAsync(NewId(), Cancel));
        Assert.Null(await Store.FindByEmailAsync(Unique(), Cancel));
        Assert.Null(await Store.FindByUserNameAsync(Unique(), Cancel));
        Assert.Null(await Store.FindByPhoneNumberAsync(Unique(), Cancel));
    }

    [Fact]
    public async Task Create_WhenEmailIsRaced_OneIsDoneAndNothingOfTheOthersIsKept()
    {
        var email = Unique() + "@example.com";
        var accounts = Enumerable.Range(0, Width).Select(_ => NewAccount(email)).ToArray();
        var outcomes = await RaceAsync(i => CreateAsync(accounts[i]));
        Assert.Single(outcomes, AccountWrite.Done);
        Assert.Equal(Width - 1, outcomes.Count(o => o == AccountWrite.EmailTaken));
        var winner = await Store.FindByEmailAsync(email.ToUpperInvariant(), Cancel);
        foreach (var account in accounts)
        {
            Assert.Equal(account.Id == winner!.Id, await Get<ICredentialStore>().FindAsync(account.Id, Cancel) is not null);
        }
    }

    [Fact]
    public async Task Create_WhenUserNameOrPhoneIsTaken_SaysWhich()
    {
        var first = NewAccount();
        (first.UserName, first.NormalizedUserName, first.PhoneNumber) = ("u", Unique("U"), Unique("+"));
        Assert.Equal(AccountWrite.Done, await CreateAsync(first));

        var sameName = NewAccount();
        (sameName.UserName, sameName.NormalizedUserName) = ("u", first.NormalizedUserName);
        Assert.Equal(AccountWrite.UserNameTaken, await CreateAsync(sameName));

        var samePhone = NewAccount();
        samePhone.PhoneNumber = first.PhoneNumber;
        Assert.Equal(AccountWrite.PhoneNumberTaken, await CreateAsync(samePhone));
        Assert.Null(await Store.FindAsync(samePhone.Id, Cancel));
    }

    [Fact]
    public async Task Create_WhenUserNameAndPhoneAreUnset_IsDoneForAll()
    {
        Assert.Equal(AccountWrite.Done, await CreateAsync(NewAccount()));
        Assert.Equal(AccountWrite.Done, await CreateAsync(NewAccount()));
    }

    [Fact]
    public async Task Update_WhenVersionIsTheOne_WritesAndRaisesIt()
    {
        var account = await CreatedAsync();
        account.FirstName = "New";
        account.Roles = ["r"];
        account.IsActive = false;
        account.EmailVerified = true;
        account.SecurityStamp = "other";
        account.UpdatedAt = Now.AddMinutes(1);
        account.Profile["nickname"] = "n";
        Assert.Equal(AccountWrite.Done, await Store.UpdateAsync(account, 1, [], Cancel));
        Assert.Equal(2, account.Version);
        Assert.Equal(JsonSerializer.Serialize(account), JsonSerializer.Serialize(await Store.FindAsync(account.Id, Cancel)));
    }

    [Fact]
    public async Task Update_WhenRaced_IsDoneForExactlyOnePerVersion()
    {
        var account = await CreatedAsync();
        var outcomes = await RaceAsync(async i =>
        {
            var mine = (await Store.FindAsync(account.Id, Cancel))!;
            mine.FirstName = $"{i}";
            return await Store.UpdateAsync(mine, 1, [NewEvent(account.Id, EventTypes.UserUpdated)], Cancel);
        });
        Assert.Single(outcomes, AccountWrite.Done);
        Assert.Equal(Width - 1, outcomes.Count(o => o == AccountWrite.Conflict));
        Assert.Equal(2, (await Store.FindAsync(account.Id, Cancel))!.Version);
    }

    [Fact]
    public async Task Update_WhenUnknown_IsNotFound() =>
        Assert.Equal(AccountWrite.NotFound, await Store.UpdateAsync(NewAccount(), 1, [], Cancel));

    [Fact]
    public async Task Update_WhenEmailIsAnothers_IsTakenAndChangesNothing()
    {
        var first = await CreatedAsync();
        var second = await CreatedAsync();
        second.NormalizedEmail = first.NormalizedEmail;
        second.FirstName = "changed";
        Assert.Equal(AccountWrite.EmailTaken, await Store.UpdateAsync(second, 1, [], Cancel));
        var stored = (await Store.FindAsync(second.Id, Cancel))!;
        Assert.Null(stored.FirstName);
        Assert.Equal(1, stored.Version);
    }

    [Fact]
    public async Task Update_WhenTheLockoutChangedMeanwhile_LeavesItAlone()
    {
        var account = await CreatedAsync();
        await FailAsync(account.Id, limit: 10);
        await Store.RecordSignInAsync(account.Id, Now, Cancel);
        await FailAsync(account.Id, limit: 10);
        Assert.Equal(AccountWrite.Done, await Store.UpdateAsync(account, 1, [], Cancel));
        var stored = (await Store.FindAsync(account.Id, Cancel))!;
        Assert.Equal(1, stored.AccessFailedCount);
        Assert.Equal(Now, stored.LastLoginAt);
    }

    [Fact]
    public async Task CountFailure_WhenRacedBelowTheLimit_CountsEach()
    {
        var account = await CreatedAsync();
        var attempts = await RaceAsync(_ => FailAsync(account.Id, limit: 100));
        Assert.Equal(Enumerable.Range(1, Width), attempts.Select(a => a.FailedCount).Order());
        Assert.DoesNotContain(attempts, a => a.LockedNow);
        Assert.Equal(Width, (await Store.FindAsync(account.Id, Cancel))!.AccessFailedCount);
    }

    [Fact]
    public async Task CountFailure_WhenRacedOverTheLimit_LocksOnceAndThenCountsNothing()
    {
        var account = await CreatedAsync();
        var attempts = await RaceAsync(_ => FailAsync(account.Id, limit: 10));
        var locking = Assert.Single(attempts, a => a.LockedNow);
        Assert.Equal(10, locking.FailedCount);
        Assert.Equal(Now.AddMinutes(15), locking.LockoutEnd);
        var stored = (await Store.FindAsync(account.Id, Cancel))!;
        Assert.Equal(Now.AddMinutes(15), stored.LockoutEnd);
        Assert.Equal(0, stored.AccessFailedCount);
        Assert.Equal(1, stored.Version);
    }

    [Fact]
    public async Task CountFailure_AfterTheLockout_CountsAnew()
    {
        var account = await CreatedAsync();
        Assert.True((await FailAsync(account.Id, limit: 1)).LockedNow);
        Assert.False((await FailAsync(account.Id, limit: 1)).LockedNow);
        Time.Advance(TimeSpan.FromMinutes(15));
        var attempt = await FailAsync(account.Id, limit: 2);
        Assert.Equal(1, attempt.FailedCount);
        Assert.False(attempt.LockedNow);
        Assert.True((await FailAsync(account.Id, limit: 2)).LockedNow);
    }

    [Fact]
    public async Task RecordSignIn_WhenDone_ForgetsFailuresAndKeepsTheVersion()
    {
        var account = await CreatedAsync();
        await FailAsync(account.Id, limit: 10);
        Time.Advance(TimeSpan.FromMinutes(1));
        await Store.RecordSignInAsync(account.Id, Now, Cancel);
        var stored = (await Store.FindAsync(account.Id, Cancel))!;
        Assert.Equal(0, stored.AccessFailedCount);
        Assert.Equal(Now, stored.LastLoginAt);
        Assert.Equal(1, stored.Version);
    }

    [Fact]
    public async Task List_WhenPaged_IsInOrderOfId()
    {
        var ids = new List<Guid>();
        for (var i = 0; i < 3; i++)
        {
            ids.Add((await CreatedAsync()).Id);
            Time.Advance(TimeSpan.FromMilliseconds(1));
        }

        // Others add accounts meanwhile, but none in between these.
        var after = (await Store.ListAsync(ids[0], 100_000, Cancel)).Select(a => a.Id).ToArray();
        Assert.DoesNotContain(ids[0], after);
        Assert.Equal(ids[1..], after.Where(ids.Contains));
        Assert.Single(await Store.ListAsync(ids[0], 1, Cancel));
        Assert.NotEmpty(await Store.ListAsync(after: null, 1, Cancel));
    }

    [Fact]
    public async Task AnyInRole_WhenOneHasIt_IsTrueForExactlyThatRole()
    {
        var role = Unique("role");
        Assert.False(await Store.AnyInRoleAsync(role, Cancel));
        var account = NewAccount();
        account.Roles = ["first", role];
        await CreateAsync(account);
        Assert.True(await Store.AnyInRoleAsync(role, Cancel));
        Assert.False(await Store.AnyInRoleAsync(role[..^1], Cancel));
        Assert.False(await Store.AnyInRoleAsync(role.ToUpperInvariant(), Cancel));
    }

    private Account NewAccount(string? email = null)
    {
        email ??= Unique("Mail") + "@example.com";
        return new()
        {
            Id = NewId(),
            Email = email,
            NormalizedEmail = email.ToUpperInvariant(),
            CreatedAt = Now,
            UpdatedAt = Now,
            SecurityStamp = "stamp",
        };
    }

    private async Task<Account> CreatedAsync()
    {
        var account = NewAccount();
        Assert.Equal(AccountWrite.Done, await CreateAsync(account));
        return account;
    }

    private Task<AccountWrite> CreateAsync(Account account) =>
        Store.CreateAsync(account, new(account.Id, "hash", Now), [NewEvent(account.Id, EventTypes.UserCreated)], Cancel);

    private Task<FailedAttempt> FailAsync(Guid id, int limit) =>
        Store.CountFailureAsync(id, limit, Now.AddMinutes(15), Now, NewEvent(id, EventTypes.UserLockedOut), Cancel);
}
