using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;

namespace Identity.Tests.Kit.Conformance;

public abstract class ClientStoreConformance(StoreFixture fixture) : StoreConformance<ClientStore>(fixture)
{
    [Fact]
    public async Task Find_WhenUnknown_IsNull() => Assert.Null(await Store.FindAsync(Unique(), Cancel));

    [Fact]
    public async Task Find_AfterUpsert_GivesEveryMemberBack()
    {
        var client = new Client
        {
            ClientId = Unique(),
            SecretHashes = ["ab", "cd"],
            ClientName = "Näme \"quoted\"",
            LogoUri = "https://c.example/logo",
            ClientUri = "https://c.example",
            PolicyUri = "https://c.example/policy",
            TosUri = "https://c.example/tos",
            RedirectUris = ["https://c.example/cb?a=b&c"],
            PostLogoutRedirectUris = ["https://c.example/out"],
            GrantTypes = ["authorization_code", "refresh_token"],
            ResponseTypes = ["code"],
            TokenEndpointAuthMethod = "private_key_jwt",
            TokenEndpointAuthSigningAlg = "ES256",
            Jwks = """{"keys":[]}""",
            JwksUri = "https://c.example/jwks",
            Scopes = ["openid", "a:b"],
            IdTokenSignedResponseAlg = "ES256",
            DefaultMaxAge = 30,
            RequireAuthTime = true,
            DefaultAcrValues = ["1"],
            RequireConsent = true,
            RequirePkce = false,
            RotateRefreshTokens = false,
            Introspects = ["*"],
            AllowedOrigins = ["https://o.example"],
            Disabled = true,
            Additional = new JsonObject { ["software_id"] = "x" },
        };
        await Store.UpsertAsync(client, Cancel);
        Assert.Equal(JsonSerializer.Serialize(client), JsonSerializer.Serialize(await Store.FindAsync(client.ClientId, Cancel)));
        Assert.Contains(await Store.ListAsync(Cancel), c => c.ClientId == client.ClientId);
    }

    [Fact]
    public async Task Find_WhenOnlyTheCaseDiffers_IsNull()
    {
        var id = Unique("Abc");
        await Store.UpsertAsync(new() { ClientId = id }, Cancel);
        Assert.Null(await Store.FindAsync(id.ToUpperInvariant(), Cancel));
        Assert.NotNull(await Store.FindAsync(id, Cancel));
    }

    [Fact]
    public async Task Upsert_WhenThere_ReplacesAndIsSeenAtOnce()
    {
        var id = Unique();
        await Store.UpsertAsync(new() { ClientId = id }, Cancel);
        Assert.False((await Store.FindAsync(id, Cancel))!.Disabled);
        await Store.UpsertAsync(new() { ClientId = id, Disabled = true }, Cancel);
        Assert.True((await Store.FindAsync(id, Cancel))!.Disabled);
        Assert.Single(await Store.ListAsync(Cancel), c => c.ClientId == id);
    }

    [Fact]
    public async Task Upsert_WhenDoneAtAnotherNode_IsSeenWithinASecond()
    {
        var id = Unique();
        var other = await OtherNodeAsync();
        await Store.UpsertAsync(new() { ClientId = id }, Cancel);
        Assert.False((await other.FindAsync(id, Cancel))!.Disabled);
        await Store.UpsertAsync(new() { ClientId = id, Disabled = true }, Cancel);
        Time.Advance(TimeSpan.FromSeconds(1));
        Assert.True((await other.FindAsync(id, Cancel))!.Disabled);
    }

    [Fact]
    public async Task Upsert_WhenRaced_LeavesOneWhole()
    {
        var id = Unique();
        await RaceAsync(async i =>
        {
            await Store.UpsertAsync(new() { ClientId = id, ClientName = $"{i}", ClientUri = $"{i}" }, Cancel);
            return true;
        });
        var client = (await Store.FindAsync(id, Cancel))!;
        Assert.Equal(client.ClientName, client.ClientUri);
        Assert.Single(await Store.ListAsync(Cancel), c => c.ClientId == id);
    }
}
