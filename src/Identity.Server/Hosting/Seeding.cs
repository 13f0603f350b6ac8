// RFC 7591 §2 and RFC 9728 §2: clients and APIs from files and settings, upserted at start; the demo clients and the first admin.
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Accounts.Administration;
using Identity.OAuth.Clients;
using Identity.OAuth.Resources;
using Identity.ServiceDefaults.Settings;

namespace Identity.Server.Hosting;

/// <summary>Puts into the store what the operator wrote down. A bad entry stops the start, and names the client or resource and the member.</summary>
internal static partial class Seeding
{
    /// <summary>The first administrator of a Development server that was told of no other.</summary>
    internal const string DevelopmentAdmin = "admin@localhost.local";

    private const string DemoClient = "demo";
    private const string DemoService = "demo-service";

    internal static IReadOnlyList<string> DemoClients { get; } = [DemoClient, DemoService];

    public static async Task<SeededSecrets> RunAsync(IServiceProvider services, ServerSettings settings, IConfiguration configuration, CancellationToken cancellationToken)
    {
        string? demoSecret = null;
        await SeedResourcesAsync(services, settings, configuration, cancellationToken);
        await SeedClientsAsync(services, settings, configuration, cancellationToken);
        if (settings.IsDevelopment)
        {
            demoSecret = await SeedDemoClientsAsync(services.GetRequiredService<ClientStore>(), DemoFlow.RedirectUri(settings), cancellationToken);
        }
        else
        {
            await DisableDemoClientsAsync(services, cancellationToken);
        }

        var admin = await SeedAdminAsync(services, settings, cancellationToken);
        return new(admin?.Made, admin?.IsAddressTaken == true, demoSecret);
    }

    /// <summary>What RESOURCES_FILE and the settings declare.</summary>
    /// <exception cref="StartFailureException">A line for each entry that cannot be used.</exception>
    public static IReadOnlyList<Resource> ReadResources(ServerSettings settings, IConfiguration configuration)
    {
        var resources = new List<Resource>();
        foreach (var (source, document) in Documents(settings.ResourcesFile, "RESOURCES_FILE", configuration.GetSection("Resources")))
        {
            var (resource, problems) = ResourceMetadata.Parse(document, text => Durations.TryParse(text, out var duration) ? duration : null);
            resources.Add(resource ?? throw Bad(source, Name(document, "resource"), problems));
        }

        return ResourceMetadata.Conflict(resources, settings.PublicUrl) is { } conflict ? throw new StartFailureException($"RESOURCES_FILE: {conflict}.") : resources;
    }

