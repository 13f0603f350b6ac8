// OpenID Connect RP-Initiated Logout 1.0: the modules of its plan.
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Conformance;

/// <summary>The plan <c>oidcc-rp-initiated-logout-certification-test-plan</c>: a sign-in, then a GET of the end-session endpoint without client_id.</summary>
[Collection(ConformanceCollection.Name)]
public sealed class LogoutModuleTests(ConformanceWorld world)
{
    // As the suite makes it: visible characters, most of them reserved somewhere.
    private const string State = "~x!\"#$%&'()*,-./:<=>?@[\\]^_`{|}~0123456789ABCxyz%2F%2b&&==??";

    [Fact]
    public void OidccRpInitiatedLogoutDiscoveryEndpointVerification_WhenRead_NamesTheEndpoint() =>
        Assert.Equal(world.Issuer + "/connect/endsession", (string?)world.Metadata["end_session_endpoint"]);

    [Fact]
    public async Task OidccRpInitiatedLogout_WhenTheHintIsRight_GoesBackWithExactlyTheState()
    {
        using var client = new RelyingParty(world);
        var (tokens, _) = await client.SignInAsync();
        using var answer = await EndAsync(client, ("id_token_hint", tokens.IdToken), ("post_logout_redirect_uri", client.PostLogoutRedirectUri), ("state", State));
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.Equal(client.PostLogoutRedirectUri, answer.Headers.Location!.OriginalString.Split('?')[0]);
        Assert.Equal([KeyValuePair.Create("state", State)], RunningServer.Query(answer.Headers.Location));
        await ExpectSignedInAsync(client, signedIn: false);
    }

    [Fact]
    public async Task OidccRpInitiatedLogoutNoState_WhenTheHintIsRight_GoesBackWithNothing()
    {
        using var client = new RelyingParty(world);
        var (tokens, _) = await client.SignInAsync();
        using var answer = await EndAsync(client, ("id_token_hint", tokens.IdToken), ("post_logout_redirect_uri", client.PostLogoutRedirectUri));
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.Equal(client.PostLogoutRedirectUri, answer.Headers.Location!.OriginalString);
        await ExpectSignedInAsync(client, signedIn: false);
    }

