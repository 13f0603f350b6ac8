var builder = WebApplication.CreateBuilder(args);
var app = builder.Build();
app.MapGet("/health/live", () => "ok");
app.Run();

/// <summary>The server's entry point, named for the tests that host it.</summary>
public partial class Program;