    /// <summary>What CLIENTS_FILE and the settings declare.</summary>
    /// <exception cref="StartFailureException">A line for each entry that cannot be used.</exception>
    public static IReadOnlyList<Client> ReadClients(ServerSettings settings, IConfiguration configuration)
    {
        var clients = new List<Client>();
        foreach (var (source, document) in Documents(settings.ClientsFile, "CLIENTS_FILE", configuration.GetSection("Clients")))
        {
            var (client, problems) = ClientMetadata.Parse(document, requireConsent: false, settings.MutualTls.Support);
            clients.Add((client ?? throw Bad(source, Name(document, "client_id"), problems)) with { FromFile = true });
        }

        return clients.GroupBy(client => client.ClientId, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice
            ? throw new StartFailureException($"CLIENTS_FILE: {twice.Key}: client_id: declared twice.")
            : clients;
    }

    private static async Task SeedResourcesAsync(IServiceProvider services, ServerSettings settings, IConfiguration configuration, CancellationToken cancellationToken)
    {
        var store = services.GetRequiredService<ResourceStore>();
        var resources = ReadResources(settings, configuration);
        var declared = resources.Select(resource => resource.Identifier).ToHashSet(StringComparer.Ordinal);

        // The engine's own come first; stored ones count too, where the file does not replace them.
        var catalog = services.GetRequiredService<ResourceCatalog>();
        IEnumerable<Resource> all = [catalog.UserInfo, catalog.Api, .. resources, .. (await store.ListAsync(cancellationToken)).Where(stored => !declared.Contains(stored.Identifier))];
        if (ResourceMetadata.SharedScope(all) is var (scope, first, second))
        {
            throw new StartFailureException($"RESOURCES_FILE: {second}: scopes_supported: {scope} belongs to {first} already; a scope belongs to one resource.");
        }

        foreach (var resource in resources)
        {
            await store.UpsertAsync(resource, cancellationToken);
        }
    }

    private static async Task SeedClientsAsync(IServiceProvider services, ServerSettings settings, IConfiguration configuration, CancellationToken cancellationToken)
    {
        var store = services.GetRequiredService<ClientStore>();
        var clients = ReadClients(settings, configuration);
        var known = await services.GetRequiredService<ResourceCatalog>().ListAsync(cancellationToken);
        var resources = known.Select(resource => resource.Identifier).ToHashSet(StringComparer.Ordinal);
        var scopes = known.SelectMany(resource => resource.ScopesSupported).ToHashSet(StringComparer.Ordinal);
        foreach (var client in clients)
        {
            // The contract, Audience: such a scope belongs to no resource. It may also be misspelt, or its API forgotten, and then its tokens open nothing.
            if (client.Scopes.Where(scope => !scopes.Contains(scope)).ToArray() is { Length: > 0 } nobodys)
            {
                LogNobodys(Logger(services), client.ClientId, string.Join(", ", nobodys));
            }

            if (client.TokenExchangeAudiences.FirstOrDefault(audience => !resources.Contains(audience)) is { } unknown)
            {
                throw new StartFailureException($"CLIENTS_FILE: {client.ClientId}: token_exchange_audiences: {unknown} is not declared in RESOURCES_FILE.");
            }
        }

        foreach (var client in clients)
        {
            await store.UpsertAsync(client, cancellationToken);
        }

        // Whoever takes a client out of the file means that it may do nothing more. Its row stays, for the audit and for its return.
        var declared = clients.Select(client => client.ClientId).ToHashSet(StringComparer.Ordinal);
        foreach (var gone in (await store.ListAsync(cancellationToken)).Where(stored => stored is { FromFile: true, Disabled: false } && !declared.Contains(stored.ClientId)))
        {
            await store.UpsertAsync(gone with { Disabled = true }, cancellationToken);
            LogGone(Logger(services), gone.ClientId);
        }
    }

    // They are for trying things out, with a consent page and without anybody's knowing them.
    private static async Task DisableDemoClientsAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        var store = services.GetRequiredService<ClientStore>();
        foreach (var id in DemoClients)
        {
            if (await store.FindAsync(id, cancellationToken) is { FromFile: false, Disabled: false } demo)
            {
                await store.UpsertAsync(demo with { Disabled = true }, cancellationToken);
                LogDemo(Logger(services), id);
            }
        }
    }

