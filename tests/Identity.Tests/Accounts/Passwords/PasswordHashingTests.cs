// OWASP ASVS 5.0 §15.2.2: hashing is dear, and nobody can buy all of it with requests.
using System.Collections.Concurrent;
using Identity.Accounts;
using Identity.Accounts.Passwords;
using Identity.Tests.Kit;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Logging.Abstractions;

namespace Identity.Tests.Accounts.Passwords;

/// <summary>Who waits for a hash, and for how long.</summary>
public sealed class PasswordHashingTests
{
    private static readonly int s_places = Math.Max(1, Environment.ProcessorCount);

    [Fact]
    public async Task Hash_WhenTheLineWouldTakeLongerThanTenSeconds_IsRefusedAtOnce()
    {
        var time = new FakeTimeProvider();
        var hasher = new HeldHasher(time) { Takes = TimeSpan.FromSeconds(0.5) };
        var hashing = new PasswordHashing(hasher, time, NullLogger<PasswordHashing>.Instance);
        await hashing.HashAsync("first", World.Cancel);
        hasher.Hold();
        var waiting = Enumerable.Range(0, s_places * 21).Select(i => hashing.VerifyAsync("x", $"p{i}", World.Cancel)).ToArray();
        await Assert.ThrowsAsync<HashingBusyException>(() => hashing.VerifyAsync("x", "late", World.Cancel));
        await Assert.ThrowsAsync<HashingBusyException>(() => hashing.VerifyAsync(hash: null, "late", World.Cancel));
        hasher.Release();
        await Task.WhenAll(waiting);
        Assert.Equal(PasswordVerificationResult.Failed, await hashing.VerifyAsync("x", "after", World.Cancel));
    }

    [Fact]
    public async Task SignIns_BehindManyRegistrations_ComeFirst_AndRegistrationsComeToo()
    {
        var time = new FakeTimeProvider();
        var hasher = new HeldHasher(time);
        var hashing = new PasswordHashing(hasher, time, NullLogger<PasswordHashing>.Instance);
        hasher.Hold();
        var registrations = Enumerable.Range(0, s_places + 100).Select(i => hashing.HashForRegistrationAsync("registration", World.Cancel)).ToArray<Task>();
        var signIns = Enumerable.Range(0, 9).Select(_ => hashing.VerifyAsync("x", "sign-in", World.Cancel)).ToArray<Task>();
        await hasher.EnteredAsync(s_places);
        foreach (var _ in registrations[s_places..].Concat(signIns))
        {
            // One place comes free at a time, and whoever got it is seen before the next does.
            hasher.ReleaseOne();
            await hasher.EnteredAsync(1);
        }

        hasher.Release();
        await Task.WhenAll([.. registrations, .. signIns]);

        // Behind those that had a place before, at three of four.
        string[] three = ["sign-in", "sign-in", "sign-in"];
        Assert.Equal([.. three, "registration", .. three, "registration", .. three, "registration"], hasher.Order.Skip(s_places).Take(12));
    }

    [Fact]
    public async Task Turn_OfSomebodyWhoHungUp_IsTheNextOnes()
    {
        var time = new FakeTimeProvider();
        var hasher = new HeldHasher(time);
        var hashing = new PasswordHashing(hasher, time, NullLogger<PasswordHashing>.Instance);
        hasher.Hold();
        var busy = Enumerable.Range(0, s_places).Select(_ => hashing.HashAsync("busy", World.Cancel)).ToArray();
        using var hungUp = new CancellationTokenSource();
        var gone = Enumerable.Range(0, World.Width).Select(_ => hashing.HashAsync("gone", hungUp.Token)).ToArray();
        var next = hashing.HashAsync("next", World.Cancel);
        await hungUp.CancelAsync();
        hasher.Release();
        await Task.WhenAll([.. busy, next]);
        foreach (var task in gone)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => task);
        }

        Assert.DoesNotContain("gone", hasher.Order);
        await hashing.HashAsync("after", World.Cancel);
    }

    /// <summary>Hashes when it may, and notes in which order who got a place.</summary>
    private sealed class HeldHasher(FakeTimeProvider time) : IPasswordHasher<Account>
    {
        private readonly SemaphoreSlim _entered = new(0);
        private readonly SemaphoreSlim _leave = new(0);
        private volatile bool _held;

        public TimeSpan Takes { get; init; }

        public ConcurrentQueue<string> Order { get; } = new();

        public void Hold()
        {
            Order.Clear();
            _held = true;
        }

        public void ReleaseOne() => _leave.Release();

        public void Release()
        {
            _held = false;
            _leave.Release(s_places);
        }

        public async Task EnteredAsync(int count)
        {
            for (var i = 0; i < count; i++)
            {
                await _entered.WaitAsync(World.Cancel);
            }
        }

        public string HashPassword(Account user, string password)
        {
            Work(password);
            return password;
        }

        public PasswordVerificationResult VerifyHashedPassword(Account user, string hashedPassword, string providedPassword)
        {
            Work(providedPassword);
            return PasswordVerificationResult.Failed;
        }

        private void Work(string password)
        {
            Order.Enqueue(password);
            if (!_held)
            {
                time.Advance(Takes);
                return;
            }

            _entered.Release();
            _leave.Wait(World.Cancel);
        }
    }
}
