using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Conformance;

[CollectionDefinition(Name)]
public sealed class ConformanceCollection : ICollectionFixture<ConformanceWorld>
{
    public const string Name = "conformance";
}

/// <summary>One server with the suite's clients and a person who has every standard claim, on a clock that stands still until a module waits.</summary>
public sealed class ConformanceWorld : IAsyncLifetime
{
    public const string Email = "person@example.com";
    public const string Password = "a person of many claims";

    private HostedServer? _server;

    public FakeTimeProvider Clock { get; } = new(DateTimeOffset.FromUnixTimeSeconds(TimeProvider.System.GetUtcNow().ToUnixTimeSeconds()));

    public Uri Address => _server!.Url;

    public string Issuer => _server!.Url.GetLeftPart(UriPartial.Authority);

    public HttpClient Http { get; private set; } = null!;

    /// <summary>The address of the suite's client that logout tokens go to.</summary>
    public LogoutReceiver LogoutTokens { get; private set; } = null!;

    /// <summary>What discovery says; every address that a module uses comes from here.</summary>
    public JsonObject Metadata { get; private set; } = null!;

    public string Subject { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        LogoutTokens = await LogoutReceiver.StartAsync();
        _server = await HostedServer.StartAsync(CertificationClients.Json.Replace("https://www.certification.openid.net/test/a/ALIAS/backchannel_logout", LogoutTokens.Address, StringComparison.Ordinal), time: Clock);
        Http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false });
        Subject = await AddPersonAsync(_server);
        Metadata = JsonNode.Parse(await Http.GetStringAsync(new Uri(Address, "/.well-known/openid-configuration")))!.AsObject();
    }

    /// <summary>Every claim of profile, email, address and phone (OpenID Connect Core §5.4).</summary>
    private static async Task<string> AddPersonAsync(HostedServer server)
    {
        var account = await server.RegisterAsync(Email, Password);
        var changed = await server.Services.GetRequiredService<AccountChangeService>().ChangeAsync(
            account.Id,
            new AccountChange
            {
                UserName = "person",
                PhoneNumber = "+4930123456",
                FirstName = "Grete",
                LastName = "Hermann",
                Profile = new JsonObject
                {
                    ["middle_name"] = "Emilie",
                    ["nickname"] = "Gretchen",
                    ["profile"] = "https://person.example.com/",
                    ["picture"] = "https://person.example.com/me.png",
                    ["website"] = "https://person.example.com/blog",
                    ["gender"] = "female",
                    ["birthdate"] = "1901-03-02",
                    ["zoneinfo"] = "Europe/Berlin",
                    ["locale"] = "de-DE",
                    ["address"] = new JsonObject { ["formatted"] = "Am Wall 1\n28195 Bremen", ["street_address"] = "Am Wall 1", ["postal_code"] = "28195", ["locality"] = "Bremen", ["country"] = "DE" },
                },
            },
            expectedVersion: null,
            new Caller(null, null),
            CancellationToken.None);
        Assert.IsType<AccountChangeResult.Changed>(changed);
        return account.Id.ToString("D");
    }

    public async ValueTask DisposeAsync()
    {
        Http?.Dispose();
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        if (LogoutTokens is not null)
        {
            await LogoutTokens.DisposeAsync();
        }
    }
}
