namespace Identity.Worker;
internal static class WorkerHost { public static Task<int> RunAsync(string[] args) => Task.FromResult(args.Length); }
