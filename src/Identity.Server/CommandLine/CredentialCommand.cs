using System.CommandLine;
using System.Text.Json.Nodes;
using Identity.Accounts.Audit;
using Identity.Accounts.Data;

namespace Identity.Server.CommandLine;

/// <summary><c>identity migrate-credentials</c>: credentials (password hashes, secrets of second factors, push tokens) and metadata from the database to MongoDB, or back, while the service runs.</summary>
internal static class CredentialCommand
{
    public static Command Make(CommandRun run)
    {
        var to = new Option<string>("--to") { Description = "mongodb or relational.", Required = true };
        to.AcceptOnlyFromAmong("mongodb", "relational");
        var adopt = new Option<bool>("--adopt") { Description = "This database and this MongoDB belong together, whatever they say (after a restore): what belongs to nobody in the database is removed from MongoDB." };
        return run.Bare("migrate-credentials", "Move all credentials and metadata between the database and MongoDB (MONGO_URI) while the service runs; may be stopped and begun again.", [to, adopt], async (services, parsed, cancellationToken) =>
        {
            var toMongo = parsed.GetValue(to) == "mongodb";
            var migration = services.GetService<CredentialMigration>() ?? throw new RefusedException($"MONGO_URI: expected the MongoDB to move credentials {(toMongo ? "to" : "from")}.");
            var adopts = parsed.GetValue(adopt);
            await services.OpenStoresForMoveAsync(adopts, cancellationToken);
            var total = await migration.CountAsync(toMongo, cancellationToken);
            var report = await run.WatchAsync("Credentials", total, progress => toMongo ? migration.ToMongoAsync(progress, cancellationToken) : migration.ToRelationalAsync(progress, cancellationToken));
            var removed = adopts && toMongo ? await migration.RemoveOrphansAsync(cancellationToken) : 0;
            await services.GetRequiredService<AuditTrail>().WriteAsync("credentials_move", toMongo ? "to_mongodb" : "to_relational", accountId: null, CommandRun.Operator, sessionId: null, CancellationToken.None);
            await run.WriteAsync(
                new JsonObject { ["to"] = parsed.GetValue(to), ["moved"] = report.Moved, ["credentials"] = report.Credentials, ["secrets"] = report.Secrets, ["removed"] = removed, ["sha256"] = report.Sha256 },
                $"{report.Moved} moved and found there; {report.Credentials} credentials and {report.Secrets} other secrets are at {(toMongo ? "MongoDB" : "the database")} now, sha256 {report.Sha256}{(removed > 0 ? $"\n{removed} documents that belonged to nobody were removed" : "")}{(toMongo ? "" : "\nNow start every node without MONGO_URI")}");
            return IdentityCommands.Done;
        });
    }
}
