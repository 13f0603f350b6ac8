// RFC 8707, RFC 9068 §3 and RFC 9728: resources × formats × grants. A token is good where it is for, and nowhere else.
using System.Net;

namespace Identity.Tests.Apis;

/// <summary>Every token against every API, at npm jose and at oauth4webapi, and at the server's own two.</summary>
[Collection(ApiTestGroup.Name)]
public sealed class ResourceMatrixTests(ApiWorld world)
{
    private static readonly string Everything = string.Join(' ', ApiWorld.All.Select(api => api.Read));

    public static TheoryData<string, string> Cases() =>
        [.. from grant in (string[])["code", "refresh", "client_credentials"] from api in ApiWorld.All select new TheoryDataRow<string, string>(grant, api.Name)];

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Token_WhenAskedForOneResource_IsGoodThereAndNowhereElse(string grant, string name)
    {
        var api = ApiWorld.All.Single(candidate => candidate.Name == name);
        var resource = ("resource", api.Identifier);
        var token = (string)(grant switch
        {
            "client_credentials" => await world.TokenAsync([("grant_type", "client_credentials"), ("scope", Everything), resource]),
            "code" => await world.TokenAsync(ApiWorld.Redeem(await world.CodeAsync(Everything, [.. ApiWorld.All.Select(each => each.Identifier)]), resource)),
            _ => await RefreshAsync(ApiWorld.All.First(other => other != api), resource),
        })["access_token"]!;

        Assert.Equal(api.IsReference, !token.Contains('.', StringComparison.Ordinal));
        var servers = await world.ResourceServersAsync();
        foreach (var other in ApiWorld.All)
        {
            foreach (var library in (string[])["jose", "oauth4webapi"])
            {
                // oauth4webapi reads no JWT that is not RFC 9068's: an API with typ JWT that uses it has to ask.
                if (library == "oauth4webapi" && !other.IsReference && other.Typ == "JWT")
                {
                    continue;
                }

                var (status, _, body) = await ApiWorld.CallAsync(new Uri(servers, $"/{library}/{other.Name}"), token);
                Assert.True(status == (other == api ? HttpStatusCode.OK : HttpStatusCode.Unauthorized), $"{library}/{other.Name}: {(int)status} {body}");
            }
        }

        Assert.Equal(HttpStatusCode.Unauthorized, (await ApiWorld.CallAsync(new Uri(world.Server.Url, "/connect/userinfo"), token)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await ApiWorld.CallAsync(new Uri(world.Server.Url, "/api/identity/users/" + Guid.NewGuid()), token)).Status);
    }

    [Fact]
    public async Task Token_WhenForOurOwnApis_IsGoodThereAndNowhereElse()
    {
        var userInfo = (string)(await world.TokenAsync(ApiWorld.Redeem(await world.CodeAsync("openid"))))["access_token"]!;
        var users = await world.ServiceTokenAsync("identity.users.read");
        Assert.Equal(HttpStatusCode.OK, (await ApiWorld.CallAsync(new Uri(world.Server.Url, "/connect/userinfo"), userInfo)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await ApiWorld.CallAsync(new Uri(world.Server.Url, "/api/identity/users/" + Guid.NewGuid()), users)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await ApiWorld.CallAsync(new Uri(world.Server.Url, "/connect/userinfo"), users)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await ApiWorld.CallAsync(new Uri(world.Server.Url, "/api/identity/users/" + Guid.NewGuid()), userInfo)).Status);
        var servers = await world.ResourceServersAsync();
        foreach (var api in ApiWorld.All)
        {
            foreach (var token in (string[])[userInfo, users])
            {
                Assert.Equal(HttpStatusCode.Unauthorized, (await ApiWorld.CallAsync(new Uri(servers, $"/jose/{api.Name}"), token)).Status);
            }
        }
    }

    [Fact]
    public async Task ReferenceToken_WhenItAlsoHasOpenid_IsGoodAtUserInfoToo()
    {
        var opaque = ApiWorld.All.Single(api => api.Name == "opaque");
        var token = (string)(await world.TokenAsync(ApiWorld.Redeem(await world.CodeAsync("openid " + opaque.Read))))["access_token"]!;
        Assert.DoesNotContain('.', token);
        Assert.Equal(HttpStatusCode.OK, (await ApiWorld.CallAsync(new Uri(world.Server.Url, "/connect/userinfo"), token)).Status);
        Assert.Equal(HttpStatusCode.OK, (await ApiWorld.CallAsync(new Uri(await world.ResourceServersAsync(), "/jose/opaque"), token)).Status);
    }

