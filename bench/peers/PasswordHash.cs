using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace Peers;

/// <summary>What the hash alone allows: nothing runs but it.</summary>
internal static class PasswordHash
{
    // Accounts:PasswordHashIterations, as it is unless somebody sets it.
    private const int Iterations = 210_000;

    public static double PerSecond(TimeSpan duration)
    {
        var hasher = new PasswordHasher<string>(Options.Create(new PasswordHasherOptions { IterationCount = Iterations }));
        var hash = hasher.HashPassword("", "a sound pass phrase");
        using var time = new CancellationTokenSource(duration);
        var counts = new int[Environment.ProcessorCount];
        var threads = counts.Select((_, i) => new Thread(() =>
        {
            // As wrk counts: what is done within the time.
            while (hasher.VerifyHashedPassword("", hash, "a sound pass phrase") == PasswordVerificationResult.Success && !time.IsCancellationRequested)
            {
                counts[i]++;
            }
        })).ToArray();
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        return counts.Sum() / duration.TotalSeconds;
    }
}
