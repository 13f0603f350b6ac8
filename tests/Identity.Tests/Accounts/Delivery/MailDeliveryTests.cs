// OWASP ASVS 5.0 §6.3.7: whoever is to be told of a change is told, whatever happens to the mail server or to us.
using System.Text;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Changes;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.Profile;
using Identity.Accounts.SecondFactors;
using Identity.Tests.Api;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Identity.Tests.Accounts.Delivery;

public sealed class MailDeliveryTests
{
    [Fact]
    public async Task Notice_WhileTheMailServerIsAwayForAnHour_ArrivesOnceItIsBack()
    {
        await using var world = await MailWorld.StartAsync();
        await world.AddNodeAsync();
        var account = await world.AddAccountAsync();
        Assert.IsType<AccountChangeResult.Changed>(await world.ChangeAsync(account));
        world.Relay.IsAway = true;
        await world.PassAsync(TimeSpan.FromHours(1));
        Assert.Empty(world.Relay.Taken);
        Assert.InRange(world.Relay.Asked, 8, 20);
        world.Relay.IsAway = false;
        await world.PassAsync(TimeSpan.FromMinutes(40));
        var mail = Assert.Single(world.Relay.Taken);
        Assert.Equal((account.Email, "Your user name was changed"), (mail.To, mail.Subject));
        Assert.Contains("/not-me?ticket=", mail.Text, StringComparison.Ordinal);
        Assert.Contains("/not-me?ticket=", mail.Html, StringComparison.Ordinal);
        Assert.NotNull(mail.Id);
        Assert.Equal(0, await world.WaitingAsync());
        Assert.Equal((1, world.Relay.Asked - 1, 0), (world.Count("sent"), world.Count("retries"), world.Count("given_up/expired")));
    }

