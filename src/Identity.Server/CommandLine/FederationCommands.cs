using System.CommandLine;
using System.Text.Json.Nodes;
using Identity.Server.External;

namespace Identity.Server.CommandLine;

/// <summary><c>identity federation</c>: other providers that people sign in through.</summary>
internal static class FederationCommands
{
    public static Command Make(CommandRun run) => CommandRun.Group("federation", "Other providers that people sign in through (docs/openam.md).", Check(run));

    private static Command Check(CommandRun run)
    {
        var name = new Argument<string>("name") { Description = "Of the provider in the settings: Federation:Providers:NAME." };
        return run.Check("Fetch a provider's discovery or metadata as it is now and say what is wrong with it, and what to enter there.", [name], async (services, parsed, cancellationToken) =>
        {
            var findings = await services.GetRequiredService<FederationCheck>().RunAsync(parsed.GetValue(name)!, cancellationToken);
            var isFine = !findings.Any(finding => finding.IsProblem);
            if (run.IsJson)
            {
                await run.WriteJsonAsync(new JsonObject
                {
                    ["ok"] = isFine,
                    ["findings"] = new JsonArray([.. findings.Select(finding => new JsonObject { ["problem"] = finding.IsProblem, ["text"] = finding.Text })]),
                });
            }
            else
            {
                await run.Output.WriteLineAsync(findings[0].Text);
                foreach (var finding in findings.Skip(1))
                {
                    await run.Output.WriteLineAsync((finding.IsProblem ? "problem: " : "note: ") + finding.Text);
                }
            }

            return isFine ? IdentityCommands.Done : IdentityCommands.Failed;
        });
    }
}
