// RFC 6749 §6 and RFC 9700 §4.14: the lines of the security catalogue under "Refresh", at the engine.
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;
using Identity.OAuth.Consents;
using Identity.OAuth.Sessions;
using Identity.OAuth.Storage;
using Identity.OAuth.Tokens;
using Identity.Tests.Kit.InMemory;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.OAuth.Tests.Token;

public sealed class RefreshTokenGrantTests : IAsyncDisposable
{
    private readonly OAuthHost _host = new();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Refresh_WhenDone_RotatesAndKeepsWhoAndWhen()
    {
        var client = await _host.AddPublicClientAsync();
        var first = await BeginAsync(_host, client);
        _host.Time.Advance(TimeSpan.FromMinutes(30));
        var second = await _host.SucceedAsync(_host.RefreshAsync(client, Refresh(first)));

        Assert.NotEqual(Refresh(first), Refresh(second));
        var (before, after) = (OAuthHost.Payload((string)first["id_token"]!), OAuthHost.Payload((string)second["id_token"]!));
        foreach (var name in new[] { "iss", "sub", "aud", "auth_time", "sid", "acr" })
        {
            Assert.Equal(before[name]!.ToJsonString(), after[name]!.ToJsonString());
        }

        Assert.True((long)after["iat"]! > (long)before["iat"]!);
        Assert.Null(after["nonce"]);
        Assert.NotNull(await _host.ValidateAsync((string)second["access_token"]!));
    }

    [Fact]
    public async Task Refresh_WhenAnOldTokenComesAfterTheGrace_KillsFamilyAccessTokensAndSession()
    {
        var client = await _host.AddConfidentialClientAsync();
        var first = await BeginAsync(_host, client);
        var second = await _host.SucceedAsync(_host.RefreshAsync(client, Refresh(first)));
        _host.Time.Advance(TimeSpan.FromSeconds(10));

        await OAuthHost.FailAsync(_host.RefreshAsync(client, Refresh(first)), "invalid_grant");

        await OAuthHost.FailAsync(_host.RefreshAsync(client, Refresh(second)), "invalid_grant");
        Assert.False(await _host.IsActiveAsync(client, (string)second["access_token"]!));
        Assert.Equal("refresh_reuse", Assert.Single(_host.Sessions.Ended).Value);
    }

    [Fact]
    public async Task Refresh_WhenAnOldTokenComesWithABadScope_IsReuseAllTheSame()
    {
        var client = await _host.AddPublicClientAsync();
        var first = await BeginAsync(_host, client);
        var second = await _host.SucceedAsync(_host.RefreshAsync(client, Refresh(first)));
        _host.Time.Advance(TimeSpan.FromSeconds(11));
        await OAuthHost.FailAsync(_host.RefreshAsync(client, Refresh(first), ("scope", "admin")), "invalid_grant");
        await OAuthHost.FailAsync(_host.RefreshAsync(client, Refresh(second)), "invalid_grant");
    }

    [Fact]
    public async Task Refresh_WhenRepeatedInsideTheGrace_GivesTheSameSuccessorAndDoesNotRenewTheWindow()
    {
        var client = await _host.AddPublicClientAsync();
        var first = await BeginAsync(_host, client);
        var second = await _host.SucceedAsync(_host.RefreshAsync(client, Refresh(first)));
        _host.Time.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(Refresh(second), Refresh(await _host.SucceedAsync(_host.RefreshAsync(client, Refresh(first)))));
        _host.Time.Advance(TimeSpan.FromSeconds(1));
        await OAuthHost.FailAsync(_host.RefreshAsync(client, Refresh(first)), "invalid_grant");
    }

    [Fact]
    public async Task Refresh_WhenTheOneBeforeTheLastComesInsideTheGrace_IsReuse()
    {
        var client = await _host.AddPublicClientAsync();
        var first = await BeginAsync(_host, client);
        var second = await _host.SucceedAsync(_host.RefreshAsync(client, Refresh(first)));
        var third = await _host.SucceedAsync(_host.RefreshAsync(client, Refresh(second)));
        await OAuthHost.FailAsync(_host.RefreshAsync(client, Refresh(first)), "invalid_grant");
        await OAuthHost.FailAsync(_host.RefreshAsync(client, Refresh(third)), "invalid_grant");
    }

    [Fact]
    public async Task Refresh_WhenRacedFiftyWideInsideTheGrace_GivesOneSuccessorToAll()
    {
        var client = await _host.AddPublicClientAsync();
        var first = await BeginAsync(_host, client);
        var outcomes = await OAuthHost.RaceAsync(() => _host.RefreshAsync(client, Refresh(first)));
        var successor = Assert.Single(outcomes.Select(outcome => Refresh(outcome.Value.Body)).Distinct());
        Assert.Empty(_host.Sessions.Ended);
        await _host.SucceedAsync(_host.RefreshAsync(client, successor));
    }

