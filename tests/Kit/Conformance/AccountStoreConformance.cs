using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Credentials;
using Identity.Accounts.Events;
using Identity.Accounts.Profile;
using Identity.Accounts.Sessions;
using Identity.OAuth.Refresh;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Kit.Conformance;

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
    public async Task Update_WithNotices_KeepsTheirLinks_AndNoneOfOneThatIsNotMade()
    {
        var account = await CreatedAsync();
        var links = Get<IAccessNoticeStore>();
        var (before, made, voiding, notMade) = (NewNotice(account.Id), NewNotice(account.Id), NewNotice(account.Id), NewNotice(account.Id));
        await links.AddAsync(before, Cancel);
        Assert.Equal(AccountWrite.Done, (await Store.UpdateAsync(account, 1, [], new AccountConsequences { Notices = [made, NewNotice(account.Id) with { Link = null }] }, Cancel)).Outcome);
        Assert.Equal((before.Link, made.Link), (await links.FindAsync(before.Link!.Key, Now, Cancel), await links.FindAsync(made.Link!.Key, Now, Cancel)));
        Assert.Equal(AccountWrite.Conflict, (await Store.UpdateAsync(account, 7, [], new AccountConsequences { Notices = [notMade] }, Cancel)).Outcome);
        Assert.Equal(AccountWrite.PasswordConflict, (await Store.UpdateAsync(account, 2, [], new AccountConsequences { Notices = [notMade], Password = new PasswordReplacement("other", "new", Now) }, Cancel)).Outcome);
        Assert.Null(await links.FindAsync(notMade.Link!.Key, Now, Cancel));

        Assert.Equal(AccountWrite.Done, (await Store.UpdateAsync(account, 2, [NewEvent(account.Id, EventTypes.UserUpdated)], new AccountConsequences { VoidsNotices = true, Notices = [voiding] }, Cancel)).Outcome);
        Assert.Equal((null, null), (await links.FindAsync(before.Link.Key, Now, Cancel), await links.FindAsync(made.Link.Key, Now, Cancel)));
        Assert.Equal(voiding.Link, await links.FindAsync(voiding.Link!.Key, Now, Cancel));
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
    public async Task Update_WithANewPasswordAndTheEndOfSessions_IsOneChange()
    {
        var account = await CreatedAsync();
        var sessions = new[] { await SessionAsync(account.Id), await SessionAsync(account.Id) };
        var family = await FamilyAsync(account.Id, sessions[0].Id);
        var others = await SessionAsync((await CreatedAsync()).Id);
        account.SecurityStamp = "next";
        var (outcome, ended) = await Store.UpdateAsync(account, 1, [NewEvent(account.Id, EventTypes.UserPasswordChanged)], Consequences("hash", "new hash"), Cancel);
        Assert.Equal(AccountWrite.Done, outcome);
        Assert.Equal(2, account.Version);
        Assert.Equal(sessions.Select(session => session.Id).Order(StringComparer.Ordinal), ended.Select(session => session.Id).Order(StringComparer.Ordinal));
        Assert.Equal("new hash", (await Get<ICredentialStore>().FindAsync(account.Id, Cancel))!.PasswordHash);
        foreach (var session in sessions)
        {
            Assert.Equal(Now, (await Get<ISessionStore>().FindAsync(session.Id, Cancel))!.EndedAt);
        }

        if (Services.GetService<RefreshFamilies>() is { } families)
        {
            Assert.Equal(Now, (await families.FindAsync(family, Cancel))!.RevokedAt);
        }

        Assert.Null((await Get<ISessionStore>().FindAsync(others.Id, Cancel))!.EndedAt);
    }

    [Fact]
    public async Task Update_WhenThePasswordIsNotTheExpectedOrTheVersionIsOld_ChangesNothingAtAll()
    {
        var account = await CreatedAsync();
        var session = await SessionAsync(account.Id);
        account.FirstName = "changed";
        Assert.Equal(AccountWrite.PasswordConflict, (await Store.UpdateAsync(account, 1, [], Consequences("other", "new"), Cancel)).Outcome);
        Assert.Equal(AccountWrite.PasswordConflict, (await Store.UpdateAsync(account, 1, [], Consequences(expected: null, "new"), Cancel)).Outcome);
        Assert.Equal(AccountWrite.Conflict, (await Store.UpdateAsync(account, 7, [], Consequences("hash", "new"), Cancel)).Outcome);
        Assert.Equal(1, account.Version);
        var stored = (await Store.FindAsync(account.Id, Cancel))!;
        Assert.Null(stored.FirstName);
        Assert.Equal(1, stored.Version);
        Assert.Equal("hash", (await Get<ICredentialStore>().FindAsync(account.Id, Cancel))!.PasswordHash);
        Assert.Null((await Get<ISessionStore>().FindAsync(session.Id, Cancel))!.EndedAt);
    }

    [Fact]
    public async Task Update_WithAFirstPassword_SetsItOnce()
    {
        var account = NewAccount();
        await Store.CreateAsync(account, new(account.Id, PasswordHash: null, PasswordChangedAt: null), [], Cancel);
        var outcomes = await RaceAsync(async i =>
        {
            var mine = (await Store.FindAsync(account.Id, Cancel))!;
            return (await Store.UpdateAsync(mine, mine.Version, [], Consequences(expected: null, $"{i}"), Cancel)).Outcome;
        });
        Assert.Single(outcomes, AccountWrite.Done);
        Assert.Equal($"{outcomes.ToList().IndexOf(AccountWrite.Done)}", (await Get<ICredentialStore>().FindAsync(account.Id, Cancel))!.PasswordHash);
    }

    [Fact]
    public async Task Update_WhenSessionsAreMadeAndEndedMeanwhile_LeavesNoneThatCouldNotSeeIt()
    {
        var account = await CreatedAsync();
        var first = await SessionAsync(account.Id);
        account.SecurityStamp = "next";
        var survivors = await RaceAsync(async i =>
        {
            if (i == Width / 2)
            {
                Assert.Equal(AccountWrite.Done, (await Store.UpdateAsync(account, 1, [], Consequences("hash", "new"), Cancel)).Outcome);
                return null;
            }

            if (i % 10 == 0)
            {
                await Get<ISessionStore>().EndAsync(first.Id, Now, NewEvent(account.Id, EventTypes.SessionDestroyed, EventExchanges.Session), Cancel);
                return null;
            }

            // What a sign-in does: the session is stored, then the account is looked at again.
            var session = await SessionAsync(account.Id);
            return (await Store.FindAsync(account.Id, Cancel))!.SecurityStamp == "stamp" ? session.Id : null;
        });
        foreach (var id in survivors.OfType<string>())
        {
            Assert.NotNull((await Get<ISessionStore>().FindAsync(id, Cancel))!.EndedAt);
        }
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
    public async Task SetLockout_WhenSetAndLifted_HoldsAndStartsTheCountAnew()
    {
        var account = await CreatedAsync();
        await FailAsync(account.Id, limit: 10);
        Assert.True(await Store.SetLockoutAsync(account.Id, Now.AddDays(1), [NewEvent(account.Id, EventTypes.UserLockedOut)], Cancel));
        var locked = (await Store.FindAsync(account.Id, Cancel))!;
        Assert.Equal((Now.AddDays(1), 0, 1), (locked.LockoutEnd, locked.AccessFailedCount, locked.Version));
        Assert.Equal(Now.AddDays(1), (await FailAsync(account.Id, limit: 10)).LockoutEnd);

        Assert.True(await Store.SetLockoutAsync(account.Id, null, [], Cancel));
        Assert.Null((await Store.FindAsync(account.Id, Cancel))!.LockoutEnd);
        Assert.Equal(1, (await FailAsync(account.Id, limit: 10)).FailedCount);
        Assert.False(await Store.SetLockoutAsync(NewId(), null, [], Cancel));
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

    private AccountConsequences Consequences(string? expected, string hash) => new()
    {
        Password = new PasswordReplacement(expected, hash, Now),
        EndSessions = new SessionEnding(Now, session => NewEvent(session.AccountId, EventTypes.SessionDestroyed, EventExchanges.Session)),
    };

    private async Task<Session> SessionAsync(Guid accountId)
    {
        var session = new Session(Unique("sid"), accountId, Now, Now, ["pwd"], "1", Now.AddDays(1), Now, Now.AddDays(1), EndedAt: null, [], Ip: null, UserAgent: null, DeviceId: null);
        await Get<ISessionStore>().CreateAsync(session, NewEvent(accountId, EventTypes.SessionCreated, EventExchanges.Session), Cancel);
        return session;
    }

    private async Task<Guid> FamilyAsync(Guid accountId, string sessionId)
    {
        var id = NewId();
        if (Services.GetService<RefreshFamilies>() is { } families)
        {
            await families.CreateAsync(new RefreshFamily(id, "client", accountId.ToString(), sessionId, [], [], 1, Now, Now, Now.AddDays(7), RevokedAt: null, "{}"), Cancel);
        }

        return id;
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
