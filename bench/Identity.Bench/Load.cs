using System.Diagnostics;

namespace Identity.Bench;

/// <summary>What one scenario came to.</summary>
/// <param name="Name">The scenario.</param>
/// <param name="PerSecond">Requests answered as expected, per second.</param>
/// <param name="P50">Median latency, milliseconds.</param>
/// <param name="P99">99th percentile, milliseconds.</param>
/// <param name="Failures">Answers other than expected; a figure with any is worth nothing.</param>
internal sealed record LoadResult(string Name, double PerSecond, double P50, double P99, long Failures);

/// <summary>Closed-loop load: so many connections, each sending its next request when the last is answered.</summary>
internal static class Load
{
    public static async Task<LoadResult> RunAsync(string name, int connections, TimeSpan duration, Func<HttpClient, Task<bool>> request, Uri server)
    {
        using var handler = new SocketsHttpHandler { MaxConnectionsPerServer = connections, UseCookies = false, AllowAutoRedirect = false };
        using var client = new HttpClient(handler) { BaseAddress = server };
        var started = Stopwatch.GetTimestamp();
        var workers = Enumerable.Range(0, connections).Select(_ => Task.Run(async () =>
        {
            var latencies = new List<double>(capacity: 64 * 1024);
            var failures = 0L;
            while (Stopwatch.GetElapsedTime(started) < duration)
            {
                var begin = Stopwatch.GetTimestamp();
                if (await request(client))
                {
                    latencies.Add(Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
                }
                else
                {
                    failures++;
                }
            }

            return (latencies, failures);
        })).ToArray();
        var results = await Task.WhenAll(workers);
        var elapsed = Stopwatch.GetElapsedTime(started).TotalSeconds;
        var all = results.SelectMany(result => result.latencies).Order().ToArray();
        double At(double share) => all.Length == 0 ? 0 : all[Math.Min(all.Length - 1, (int)(all.Length * share))];
        return new LoadResult(name, all.Length / elapsed, At(0.5), At(0.99), results.Sum(result => result.failures));
    }
}
