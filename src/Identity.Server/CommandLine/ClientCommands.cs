using System.Buffers.Text;
using System.CommandLine;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Accounts.Audit;
using Identity.OAuth.Clients;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Resources;
using Identity.Server.Hosting;

namespace Identity.Server.CommandLine;

/// <summary><c>identity clients</c>: by the names of RFC 7591, as in CLIENTS_FILE. What that file declares is the file's, and is changed there alone.</summary>
internal static class ClientCommands
{
    private static readonly JsonDocumentOptions s_lenient = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, AllowDuplicateProperties = false };

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Make(CommandRun run) => CommandRun.Group(
        "clients",
        "List and show clients, carry them elsewhere, or give one another secret.",
        List(run),
        Show(run),
        Export(run),
        Import(run),
        RotateSecret(run));

    private static Command List(CommandRun run) => run.Command("list", "List the clients.", [], async (services, _, cancellationToken) =>
    {
        var clients = await services.GetRequiredService<ClientStore>().ListAsync(cancellationToken);
        await run.WriteTableAsync(["CLIENT ID", "NAME", "AUTHENTICATION", "OWNER", "DISABLED"], [.. clients.Select(client => (Described(client), Cells(client)))]);
        return IdentityCommands.Done;
    });

    private static Command Show(CommandRun run)
    {
        var id = new Argument<string>("client_id") { Description = "Which." };
        return run.Command("show", "Show a client's metadata (RFC 7591), without its secret.", [id], async (services, parsed, cancellationToken) =>
        {
            var client = await FindAsync(services, parsed.GetValue(id)!, cancellationToken);
            await run.WriteAsync(Described(client), Described(client).ToJsonString(s_indented));
            return IdentityCommands.Done;
        });
    }

    private static Command Export(CommandRun run)
    {
        var ids = new Argument<string[]>("client_id") { Description = "Which; none: all.", Arity = ArgumentArity.ZeroOrMore };
        var hashes = new Option<bool>("--with-secret-hashes") { Description = "With the SHA-256 of each secret, so that secrets go on working where it is imported. Keep the file as you keep secrets." };
        return run.Command("export", "Write clients as a JSON array, as CLIENTS_FILE and clients import read it; without secrets.", [ids, hashes], async (services, parsed, cancellationToken) =>
        {
            var asked = parsed.GetValue(ids) ?? [];
            var clients = asked.Length == 0
                ? await services.GetRequiredService<ClientStore>().ListAsync(cancellationToken)
                : [.. await Task.WhenAll(asked.Distinct(StringComparer.Ordinal).Select(id => FindAsync(services, id, cancellationToken)))];
            await run.Output.WriteLineAsync(new JsonArray([.. clients.Select(client => ClientDocument.Write(client, parsed.GetValue(hashes)))]).ToJsonString(s_indented));
            return IdentityCommands.Done;
        });
    }

    private static Command Import(CommandRun run)
    {
        var file = new Argument<string>("file") { Description = "A JSON array of clients, or one client; - for standard input." };
        return run.Command("import", "Make or replace clients; all of them, or none. One that is there and comes without a secret keeps its own.", [file], async (services, parsed, cancellationToken) =>
        {
            var clients = new List<Client>();
            var (made, store) = (0, services.GetRequiredService<ClientStore>());
            var declared = Seeding.ReadClients(services.GetRequiredService<ServerSettings>(), services.GetRequiredService<IConfiguration>()).Select(client => client.ClientId).ToHashSet(StringComparer.Ordinal);
            var resources = (await services.GetRequiredService<ResourceCatalog>().ListAsync(cancellationToken)).Select(resource => resource.Identifier).ToHashSet(StringComparer.Ordinal);
            var problems = new List<string>();
            foreach (var document in await ReadAsync(run, parsed.GetValue(file)!, cancellationToken))
            {
                var id = document["client_id"] is JsonValue value && value.TryGetValue<string>(out var text) ? text : "(no client_id)";
                var known = id == FirstPartyClient.ClientId ? null : await store.FindAsync(id, cancellationToken);
                var brought = TakeHashes(document, id, problems);
                var (client, wrong) = ClientMetadata.Parse(document, requireConsent: false, services.GetRequiredService<ServerSettings>().MutualTls.Support, brought ?? known?.SecretHashes);
                problems.AddRange(wrong.Select(problem => $"{id}: {problem}"));
                if (known is { FromFile: true } || declared.Contains(id))
                {
                    problems.Add(OwnedByFile(id));
                }

                if (client?.TokenExchangeAudiences.FirstOrDefault(audience => !resources.Contains(audience)) is { } unknown)
                {
                    problems.Add($"{id}: token_exchange_audiences: {unknown} is not a resource that is declared");
                }

                if (client is not null)
                {
                    clients.Add(client);
                    made += known is null ? 1 : 0;
                }
            }

            problems.AddRange(clients.GroupBy(client => client.ClientId, StringComparer.Ordinal).Where(group => group.Count() > 1).Select(group => $"{group.Key}: client_id: comes twice"));
            if (problems.Count > 0)
            {
                throw new RefusedException(string.Join(Environment.NewLine, problems));
            }

            await store.UpsertAllAsync(clients, cancellationToken);
            foreach (var client in clients)
            {
                await NoteAsync(services, client, "client_import");
            }

            await run.WriteAsync(new JsonObject { ["made"] = made, ["replaced"] = clients.Count - made }, $"{made} made, {clients.Count - made} replaced");
            return IdentityCommands.Done;
        });
    }

    private static Command RotateSecret(CommandRun run)
    {
        var id = new Argument<string>("client_id") { Description = "Whose." };
        var revoke = new Option<bool>("--revoke-old") { Description = "The secret before works no more. Else it works until the next rotation." };
        return run.Command("rotate-secret", "Make a new secret and show it once.", [id, revoke], async (services, parsed, cancellationToken) =>
        {
            var client = await FindAsync(services, parsed.GetValue(id)!, cancellationToken);
            if (client.FromFile)
            {
                throw new RefusedException(OwnedByFile(client.ClientId));
            }

            if (client.TokenEndpointAuthMethod is not ("client_secret_basic" or "client_secret_post"))
            {
                throw new RefusedException($"{client.ClientId}: token_endpoint_auth_method is {client.TokenEndpointAuthMethod}: the client has no secret.");
            }

            var secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
            string[] kept = parsed.GetValue(revoke) ? [] : [.. client.SecretHashes.TakeLast(1)];
            if (!await services.GetRequiredService<ClientStore>().TryReplaceSecretsAsync(client.ClientId, client.SecretHashes, [.. kept, ClientSecret.Hash(secret)], cancellationToken))
            {
                throw new RefusedException($"{client.ClientId}: somebody else changed its secret at the same time; nothing was done. Run it again if you want another.");
            }

            await NoteAsync(services, client, "client_secret_rotate");
            await run.WriteAsync(
                new JsonObject { ["client_id"] = client.ClientId, ["client_secret"] = secret, ["old_secret_works"] = kept.Length > 0 },
                $"{client.ClientId}: client_secret {secret}   (shown this once)\n{(kept.Length > 0 ? "The secret before works until the next rotation (--revoke-old ends it at once)" : "The secret before works no more")}");
            return IdentityCommands.Done;
        });
    }

    private static Task NoteAsync(IServiceProvider services, Client client, string action) =>
        services.GetRequiredService<AuditTrail>().WriteAsync(action, "success", accountId: null, CommandRun.Operator with { ClientId = client.ClientId }, sessionId: null, CancellationToken.None);

    private static async Task<Client> FindAsync(IServiceProvider services, string id, CancellationToken cancellationToken) =>
        await services.GetRequiredService<ClientStore>().FindEntryAsync(id, cancellationToken) switch
        {
            null => throw new RefusedException($"There is no client {id}."),
            { IsBuiltIn: true } => throw new RefusedException($"{id} is built in and has nothing that could be shown or changed."),
            var entry => entry.Client,
        };

    private static async Task<List<JsonObject>> ReadAsync(CommandRun run, string file, CancellationToken cancellationToken)
    {
        try
        {
            var text = file == "-" ? await run.Input.ReadToEndAsync(cancellationToken) : await File.ReadAllTextAsync(file, cancellationToken);
            return JsonNode.Parse(text, documentOptions: s_lenient) switch
            {
                JsonObject one => [one],
                JsonArray array when array.All(item => item is JsonObject) => [.. array.Select(item => (JsonObject)item!)],
                _ => throw new RefusedException($"{file}: expected a JSON array of clients, or one client."),
            };
        }
        catch (JsonException exception)
        {
            throw new RefusedException($"{file}: is not JSON: {exception.Message.ReplaceLineEndings(" ")}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new RefusedException($"{file}: cannot be read: {exception.Message}");
        }
    }

    // Known to this command alone: whoever writes a CLIENTS_FILE by hand writes secrets.
    private static List<string>? TakeHashes(JsonObject document, string id, List<string> problems)
    {
        if (!document.Remove(ClientDocument.SecretHashes, out var value))
        {
            return null;
        }

        var hashes = value is JsonArray array ? array.Select(item => item is JsonValue text && text.TryGetValue<string>(out var hash) ? hash : "").ToList() : [""];
        if (hashes.Count is 0 or > 2 || hashes.Any(hash => hash.Length != 64 || !hash.All(char.IsAsciiHexDigitLower)))
        {
            problems.Add($"{id}: {ClientDocument.SecretHashes}: expected an array of one or two SHA-256 in lower-case hex");
        }

        return hashes;
    }

    private static string OwnedByFile(string id) => $"{id}: it is declared in CLIENTS_FILE or the settings, which own it: change it there and restart.";

    private static string Owner(Client client) => client.FromFile ? "file" : "database";

    private static JsonObject Described(Client client)
    {
        var document = ClientDocument.Write(client, withSecretHashes: false);
        document["owner"] = Owner(client);
        return document;
    }

    private static string[] Cells(Client client) => [client.ClientId, client.ClientName ?? "", client.TokenEndpointAuthMethod, Owner(client), client.Disabled ? "yes" : "no"];
}
