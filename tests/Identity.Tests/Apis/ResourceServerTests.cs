// RFC 6750, RFC 7662, RFC 9068, RFC 9701: APIs that others' libraries protect, for every format and algorithm.
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Identity.OAuth.Sessions;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Apis;

/// <summary>npm jose and oauth4webapi as resource servers: they take what is for them and refuse everything else.</summary>
[Collection(ApiTestGroup.Name)]
public sealed class ResourceServerTests(ApiWorld world)
{
    // What oauth4webapi reads itself has to be an RFC 9068 token: an API with typ JWT is not for it.
    public static TheoryData<string, string> Apis() =>
        [.. from api in ApiWorld.All from library in (string[])["jose", "oauth4webapi"] where library == "jose" || api.IsReference || api.Typ == "at+jwt" select new TheoryDataRow<string, string>(library, api.Name)];

    // RFC 9562 §5.7: what was allowed by then is taken back by that time, so the id has to tell the true one.
    [Fact]
    public async Task AccessToken_WhenAServiceGetsIt_NamesInItsIdTheTimeOfItsGrant()
    {
        var grants = new HashSet<string>(StringComparer.Ordinal);
        for (var count = 1; count <= 3; count++)
        {
            var claims = Node.Payload(await world.ServiceTokenAsync(ApiWorld.All.First(api => !api.IsReference).Read));
            var grant = ((string)claims["jti"]!).Split('.')[0];
            var id = Guid.ParseExact(grant, "N");
            Assert.Equal(7, id.Version);
            Assert.InRange(id.Variant, 8, 11);
            var began = DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(grant[..12], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
            Assert.Equal((long)claims["iat"]!, began.ToUnixTimeSeconds(), tolerance: 5);
            Assert.True(grants.Add(grant[12..]), "Two grants have the same random part.");
        }
    }

    [Theory]
    [MemberData(nameof(Apis))]
    public async Task Api_WhenTheTokenIsForIt_LetsItIn(string library, string name)
    {
        var api = Find(name);
        foreach (var query in (string[])["", "?ask"])
        {
            var (status, _, body) = await CallAsync(library, api, await world.ServiceTokenAsync(api.Read), query);
            Assert.True(status == HttpStatusCode.OK, body);
            var claims = JsonNode.Parse(body)!;
            Assert.Equal((api.Identifier, "app", "app", api.Read), ((string?)claims["aud"], (string?)claims["client_id"], (string?)claims["sub"], (string?)claims["scope"]));
        }
    }

    [Theory]
    [MemberData(nameof(Apis))]
    public async Task Api_WhenTheScopeIsMissing_Answers403(string library, string name)
    {
        var api = Find(name);
        var (status, challenge, body) = await CallAsync(library, api, await world.ServiceTokenAsync(api.Write));
        Assert.True(status == HttpStatusCode.Forbidden, body);
        Assert.Contains($"scope=\"{api.Read}\"", challenge, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Apis))]
    public async Task Api_WhenAnythingOfTheTokenIsWrong_Answers401(string library, string name)
    {
        var api = Find(name);
        // Taken as it is, so every refusal below is for the one thing that was changed. An opaque API takes no JWT: there is nothing to change in one.
        if (!api.IsReference)
        {
            Assert.Equal(HttpStatusCode.OK, (await CallAsync(library, api, await world.MintAsync(api))).Status);
        }

        foreach (var (what, token) in await world.BadTokensAsync(api))
        {
            var (status, challenge, body) = await CallAsync(library, api, token);
            Assert.True(status == HttpStatusCode.Unauthorized, $"{what}: {(int)status} {body}");
            Assert.Contains("invalid_token", challenge, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Apis))]
    public async Task Api_WhenTheTokenWasRevoked_RefusesItIfItAsks(string library, string name)
    {
        var api = Find(name);
        var token = await world.ServiceTokenAsync(api.Read);
        Assert.Equal(HttpStatusCode.OK, (await CallAsync(library, api, token, "?ask")).Status);
        await world.RevokeAsync(token);
        Assert.Equal(HttpStatusCode.Unauthorized, (await CallAsync(library, api, token, "?ask")).Status);

        // A signature does not know: a JWT that nobody asks about is good until it expires. A reference token is always asked about.
        Assert.Equal(api.IsReference ? HttpStatusCode.Unauthorized : HttpStatusCode.OK, (await CallAsync(library, api, token)).Status);
    }

    [Fact]
    public async Task ReferenceToken_WhenItsSessionEndsOrItsRefreshTokenIsRevoked_IsDeadLikeAJwt()
    {
        foreach (var api in (Api[])[ApiWorld.Notes, Find("opaque")])
        {
            var tokens = await world.TokenAsync(ApiWorld.Redeem(await world.CodeAsync(api.Read + " offline_access", api.Identifier)));
            Assert.Equal(HttpStatusCode.OK, (await CallAsync("jose", api, (string)tokens["access_token"]!, "?ask")).Status);
            await world.RevokeAsync((string)tokens["refresh_token"]!);
            Assert.Equal(HttpStatusCode.Unauthorized, (await CallAsync("jose", api, (string)tokens["access_token"]!, "?ask")).Status);

            var signedOut = await world.TokenAsync(ApiWorld.Redeem(await world.CodeAsync("openid " + api.Read, api.Identifier)));
            Assert.Equal(HttpStatusCode.OK, (await CallAsync("jose", api, (string)signedOut["access_token"]!, "?ask")).Status);
            var sid = (string)RunningServer.Payload((string)signedOut["id_token"]!)["sid"]!;
            await world.Server.Services.GetRequiredService<SignInSessions>().EndAsync(sid, "logout", TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.Unauthorized, (await CallAsync("jose", api, (string)signedOut["access_token"]!, "?ask")).Status);
        }
    }

    private static Api Find(string name) => ApiWorld.All.Single(api => api.Name == name);

    private async Task<(HttpStatusCode Status, string Challenge, string Body)> CallAsync(string library, Api api, string? token, string query = "") =>
        await ApiWorld.CallAsync(new Uri(await world.ResourceServersAsync(), $"/{library}/{api.Name}{query}"), token);
}
