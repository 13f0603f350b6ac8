// OWASP ASVS 5.0 §6.3.5: whose account is locked is told, once for each lock, and not without end.
namespace Identity.Tests.Accounts.SignIn;

public sealed class LockoutNoticeTests
{
    [Fact]
    public async Task Owner_WhenTheAccountIsLocked_IsToldOnce()
    {
        await using var world = new World(options => (options.LockoutThreshold, options.PublicUrl) = (5, "https://id.example.com"));
        await world.AddAsync(change: account => account.Profile["locale"] = "de");
        await World.RaceAsync(_ => world.SignInAsync(password: "not the one"));
        await world.StopDeliveryAsync();
        var mail = Assert.Single(world.Mail.All);
        Assert.Equal(("ada@example.com", "Ihr Konto ist für eine Weile gesperrt"), (mail.To, mail.Subject));
        Assert.Contains("15 Minuten", mail.Text, StringComparison.Ordinal);
        Assert.Contains("https://id.example.com/forgot-password", mail.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Owner_WhenTheAccountIsNotLockedYet_IsToldNothing()
    {
        await using var world = new World(options => options.LockoutThreshold = 5);
        await world.AddAsync();
        for (var i = 0; i < 4; i++)
        {
            await world.SignInAsync(password: "not the one");
        }

        await world.StopDeliveryAsync();
        Assert.Empty(world.Mail.All);
    }

    [Fact]
    public async Task Owner_WhenAStrangerLocksAgainAndAgain_GetsThreeMailsADay()
    {
        await using var world = new World(options => options.LockoutThreshold = 3);
        var account = await world.AddAsync();
        for (var i = 0; i < 30; i++)
        {
            await world.SignInAsync(password: "not the one");
            if ((await world.CurrentAsync(account)).LockoutEnd is { } end && end > world.Time.GetUtcNow())
            {
                world.Time.Advance(TimeSpan.FromMinutes(16));
            }
        }

        await world.StopDeliveryAsync();
        Assert.Equal(3, world.Mail.All.Count);
    }
}
