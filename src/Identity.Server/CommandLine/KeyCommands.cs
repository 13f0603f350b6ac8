using System.CommandLine;
using System.Text.Json.Nodes;
using Identity.Accounts.Audit;
using Identity.OAuth.Keys;

namespace Identity.Server.CommandLine;

/// <summary><c>identity keys</c>: the signing keys, which rotate by themselves; public facts only.</summary>
internal static class KeyCommands
{
    public static Command Make(CommandRun run) => CommandRun.Group("keys", "List signing keys, or let new ones take over before their time.", List(run), Rotate(run));

    private static Command List(CommandRun run) => run.Command("list", "List the signing keys.", [], async (services, _, cancellationToken) =>
    {
        var keys = await services.GetRequiredService<SigningKeyStore>().ListAsync(cancellationToken);
        var now = services.GetRequiredService<TimeProvider>().GetUtcNow();
        await run.WriteTableAsync(["KID", "ALGORITHM", "STATE", "SIGNS FROM", "PUBLISHED UNTIL"], [.. keys.Select(key => Row(key, State(key, keys, now)))]);
        return IdentityCommands.Done;
    });

    private static Command Rotate(CommandRun run)
    {
        var algorithm = new Option<string>("--algorithm") { Description = "One of " + string.Join(", ", SigningKey.SupportedAlgorithms) + "; none: each." };
        algorithm.AcceptOnlyFromAmong([.. SigningKey.SupportedAlgorithms]);
        var now = new Option<bool>("--now") { Description = "Sign with it in a minute, as soon as every node knows it; APIs that cache the key set for longer refuse tokens until they look again. Else in two days (OAuth:KeyPublishAhead)." };
        return run.Command("rotate", "Make and publish the next key; the one before stays published until nothing it signed is alive.", [algorithm, now], async (services, parsed, cancellationToken) =>
        {
            var ring = services.GetRequiredService<KeyRing>();
            await ring.RefreshAsync(cancellationToken);
            var (made, there) = (new List<StoredSigningKey>(), new List<string>());
            foreach (var name in parsed.GetValue(algorithm) is { } one ? [one] : SigningKey.SupportedAlgorithms)
            {
                switch (await ring.RotateAsync(name, parsed.GetValue(now), cancellationToken))
                {
                    case KeyRotation.Made rotated:
                        made.Add(rotated.Key);
                        break;
                    case KeyRotation.NextIsThere { Key: var next }:
                        there.Add($"{name}: the next key, {next.Kid}, is published already and signs from {next.ActivatesAt:u}.");
                        break;
                }
            }

            if (made.Count == 0)
            {
                throw new RefusedException(string.Join(Environment.NewLine, there));
            }

            // Of several algorithms, those that were rotated are told below.
            foreach (var line in there)
            {
                await run.Error.WriteLineAsync(line);
            }

            await services.GetRequiredService<AuditTrail>().WriteAsync("keys_rotate", "success", accountId: null, CommandRun.Operator, sessionId: null, CancellationToken.None);
            await run.WriteTableAsync(["KID", "ALGORITHM", "STATE", "SIGNS FROM", "PUBLISHED UNTIL"], [.. made.Select(key => Row(key, "next"))]);
            return IdentityCommands.Done;
        });
    }

    private static string State(StoredSigningKey key, IReadOnlyList<StoredSigningKey> all, DateTimeOffset now) =>
        key.ActivatesAt > now ? "next"
        : all.Any(other => other.Algorithm == key.Algorithm && other.Ordinal > key.Ordinal && other.ActivatesAt <= now) ? "retiring"
        : "signing";

    private static (JsonObject Json, string[] Cells) Row(StoredSigningKey key, string state) => (
        new JsonObject
        {
            ["kid"] = key.Kid,
            ["algorithm"] = key.Algorithm,
            ["state"] = state,
            ["createdAt"] = key.CreatedAt,
            ["signsFrom"] = key.ActivatesAt,
            ["publishedUntil"] = key.RetiresAt,
        },
        [key.Kid, key.Algorithm, state, key.ActivatesAt.ToString("u"), key.RetiresAt?.ToString("u") ?? ""]);
}