    [Fact]
    public async Task Refresh_WhenRacedFiftyWideWithoutGrace_GivesExactlyOneSuccess()
    {
        await using var host = new OAuthHost(options => options.RefreshGrace = TimeSpan.Zero);
        var client = await host.AddPublicClientAsync();
        var first = await BeginAsync(host, client);
        var outcomes = await OAuthHost.RaceAsync(() => host.RefreshAsync(client, Refresh(first)));
        Assert.Single(outcomes, outcome => outcome.Error is null);
    }

    // A request that read the clock before another rotated, or at a node whose clock is behind, is not inside a window of no length.
    [Fact]
    public async Task Refresh_WithoutGraceByAClockBehindTheRotation_IsReuse()
    {
        await using var host = new OAuthHost(
            options => options.RefreshGrace = TimeSpan.Zero,
            more: services => services.AddSingleton<IRefreshFamilyStore>(provider => new FastClock(provider.GetRequiredService<InMemoryRefreshFamilies>())));
        var client = await host.AddPublicClientAsync();
        var first = await BeginAsync(host, client);
        await host.SucceedAsync(host.RefreshAsync(client, Refresh(first)));
        await OAuthHost.FailAsync(host.RefreshAsync(client, Refresh(first)), "invalid_grant");
    }

    [Fact]
    public async Task Refresh_WhenTheClientIsRegisteredWithoutRotation_KeepsTheToken()
    {
        var client = await _host.AddConfidentialClientAsync(more: ""","rotate_refresh_tokens":false""");
        var first = await BeginAsync(_host, client);
        for (var i = 0; i < 3; i++)
        {
            _host.Time.Advance(TimeSpan.FromHours(1));
            Assert.Equal(Refresh(first), Refresh(await _host.SucceedAsync(_host.RefreshAsync(client, Refresh(first)))));
        }
    }

    [Fact]
    public async Task Refresh_ByAPublicClientRegisteredWithoutRotation_RotatesNevertheless()
    {
        var client = await _host.AddClientAsync($$"""
            {"client_id":"native","token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"rotate_refresh_tokens":false,
             "redirect_uris":["{{OAuthHost.Redirect}}"],"scope":"openid offline_access"}
            """);
        var first = await BeginAsync(_host, client);
        Assert.NotEqual(Refresh(first), Refresh(await _host.SucceedAsync(_host.RefreshAsync(client, Refresh(first)))));
    }

    [Fact]
    public async Task Refresh_ByAnotherClient_IsRefusedAndKillsNothing()
    {
        var client = await _host.AddPublicClientAsync();
        var other = await _host.AddPublicClientAsync("other");
        var first = await BeginAsync(_host, client);
        await OAuthHost.FailAsync(_host.RefreshAsync(other, Refresh(first)), "invalid_grant");
        await _host.SucceedAsync(_host.RefreshAsync(client, Refresh(first)));
    }

    [Fact]
    public async Task Refresh_WhenLessIsAsked_NarrowsThisTokenOnly()
    {
        var client = await _host.AddPublicClientAsync();
        var first = await BeginAsync(_host, client, "openid offline_access notes.read notes.write");
        var narrow = await _host.SucceedAsync(_host.RefreshAsync(client, Refresh(first), ("scope", "notes.read")));
        Assert.Equal("notes.read", (string)narrow["scope"]!);
        var wide = await _host.SucceedAsync(_host.RefreshAsync(client, Refresh(narrow)));
        Assert.Equal("openid offline_access notes.read notes.write", (string)wide["scope"]!);
    }

    [Fact]
    public async Task Refresh_WhenMoreIsAsked_IsInvalidScopeAndRotatesNothing()
    {
        var client = await _host.AddPublicClientAsync();
        var first = await BeginAsync(_host, client, "openid offline_access notes.read");
        await OAuthHost.FailAsync(_host.RefreshAsync(client, Refresh(first), ("scope", "notes.read notes.write")), "invalid_scope");
        _host.Time.Advance(TimeSpan.FromMinutes(1));
        await _host.SucceedAsync(_host.RefreshAsync(client, Refresh(first)));
    }

    [Fact]
    public async Task Refresh_WhenTheClientLostAScope_LosesItToo()
    {
        var client = await _host.AddPublicClientAsync();
        var first = await BeginAsync(_host, client, "openid offline_access notes.read notes.write");
        client = await _host.AddPublicClientAsync(scope: "openid offline_access notes.read");
        var second = await _host.SucceedAsync(_host.RefreshAsync(client, Refresh(first)));
        Assert.Equal("openid offline_access notes.read", (string)second["scope"]!);
    }