    [Fact]
    public async Task OidccRpInitiatedLogoutBadPostLogoutRedirectUri_WhenItIsNotRegistered_ShowsAPage()
    {
        using var client = new RelyingParty(world);
        var (tokens, _) = await client.SignInAsync();
        await ExpectPageAsync(client, "not registered", ("id_token_hint", tokens.IdToken), ("post_logout_redirect_uri", client.PostLogoutRedirectUri!.Replace("/post_", "/bad_post_", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task OidccRpInitiatedLogoutQueryAddedToPostLogoutRedirectUri_WhenAQueryIsAdded_ShowsAPage()
    {
        using var client = new RelyingParty(world);
        var (tokens, _) = await client.SignInAsync();
        await ExpectPageAsync(client, "not registered", ("id_token_hint", tokens.IdToken), ("post_logout_redirect_uri", client.PostLogoutRedirectUri + "?foo=bar"));
    }

    [Fact]
    public async Task OidccRpInitiatedLogoutModifiedIdTokenHint_WhenItsSignatureIsGone_ShowsAPage()
    {
        using var client = new RelyingParty(world);
        var (tokens, _) = await client.SignInAsync();
        await ExpectPageAsync(client, "not an ID token of this server", ("id_token_hint", CertificationKey.WithoutSignature(tokens.Claims)), ("post_logout_redirect_uri", client.PostLogoutRedirectUri));
    }

    [Fact]
    public async Task OidccRpInitiatedLogoutBadIdTokenHint_WhenTheClientSignedIt_ShowsAPage()
    {
        using var client = new RelyingParty(world);
        await client.SignInAsync();
        var now = world.Clock.GetUtcNow().ToUnixTimeSeconds();
        var claims = new JsonObject { ["iss"] = client.ClientId, ["sub"] = "SubjectID", ["aud"] = world.Issuer, ["nonce"] = "flibble", ["iat"] = now, ["exp"] = now + 300 };
        var head = Base64UrlEncoder.Encode("{\"alg\":\"HS256\"}") + "." + Base64UrlEncoder.Encode(claims.ToJsonString());
        var secret = (string)CertificationClients.Find(client.ClientId)["client_secret"]!;
        var hint = head + "." + Base64UrlEncoder.Encode(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.ASCII.GetBytes(head)));
        await ExpectPageAsync(client, "not an ID token of this server", ("id_token_hint", hint), ("post_logout_redirect_uri", client.PostLogoutRedirectUri));
    }

    [Fact]
    public async Task OidccRpInitiatedLogoutNoIdTokenHint_WhenAnAddressComesWithoutOne_ShowsAPage()
    {
        using var client = new RelyingParty(world);
        await client.SignInAsync();
        await ExpectPageAsync(client, "needs an id_token_hint", ("post_logout_redirect_uri", client.PostLogoutRedirectUri));
    }

    [Fact]
    public async Task OidccRpInitiatedLogoutNoPostLogoutRedirectUri_WhenOnlyAHintAndStateCome_SignsOutAndSaysSo()
    {
        using var client = new RelyingParty(world);
        var (tokens, _) = await client.SignInAsync();
        await ExpectSignedOutPageAsync(client, asks: false, ("id_token_hint", tokens.IdToken), ("state", State));
    }

    [Fact]
    public async Task OidccRpInitiatedLogoutNoParams_WhenThePersonConfirms_SignsOutAndSaysSo()
    {
        using var client = new RelyingParty(world);
        await client.SignInAsync();
        await ExpectSignedOutPageAsync(client, asks: true);
    }

    [Fact]
    public async Task OidccRpInitiatedLogoutOnlyState_WhenThePersonConfirms_SignsOutAndSaysSo()
    {
        using var client = new RelyingParty(world);
        await client.SignInAsync();
        await ExpectSignedOutPageAsync(client, asks: true, ("state", State));
    }

    private Task<HttpResponseMessage> EndAsync(RelyingParty client, params (string Name, string? Value)[] parameters)
    {
        var query = string.Join('&', parameters.Select(pair => pair.Name + "=" + Uri.EscapeDataString(pair.Value!)));
        return client.Browser.GetAsync((string)world.Metadata["end_session_endpoint"]! + (query.Length == 0 ? "" : "?" + query));
    }

    // Nothing is sent anywhere, and a request that is wrong ends nothing.
    private async Task ExpectPageAsync(RelyingParty client, string says, params (string Name, string? Value)[] parameters)
    {
        using var answer = await EndAsync(client, [.. parameters, ("state", State)]);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Null(answer.Headers.Location);
        Assert.Contains(says, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await ExpectSignedInAsync(client, signedIn: true);
    }

    private async Task ExpectSignedOutPageAsync(RelyingParty client, bool asks, params (string Name, string? Value)[] parameters)
    {
        var answer = await EndAsync(client, parameters);
        if (asks)
        {
            Assert.StartsWith("/signout?", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
            await ExpectSignedInAsync(client, signedIn: true);
            answer = await client.Browser.SubmitAsync(answer.Headers.Location.OriginalString, [], button: "Sign out");
        }

        for (var hops = 0; answer.StatusCode == HttpStatusCode.SeeOther && hops < 5; hops++)
        {
            Assert.StartsWith("/", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
            answer = await client.Browser.GetAsync(answer.Headers.Location.OriginalString);
        }

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains("You are signed out", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await ExpectSignedInAsync(client, signedIn: false);
    }

    private static async Task ExpectSignedInAsync(RelyingParty client, bool signedIn)
    {
        var answer = await client.AuthorizeAsync(("prompt", "none"));
        Assert.Empty(answer.Pages);
        if (signedIn)
        {
            client.CheckSuccess(answer);
        }
        else
        {
            client.CheckError(answer, "login_required");
        }
    }
}
