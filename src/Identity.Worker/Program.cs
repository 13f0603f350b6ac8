var builder = WebApplication.CreateBuilder(args);
var app = builder.Build();
app.Run();

namespace Identity.Worker
{
    /// <summary>The worker's entry point, named for the tests that host it.</summary>
    public partial class Program;
}