    [Fact]
    public async Task Refresh_BeyondTheAbsoluteLife_IsRefusedDespiteSliding()
    {
        var client = await _host.AddPublicClientAsync();
        var token = Refresh(await BeginAsync(_host, client));
        for (var day = 0; day < 6; day++)
        {
            _host.Time.Advance(TimeSpan.FromDays(1));
            token = Refresh(await _host.SucceedAsync(_host.RefreshAsync(client, token)));
        }

        _host.Time.Advance(TimeSpan.FromDays(1));
        await OAuthHost.FailAsync(_host.RefreshAsync(client, token), "invalid_grant");
    }

    public static TheoryData<string> Deaths => ["account disabled", "client disabled", "grant type taken", "consent revoked", "session ended", "family revoked"];

    [Theory]
    [MemberData(nameof(Deaths))]
    public async Task Refresh_After_IsDead(string death)
    {
        var client = await _host.AddPublicClientAsync();
        var first = await BeginAsync(_host, client);
        var expected = "invalid_grant";
        switch (death)
        {
            case "account disabled":
                _host.Subjects.Disable(OAuthHost.Ada);
                break;
            case "client disabled":
                await _host.Get<IClientStore>().UpsertAsync(client with { Disabled = true }, OAuthHost.Cancel);
                expected = "invalid_client";
                break;
            case "grant type taken":
                await _host.Get<IClientStore>().UpsertAsync(client with { GrantTypes = ["authorization_code"] }, OAuthHost.Cancel);
                expected = "unauthorized_client";
                break;
            case "consent revoked":
                await _host.Get<ConsentService>().RevokeAsync(OAuthHost.Ada, client.ClientId, OAuthHost.Cancel);
                break;
            case "session ended":
                await _host.Get<ISessions>().EndAsync((string)OAuthHost.Payload((string)first["access_token"]!)["sid"]!, "logout", OAuthHost.Cancel);
                break;
            default:
                Assert.Null(await _host.RevokeAsync(client, Refresh(first)));
                break;
        }

        await OAuthHost.FailAsync(_host.RefreshAsync(client, Refresh(first)), expected);
    }

    [Fact]
    public async Task Refresh_WhenAnyCharacterOfTheTokenIsChanged_IsRefusedAndKillsNothing()
    {
        var client = await _host.AddPublicClientAsync();
        var token = Refresh(await BeginAsync(_host, client));
        for (var i = 0; i < token.Length; i++)
        {
            // The last character carries bits that no byte has: those the decoder refuses or the tag does.
            var changed = token[..i] + (token[i] == 'A' ? 'B' : 'A') + token[(i + 1)..];
            await OAuthHost.FailAsync(_host.RefreshAsync(client, changed), "invalid_grant");
        }

        await _host.SucceedAsync(_host.RefreshAsync(client, token));
    }

    [Fact]
    public async Task Handle_MadeUnderAnotherKey_IsUnknown()
    {
        await using var other = new OAuthHost(options => options.RefreshTokenKey = new byte[32]);
        var id = Guid.CreateVersion7(_host.Now);
        Assert.True(_host.Get<RefreshTokenHandle>().TryRead(_host.Get<RefreshTokenHandle>().Write(id, 7), out var read, out var generation));
        Assert.Equal((id, 7), (read, generation));
        Assert.False(_host.Get<RefreshTokenHandle>().TryRead(other.Get<RefreshTokenHandle>().Write(id, 7), out _, out _));
    }

    [Fact]
    public async Task Redeem_WhenAFamilyBegins_KeepsTheSessionsRecordAsLong()
    {
        var client = await _host.AddPublicClientAsync();
        await BeginAsync(_host, client);
        Assert.Equal(_host.Now.AddDays(7), Assert.Single(_host.Sessions.Attached).Value);
        Assert.Equal(1, _host.Get<InMemoryRefreshFamilies>().Count);
    }

    private static async Task<JsonObject> BeginAsync(OAuthHost host, Client client, string scope = "openid offline_access") =>
        await host.SucceedAsync(host.RedeemAsync(client, await host.IssueCodeAsync(client, scope)));

    private static string Refresh(JsonObject body) => (string)body["refresh_token"]!;

    /// <summary>The store as a node leaves it whose clock is a second ahead.</summary>
    private sealed class FastClock(IRefreshFamilyStore inner) : IRefreshFamilyStore
    {
        public Task CreateAsync(RefreshFamily family, CancellationToken cancellationToken) => inner.CreateAsync(family, cancellationToken);

        public Task<RefreshFamily?> FindAsync(Guid id, CancellationToken cancellationToken) => inner.FindAsync(id, cancellationToken);

        public Task<bool> TryRotateAsync(Guid id, int generation, DateTimeOffset now, CancellationToken cancellationToken) => inner.TryRotateAsync(id, generation, now.AddSeconds(1), cancellationToken);

        public Task RevokeAsync(Guid id, DateTimeOffset now, CancellationToken cancellationToken) => inner.RevokeAsync(id, now, cancellationToken);
    }
}