    [Fact]
    public async Task Code_WhenItsResourcesTakeTokensOfDifferentKinds_IsRedeemedForOneAtATime()
    {
        var opaque = ApiWorld.All.Single(api => api.Name == "opaque");
        var code = await world.CodeAsync($"{ApiWorld.Notes.Read} {opaque.Read} offline_access", ApiWorld.Notes.Identifier, opaque.Identifier);
        var (status, refused) = await world.PostAsync("/connect/token", "app", ApiWorld.Redeem(code));
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_target"), (status, (string?)refused["error"]));

        // The refusal cost nothing; and the refresh token is the grant's, not the first audience's.
        var tokens = await world.TokenAsync(ApiWorld.Redeem(code, ("resource", ApiWorld.Notes.Identifier)));
        Assert.Equal(ApiWorld.Notes.Identifier, (string?)RunningServer.Payload((string)tokens["access_token"]!)["aud"]);
        tokens = await world.TokenAsync(("grant_type", "refresh_token"), ("refresh_token", (string)tokens["refresh_token"]!), ("resource", opaque.Identifier));
        Assert.DoesNotContain('.', (string)tokens["access_token"]!);
        tokens = await world.TokenAsync(("grant_type", "refresh_token"), ("refresh_token", (string)tokens["refresh_token"]!), ("resource", ApiWorld.Notes.Identifier));
        Assert.Equal(ApiWorld.Notes.Identifier, (string?)RunningServer.Payload((string)tokens["access_token"]!)["aud"]);

        // Never wider than at authorize, though the client may have the scope.
        (status, refused) = await world.PostAsync("/connect/token", "app", ("grant_type", "refresh_token"), ("refresh_token", (string)tokens["refresh_token"]!), ("resource", "https://api.example.com/second"));
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_target"), (status, (string?)refused["error"]));
    }

    [Fact]
    public async Task Token_WhenTwoResourcesOfOneKindAreNamed_IsForBoth()
    {
        var second = ApiWorld.All.Single(api => api.Name == "second");
        var token = await world.ServiceTokenAsync(Everything, ("resource", ApiWorld.Notes.Identifier), ("resource", second.Identifier));
        Assert.Equal([ApiWorld.Notes.Identifier, second.Identifier], RunningServer.Payload(token)["aud"]!.AsArray().Select(value => (string)value!).Order(StringComparer.Ordinal));
        Assert.Equal($"{ApiWorld.Notes.Read} {second.Read}", (string?)RunningServer.Payload(token)["scope"]);
    }

    [Theory]
    [InlineData("https://unknown.example")]
    [InlineData("notes")]
    [InlineData("https://api.example.com/notes#fragment")]
    [InlineData("https://api.example.com/rs256")]
    public async Task Authorize_WhenAResourceCannotBe_SendsInvalidTargetBack(string resource)
    {
        using var browser = new Browser(world.Server.Url);
        using var answer = await browser.GetAsync(
            $"/connect/authorize?response_type=code&client_id=app&redirect_uri={Uri.EscapeDataString(ApiWorld.Redirect)}&scope=notes.read&state=s&code_challenge={RunningServer.Challenge}&code_challenge_method=S256"
            + $"&resource={Uri.EscapeDataString(ApiWorld.Notes.Identifier)}&resource={Uri.EscapeDataString(resource)}");
        Assert.Equal("invalid_target", RunningServer.Query(answer.Headers.Location)["error"]);
    }

    private async Task<System.Text.Json.Nodes.JsonNode> RefreshAsync(Api first, (string Name, string Value) resource)
    {
        var tokens = await world.TokenAsync(ApiWorld.Redeem(await world.CodeAsync(Everything + " offline_access"), ("resource", first.Identifier)));
        return await world.TokenAsync(("grant_type", "refresh_token"), ("refresh_token", (string)tokens["refresh_token"]!), resource);
    }
}
