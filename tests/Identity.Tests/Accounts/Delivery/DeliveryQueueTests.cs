using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Identity.Accounts.Delivery;
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

    // As many as there are workers, each between two tries: the clock stands still.
    [Fact]
    public async Task Code_WhileOthersWaitForTheirNextTry_IsSent()
    {
        await using var world = new World(options => options.OneTimeCodesPerAddress = 1_000_000);
        for (var i = 0; i < 8; i++)
        {
            await world.AddAsync($"away{i}@example.com");
        }

        await world.AddAsync();
        world.Mail.Fail = mail => mail.To.StartsWith("away", StringComparison.Ordinal) ? new IOException("not now") : null;
        for (var i = 0; i < 8; i++)
        {
            await world.GenerateAsync($"away{i}@example.com");
        }

        await world.GenerateAsync();
        Assert.Equal("ada@example.com", (await world.Mail.NextAsync(World.Cancel)).To);

        // Their time comes, and they are sent.
        world.Mail.Fail = _ => null;
        for (var i = 0; i < 8; i++)
        {
            Assert.StartsWith("away", (await world.NextWhenDueAsync()).To);
        }
    }

    [Fact]
    public async Task Code_WhenTheServerRefusesItsAddressForGood_IsTriedOnce()
    {
        await using var world = new World();
        await world.AddAsync();
        var tries = 0;
        var tried = new TaskCompletionSource();
        world.Mail.Fail = _ =>
        {
            Interlocked.Increment(ref tries);
            tried.TrySetResult();
            return new MessageRefusedException("550");
        };
        await world.GenerateAsync();
        await tried.Task.WaitAsync(World.Cancel);

        // What waits for a next try gets it now.
        await world.StopDeliveryAsync();
        Assert.Equal(1, tries);
    }

    [Fact]
    public async Task Code_WhenItExpiresBeforeItCanBeSent_IsDroppedAndCounted()
    {
        await using var world = new World();
        await world.AddAsync();
        var outcomes = new ConcurrentQueue<object?>();
        using var meters = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "identity.delivery.messages" && instrument.Meter.Scope == world.Get<IMeterFactory>())
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        meters.SetMeasurementEventCallback<long>((_, _, tags, _) => outcomes.Enqueue(tags.ToArray().Single(tag => tag.Key == "outcome").Value));
        meters.Start();
        var failed = new TaskCompletionSource();
        world.Mail.Fail = _ =>
        {
            failed.TrySetResult();
            return new IOException("not now");
        };
        await world.GenerateAsync();
        await failed.Task.WaitAsync(World.Cancel);
        world.Mail.Fail = _ => null;
        world.Time.Advance(TimeSpan.FromMinutes(5));
        await world.StopDeliveryAsync();
        Assert.Empty(world.Mail.All);
        Assert.Equal(["expired"], outcomes);
    }

    [Fact]
    public async Task Message_WhenTriedAgain_HasTheSameId()
    {
        await using var world = new World();
        var ids = new ConcurrentQueue<Guid?>();
        world.Mail.Fail = mail =>
        {
            ids.Enqueue(mail.Id);
            return ids.Count == 1 ? new IOException("not now") : null;
        };
        world.Get<DeliveryQueue>().PostNotice("email", new("ada@example.com", "s", "t"));
        await world.NextWhenDueAsync();
        Assert.NotNull(Assert.Single(ids.Distinct()));
    }
}