    [Fact]
    public async Task PasswordChange_OverHttp_WhileTheMailServerIsAwayForAnHour_IsToldOnceItIsBack()
    {
        var relay = new Relay();
        await using var server = await ApiServer.StartAsync([], services =>
        {
            services.RemoveAll<IMessageSender>();
            services.AddSingleton<IMessageSender>(relay);
        });
        var (person, tokens) = await server.SignedInAsync();
        relay.IsAway = true;
        (await server.PostAsync("password/change", new { currentPassword = person.Password, newPassword = "a third sound phrase 9" }, tokens.Access)).AssertOk();
        var delivery = server.Services.GetRequiredService<MailDelivery>();
        for (var minute = 0; minute < 120 && relay.Taken.Count == 0; minute++)
        {
            relay.IsAway = minute < 60;
            server.Time.Advance(TimeSpan.FromMinutes(1));

            // Beside the server's own, which a test need not wait for.
            await delivery.SendDueAsync(MailWorld.Cancel);
        }

        // The clock may have run on while the server's own delivery was at it: the same mail twice, then.
        Assert.Equal((person.Email, "Your password was changed"), (Assert.Single(relay.Taken.DistinctBy(mail => mail.Id)).To, relay.Taken[0].Subject));
        Assert.DoesNotContain(server.Logs.Lines, line => line.Contains("MailDelivery", StringComparison.Ordinal) && line.Contains(person.Email, StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task Notice_WhenTheProcessIsKilledWhileItSends_IsSentByAnotherOnceTheClaimIsOver()
    {
        await using var world = await MailWorld.StartAsync();
        await world.ChangeAsync(await world.AddAccountAsync());

        // What is never heard of again.
        world.Relay.Hangs = true;
        _ = world.Node.GetRequiredService<MailDelivery>().SendDueAsync(MailWorld.Cancel);
        Assert.True(SpinWait.SpinUntil(() => world.Relay.Asked == 1, TimeSpan.FromSeconds(30)));
        world.Relay.Hangs = false;
        var other = (await world.AddNodeAsync()).GetRequiredService<MailDelivery>();
        world.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(0, (await other.SendDueAsync(MailWorld.Cancel)).Found);
        world.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal((1, 0), await other.SendDueAsync(MailWorld.Cancel));
        Assert.Single(world.Relay.Taken);
        Assert.Equal(0, await world.WaitingAsync());
    }

    [Fact]
    public async Task Notices_WhenFiftyClaimAtOnceAtTwoNodes_ArriveOnceEach()
    {
        await using var world = await MailWorld.StartAsync();
        var other = await world.AddNodeAsync();
        var account = await world.AddAccountAsync();
        for (var i = 0; i < 20; i++)
        {
            await world.ChangeAsync(account);
        }

        await World.RaceAsync(i => (i % 2 == 0 ? world.Node : other).GetRequiredService<MailDelivery>().SendDueAsync(MailWorld.Cancel));
        Assert.Equal(20, world.Relay.Taken.Count);
        Assert.Equal(20, world.Relay.Taken.Select(mail => mail.Id).Distinct().Count());
        Assert.Equal(0, await world.WaitingAsync());
    }

    [Fact]
    public async Task Notice_OfAChangeThatIsNotMade_DoesNotExist()
    {
        await using var world = await MailWorld.StartAsync();
        var (ada, eve) = (await world.AddAccountAsync(), await world.AddAccountAsync());
        await world.ChangeAsync(ada, "ada");
        var subject = new ExternalSubject("openam", "/", "ada", true);
        var external = world.Node.GetRequiredService<ExternalSignInService>();
        Assert.Equal(Linking.Done, await external.LinkAsync(new ExternalPerson { Subject = subject }, ada, MailWorld.Caller, MailWorld.Cancel));
        Assert.Equal(2, await world.WaitingAsync(ada));

        Assert.Equal(AccountWrite.UserNameTaken, Assert.IsType<AccountChangeResult.Taken>(await world.ChangeAsync(eve, "ADA")).Member);
        Assert.Equal(Linking.Taken, await external.LinkAsync(new ExternalPerson { Subject = subject }, eve, MailWorld.Caller, MailWorld.Cancel));
        var factors = world.Node.GetRequiredService<ISecondFactorStore>();
        Assert.True(await AddFactorAsync(world, factors, ada));
        Assert.False(await AddFactorAsync(world, factors, eve));
        Assert.Equal((3, 0, 0), (await world.WaitingAsync(ada), await world.WaitingAsync(eve), await world.LinksAsync(eve)));
    }

    [Fact]
    public async Task Change_WhoseNoticeCannotBeWritten_IsNotMade()
    {
        await using var world = await MailWorld.StartAsync();
        var account = await world.AddAccountAsync();
        await world.Database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync("CREATE TRIGGER no_mail BEFORE INSERT ON mail_messages BEGIN SELECT RAISE(ABORT, 'full'); END", token), MailWorld.Cancel);
        await Assert.ThrowsAnyAsync<Exception>(() => world.ChangeAsync(account, "ada"));
        Assert.False(await AddFactorAsync(world, world.Node.GetRequiredService<ISecondFactorStore>(), account).ContinueWith(task => task.IsCompletedSuccessfully, TaskScheduler.Default));
        var stored = await world.Node.GetRequiredService<IAccountStore>().FindAsync(account.Id, MailWorld.Cancel);
        Assert.Equal((null, 1), (stored!.UserName, stored.Version));
        Assert.Empty(await world.Node.GetRequiredService<ISecondFactorStore>().ListAsync(account.Id, MailWorld.Cancel));
        Assert.Equal(0, await world.LinksAsync(account));
        Assert.Equal(0, await world.Database.ReadAsync((context, token) => context.Outbox.CountAsync(row => row.AccountId == account.Id, token), MailWorld.Cancel));
    }

    [Fact]
    public async Task Notice_ThatCannotBeSentForDays_IsTriedALastTime_AndCountedAndLoggedWithoutTheAddress()
    {
        await using var world = await MailWorld.StartAsync();
        var account = await world.AddAccountAsync();
        await world.ChangeAsync(account);
        world.Relay.IsAway = true;
        await world.SendAsync();

        // Everything was off meanwhile: one more try, and that is the last.
        world.Time.Advance(MailOutbox.TriedFor);
        Assert.Equal(1, await world.WaitingAsync());
        await world.SendAsync();
        Assert.Equal((2, 0), (world.Relay.Asked, await world.WaitingAsync()));
        Assert.Equal((1, 0), (world.Count("given_up/expired"), world.Count("sent")));
        var line = Assert.Single(world.Logs.Lines, line => line.StartsWith("Error Identity.Accounts.Delivery.Mail.MailDelivery 2733 ", StringComparison.Ordinal));
        Assert.Contains(account.Id.ToString(), line, StringComparison.Ordinal);
        Assert.DoesNotContain(world.Logs.Lines, line => line.Contains(account.Email, StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task Notice_WhileTheMailServerStaysAway_IsTriedToTheEndOfItsTime()
    {
        await using var world = await MailWorld.StartAsync();
        await world.ChangeAsync(await world.AddAccountAsync());
        world.Relay.IsAway = true;
        var start = world.Time.GetUtcNow();
        await world.PassAsync(TimeSpan.FromDays(10), step: TimeSpan.FromMinutes(10));
        Assert.InRange(world.Time.GetUtcNow() - start, MailOutbox.TriedFor, MailOutbox.TriedFor + TimeSpan.FromMinutes(11));
        Assert.InRange(world.Relay.Asked, 120, 260);
        Assert.Equal(1, world.Count("given_up/expired"));
    }

    [Fact]
    public async Task Notice_OfAnAccountThatIsErased_IsGone()
    {
        await using var world = await MailWorld.StartAsync();
        var (ada, eve) = (await world.AddAccountAsync(), await world.AddAccountAsync());
        await world.ChangeAsync(ada);
        await world.ChangeAsync(eve);
        Assert.Equal(Erasure.Done, await world.Node.GetRequiredService<AccountErasure>().EraseAsync(ada.Id, expectedVersion: null, MailWorld.Caller, MailWorld.Cancel));
        Assert.Equal((0, 1), (await world.WaitingAsync(ada), await world.WaitingAsync(eve)));
        await world.SendAsync();
        Assert.Equal(eve.Email, Assert.Single(world.Relay.Taken).To);
    }

    [Fact]
    public async Task Store_WhileANoticeWaits_HoldsItSealed_AndOneThatDoesNotOpenIsDropped()
    {
        await using var world = await MailWorld.StartAsync();
        var account = await world.AddAccountAsync();
        await world.ChangeAsync(account);
        var row = await world.Database.ReadAsync((context, token) => context.Set<MailMessageRow>().AsNoTracking().SingleAsync(token), MailWorld.Cancel);
        var stored = Encoding.Latin1.GetString(row.SealedBody);
        Assert.DoesNotContain(account.Email, stored, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("not-me", stored, StringComparison.Ordinal);
        Assert.Equal(account.Email, world.Node.GetRequiredService<MailOutbox>().Open(row).To);

        row.SealedBody[20] ^= 1;
        await world.Database.WriteAsync((context, token) => context.Set<MailMessageRow>().ExecuteUpdateAsync(set => set.SetProperty(r => r.SealedBody, row.SealedBody), token), MailWorld.Cancel);
        await world.SendAsync();
        Assert.Equal((0, 0, 1), (await world.WaitingAsync(), world.Relay.Asked, world.Count("given_up/unreadable")));
    }

    [Fact]
    public async Task Notice_ThatNobodyDelivers_IsClearedAway()
    {
        await using var world = await MailWorld.StartAsync();
        await world.ChangeAsync(await world.AddAccountAsync());
        var cleanUp = world.Node.GetRequiredService<StoreCleanUp>();
        world.Time.Advance(MailOutbox.TriedFor + TimeSpan.FromDays(6));
        await cleanUp.RunAsync(MailWorld.Cancel);
        Assert.Equal(1, await world.WaitingAsync());
        world.Time.Advance(TimeSpan.FromDays(1));
        await cleanUp.RunAsync(MailWorld.Cancel);
        Assert.Equal(0, await world.WaitingAsync());
    }

    [Fact]
    public async Task Links_ThatAnAdministratorMakesVoid_AreThoseOfBeforeAlone()
    {
        await using var world = await MailWorld.StartAsync();
        var account = await world.AddAccountAsync();
        await world.ChangeAsync(account);
        var change = new AccountChange { Email = "other-" + account.Email };
        Assert.IsType<AccountChangeResult.Changed>(await world.Node.GetRequiredService<AccountChangeService>().ChangeAsync(account.Id, change, expectedVersion: null, MailWorld.Caller, MailWorld.Cancel));
        Assert.Equal((3, 1), (await world.WaitingAsync(account), await world.LinksAsync(account)));
        await world.SendAsync();
        var recovery = world.Node.GetRequiredService<AccessRecovery>();
        foreach (var mail in world.Relay.Taken)
        {
            var ticket = mail.Text.Split("?ticket=") is [_, var rest] ? rest[..43] : null;
            Assert.Equal(mail.To == change.Email.Value, await recovery.IsLiveAsync(ticket, MailWorld.Cancel));
        }
    }

    private static Task<bool> AddFactorAsync(MailWorld world, ISecondFactorStore factors, Account account)
    {
        var now = world.Time.GetUtcNow();
        return factors.AddAsync(
            new SecondFactor(Guid.CreateVersion7(now), account.Id, FactorKinds.Passkey, "one slot", "Key", "", 0, now, null),
            world.Node.GetRequiredService<LifecycleEvents>().OfUser(EventTypes.UserFactorAdded, account),
            world.Node.GetRequiredService<FactorNotices>().Added(account, FactorKinds.Passkey),
            MailWorld.Cancel);
    }
}
