using Identity.Accounts.Registration;

namespace Identity.Tests.Accounts.Delivery;

/// <summary>What somebody waits for is not held up, or dropped, for what others are merely told.</summary>
public sealed class DeliveryQueueTests
{
    [Fact]
    public async Task Code_WhenTheQueueIsFullOfNotices_IsSentAllTheSame()
    {
        await using var world = new World(options => (options.OneTimeCodesPerAddress, options.RegistrationsPerAddress) = (1_000_000, 1_000_000));
        await world.AddAsync(userName: "ada");
        world.Mail.Hold();
        for (var i = 0; i < 10_100; i++)
        {
            Assert.IsType<RegistrationResult.Created>(await world.RegisterAsync(new NewAccount($"eve{i}@example.com", World.Other, "ada"), conceal: true));
        }

        await world.GenerateAsync();
        world.Mail.Release();
        await world.StopDeliveryAsync();
        Assert.Single(world.Mail.All, mail => mail.To == "ada@example.com");
    }

    [Fact]
    public async Task Code_WhileANoticeIsUnderWay_DoesNotWaitForIt()
    {
        await using var world = new World(options => (options.OneTimeCodesPerAddress, options.RegistrationsPerAddress) = (1_000_000, 1_000_000));
        await world.AddAsync(userName: "ada");
        world.Mail.Hold(mail => mail.To != "ada@example.com");
        for (var i = 0; i < 20; i++)
        {
            Assert.IsType<RegistrationResult.Created>(await world.RegisterAsync(new NewAccount($"eve{i}@example.com", World.Other, "ada"), conceal: true));
        }

        await world.GenerateAsync();
        Assert.Equal("ada@example.com", (await world.Mail.NextAsync(World.Cancel)).To);
        world.Mail.Release();
    }
}
