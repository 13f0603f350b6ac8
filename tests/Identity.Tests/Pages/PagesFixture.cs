using Identity.Accounts;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Pages;

[CollectionDefinition(Name)]
public sealed class PagesCollection : ICollectionFixture<PagesFixture>
{
    public const string Name = "pages";
}

/// <summary>One server for the tests of the pages.</summary>
public sealed class PagesFixture : IAsyncLifetime
{
    public const string Password = "violet tram harbour";
    private HostedServer? _server;

    public HostedServer Server => _server!;

    public async ValueTask InitializeAsync() => _server = await HostedServer.StartAsync(
        """[{"client_id":"atlas","client_name":"Atlas","client_uri":"https://atlas.example.com/","redirect_uris":["https://atlas.example.com/callback"],"token_endpoint_auth_method":"none","scope":"openid profile email","require_consent":true}]""",
        settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["Accounts:LockoutThreshold"] = "3", ["Accounts:OneTimeCodesPerAccount"] = "1000" });

    public PageClient Browser() => new(Server.Url);

    public static string NewEmail() => $"p{Guid.NewGuid():N}@example.com";

    public Task<Account> RegisterAsync(string email) => Server.RegisterAsync(email, Password, "Ada", "Lovelace");

    public const string AuthorizeUrl = "/connect/authorize?client_id=atlas&response_type=code&redirect_uri=https%3A%2F%2Fatlas.example.com%2Fcallback&scope=openid&state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? ValueTask.CompletedTask;
}