    private static ILogger Logger(IServiceProvider services) => services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(Seeding).FullName!);

    [LoggerMessage(5003, LogLevel.Warning, "Client {ClientId} has left CLIENTS_FILE and the settings: it was disabled")]
    private static partial void LogGone(ILogger logger, string clientId);

    [LoggerMessage(5011, LogLevel.Warning, "Client {ClientId} may ask for {Scopes}, which no API of RESOURCES_FILE has: tokens for that are this server's own. Is it misspelt, or its API missing?")]
    private static partial void LogNobodys(ILogger logger, string clientId, string scopes);

    [LoggerMessage(5004, LogLevel.Warning, "Demo client {ClientId} works in Development only: it was disabled")]
    private static partial void LogDemo(ILogger logger, string clientId);

    [LoggerMessage(5013, LogLevel.Warning, "The administrator {AccountId} that Development made had the password that it printed, which works in Development only: it was taken away. Set another with: identity users reset-password ADDRESS (admin@localhost.local, where ADMIN_EMAIL was unset)")]
    private static partial void LogWithdrawn(ILogger logger, Guid accountId);

    /// <summary>The demo service's secret, where it was made now.</summary>
    private static async Task<string?> SeedDemoClientsAsync(ClientStore store, string redirectUri, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(DemoClient, cancellationToken) is var demo && (demo is null || (!demo.FromFile && (demo.Disabled || !demo.RedirectUris.Contains(redirectUri, StringComparer.Ordinal)))))
        {
            await store.UpsertAsync(
                new Client
                {
                    ClientId = DemoClient,
                    ClientName = "Demo",
                    TokenEndpointAuthMethod = "none",
                    RedirectUris = ["http://127.0.0.1/callback", "http://[::1]/callback", redirectUri],
                    PostLogoutRedirectUris = ["http://127.0.0.1/bye"],
                    GrantTypes = ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
                    Scopes = ["openid", "profile", "email", "address", "phone", "offline_access"],
                    RequireConsent = true,
                },
                cancellationToken);
        }

        if (await store.FindAsync(DemoService, cancellationToken) is not (null or { FromFile: false, Disabled: true }))
        {
            return null;
        }

        var secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        await store.UpsertAsync(
            new Client
            {
                ClientId = DemoService,
                ClientName = "Demo service",
                SecretHashes = [ClientSecret.Hash(secret)],
                GrantTypes = ["client_credentials"],
                ResponseTypes = [],
                Scopes = ["identity.users.read", "identity.users.write"],
            },
            cancellationToken);
        return secret;
    }

    private static async Task<AdminSeeding?> SeedAdminAsync(IServiceProvider services, ServerSettings settings, CancellationToken cancellationToken)
    {
        var seed = services.GetRequiredService<AdminSeed>();
        var withdrawn = settings.IsDevelopment ? [] : await seed.WithdrawPrintedAsync(cancellationToken);
        foreach (var id in withdrawn)
        {
            LogWithdrawn(Logger(services), id);
        }

        var email = settings.AdminEmail ?? (settings.IsDevelopment ? DevelopmentAdmin : null);
        if (email is null)
        {
            return null;
        }

        if (settings.AdminPassword is { } password && seed.FindProblem(email, password) is { } problem)
        {
            throw new StartFailureException($"ADMIN_PASSWORD: {problem}.");
        }

        return await seed.EnsureAsync(email, settings.AdminPassword, isShown: settings.IsDevelopment, withdrawn, cancellationToken);
    }

    private static List<(string Source, JsonObject Document)> Documents(string? file, string setting, IConfigurationSection section)
    {
        var documents = new List<(string, JsonObject)>();
        if (file is not null)
        {
            JsonNode? root;
            try
            {
                root = JsonNode.Parse(File.ReadAllText(file), documentOptions: new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, AllowDuplicateProperties = false });
            }
            catch (Exception exception) when (exception is JsonException or IOException or UnauthorizedAccessException)
            {
                throw new StartFailureException($"{setting}: {file} cannot be read: {exception.Message.ReplaceLineEndings(" ")}", exception);
            }

            if (root is not JsonArray array || array.Any(item => item is not JsonObject))
            {
                throw new StartFailureException($"{setting}: {file}: expected a JSON array of objects.");
            }

            documents.AddRange(array.Select(item => (setting, (JsonObject)item!)));
        }

        // Compose files pass what is unset as empty values.
        foreach (var child in section.GetChildren().Where(child => !string.IsNullOrWhiteSpace(child.Value) || child.GetChildren().Any()))
        {
            documents.Add((section.Key, Node(child) as JsonObject ?? throw new StartFailureException($"{child.Path}: expected the members of an entry one by one, such as {child.Path}:{(section.Key == "Clients" ? "client_id" : "resource")}.")));
        }

        return documents;
    }

    // Configuration knows sections and text: children with the keys 0, 1, 2 are an array.
    private static JsonNode Node(IConfigurationSection section)
    {
        var children = section.GetChildren().ToArray();
        if (children.Length == 0)
        {
            return JsonValue.Create(section.Value ?? "");
        }

        if (children.All(child => int.TryParse(child.Key, out _)))
        {
            return new JsonArray([.. children.Select(Node)]);
        }

        var result = new JsonObject();
        foreach (var child in children)
        {
            result[child.Key] = Node(child);
        }

        return result;
    }

    private static string Name(JsonObject document, string member) => document[member] is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : $"(no {member})";

    private static StartFailureException Bad(string source, string name, IReadOnlyList<string> problems) => new(string.Join(Environment.NewLine, problems.Select(problem => $"{source}: {name}: {problem}")));
}
