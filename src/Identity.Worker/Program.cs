using Identity.Worker;

return await WorkerHost.RunAsync(args);

namespace Identity.Worker
{
    /// <summary>The worker's entry point, named for the tests that host it.</summary>
    public partial class Program;
}
