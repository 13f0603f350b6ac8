using Identity.Server.CommandLine;
using Identity.Server.Hosting;

return await (IdentityCommands.IsAsked(args) ? IdentityCommands.RunAsync(args) : ServerHost.RunAsync(args));

/// <summary>The server's entry point, named for the tests that host it.</summary>
public partial class Program;
