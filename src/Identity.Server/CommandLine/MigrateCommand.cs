using System.CommandLine;
using System.Text.Json.Nodes;
using Identity.Accounts.Data;
using Identity.Server.Hosting;
using Microsoft.Extensions.Options;

namespace Identity.Server.CommandLine;

/// <summary><c>identity migrate</c>: what the server does to its stores at start, and no more.</summary>
internal static class MigrateCommand
{
    public static Command Make(CommandRun run) => run.Bare("migrate", "Make the database or bring it up to date; waits for servers that do not answer yet.", [], async (services, _, cancellationToken) =>
    {
        services.GetRequiredService<IStartupValidator>().Validate();
        await services.InitializeStoresAsync(cancellationToken);
        var database = services.GetRequiredService<ServerSettings>().Storage.Description;
        await run.WriteAsync(new JsonObject { ["database"] = database, ["upToDate"] = true }, $"Up to date: {database}");
        return IdentityCommands.Done;
    });
}
