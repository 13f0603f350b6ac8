using System.Text.Json;
using System.Text.Json.Nodes;

namespace Identity.Worker.Tests.Fixtures;

/// <summary>docs/asyncapi.yaml, judged by npm ajv.</summary>
internal static class AsyncApi
{
    /// <summary>Validates messages by name; with none, the document's examples. The number of checks.</summary>
    public static async Task<int> ValidateAsync(IEnumerable<(string Message, JsonNode Payload)> messages)
    {
        await using var node = await NodeClient.StartAsync("validate.mjs", Path.Combine(Repository.Root, "docs", "asyncapi.yaml"));
        foreach (var (message, payload) in messages)
        {
            await node.SendAsync(new JsonObject { ["message"] = message, ["payload"] = payload.DeepClone() }.ToJsonString());
        }

        var result = JsonNode.Parse(Assert.Single(await node.FinishAsync()))!;
        Assert.Equal([], result["problems"].Deserialize<string[]>()!);
        return (int)result["checked"]!;
    }
}
