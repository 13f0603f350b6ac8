// FAPI 2.0 Security Profile §5.3.2.2, OpenID Connect Core §3.1.2: the modules that are about the request, the person and the answer.
using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Identity.OAuth;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Conformance;

/// <summary>
/// One test per module of <c>fapi2-security-profile-final-test-plan</c>, named after it without the words that all begin with. The plan of Message Signing
/// runs them too, with signed requests and signed answers. What every module checks is in <see cref="Fapi2Client"/>; here is what each adds.
/// </summary>
/// <param name="world">The server.</param>
/// <param name="signs">Of the plan Message Signing.</param>
public abstract partial class Fapi2Modules(ConformanceWorld world, bool signs)
{
    protected ConformanceWorld World => world;

    [Fact]
    public async Task DiscoveryEndPointVerification_WhenTheDocumentIsRead_OffersWhatTheProfileAsksFor()
    {
        var metadata = world.Metadata;
        Assert.True((bool)metadata["authorization_response_iss_parameter_supported"]!);
        Assert.Equal(world.Issuer + "/connect/par", (string?)metadata["pushed_authorization_request_endpoint"]);
        Assert.False((bool)metadata["require_pushed_authorization_requests"]!);
        Assert.Equal(["code"], Values("response_types_supported"));
        Assert.Equal(["S256"], Values("code_challenge_methods_supported"));
        Assert.Contains("private_key_jwt", Values("token_endpoint_auth_methods_supported"));
        Assert.Contains("authorization_code", Values("grant_types_supported"));
        Assert.Contains("openid", Values("scopes_supported"));
        Assert.Contains("public", Values("subject_types_supported"));
        Assert.False(metadata.ContainsKey("userinfo_signing_alg_values_supported"));
        foreach (var member in (string[])["dpop", "id_token", "token_endpoint_auth", "request_object", "authorization"])
        {
            Assert.Superset(new HashSet<string>(["PS256", "ES256"], StringComparer.Ordinal), Values(member + "_signing_alg_values_supported").ToHashSet(StringComparer.Ordinal));
        }

        Assert.Contains("jwt", Values("response_modes_supported"));

        // §5.4.1: RSA of 2048 bits or more. Each module looks at the keys.
        var keys = new JsonWebKeySet(await world.Http.GetStringAsync(new Uri((string)metadata["jwks_uri"]!))).Keys;
        Assert.Subset(keys.Select(key => key.Alg).ToHashSet(StringComparer.Ordinal), new HashSet<string>(["PS256", "ES256"], StringComparer.Ordinal));
        Assert.All(keys, key => Assert.True(key.Kty == "EC" ? key.Crv == "P-256" : Base64UrlEncoder.DecodeBytes(key.N).Length >= 256, key.Kid));
    }

    [Fact]
    public async Task HappyFlow_WhenTwoClientsWithTwoKeysSignIn_EachGetsTokensForItsOwnKey()
    {
        using var one = Client();
        var first = await one.SignInAsync();
        Assert.Equal(HttpStatusCode.BadRequest, (await one.ResourceAsync(first.AccessToken, change: request => request.RequestUri = new Uri(request.RequestUri + "?access_token=" + first.AccessToken))).Status);
        foreach (var accept in (string[])["application/json;charset=UTF-8", "application/json, application/*+json, */*"])
        {
            var answer = await one.ResourceAsync(first.AccessToken, change: request =>
            {
                request.Headers.TryAddWithoutValidation("Accept", accept);
                request.Headers.TryAddWithoutValidation("x-fapi-auth-date", "Tue, 11 Sep 2012 19:43:31 GMT");
                request.Headers.TryAddWithoutValidation("x-fapi-customer-ip-address", "2001:db8::1893:25c8:1946");
                request.Headers.TryAddWithoutValidation("x-fapi-interaction-id", "c770aef3-6784-41f7-8e0e-ff5f97bddb3a");
            });
            Assert.Equal(HttpStatusCode.OK, answer.Status);
        }

        using var two = one.Other();
        var request = two.Request(("dpop_jkt", two.HoldsKey.Thumbprint));
        var second = await two.FinishAsync(await two.GoAsync(await two.PushSoundAsync(request), reverse: true), request);
        Assert.InRange((int)(await one.ResourceAsync(second.AccessToken)).Status, 400, 499);
    }

    [Fact]
    public async Task UserRejectsAuthentication_WhenThePersonSaysNo_TellsTheClient()
    {
        using var one = Client();
        using var two = one.Other();
        foreach (var client in (Fapi2Client[])[one, two])
        {
            var request = client.Request();
            client.IsError(await client.GoAsync(await client.PushSoundAsync(request), decline: true), request, "access_denied");
        }
    }

    [Fact]
    public async Task EnsureAuthorizationRequestWithoutStateSuccess_WhenNoneIsSent_ComesBackWithoutOne()
    {
        using var client = Client();
        var tokens = await client.SignInAsync(("state", null));
        Assert.False(tokens.IdToken.ContainsKey("s_hash"));
    }

    [Fact]
    public async Task EnsureAuthorizationRequestWithoutNonceSuccess_WhenNoneIsSent_GivesATokenWithoutOne()
    {
        using var client = Client();
        Assert.False((await client.SignInAsync(("nonce", null))).IdToken.ContainsKey("nonce"));
    }

    [Fact]
    public async Task EnsureAuthorizationRequestWith64CharNonceSuccess_WhenSent_ComesBackWhole() => await ExpectSuccessAsync(("nonce", Letters(64)));

    [Fact]
    public async Task EnsureAuthorizationRequestWithLongNonce_WhenSent_ComesBackWhole() => await ExpectSuccessAsync(("nonce", Letters(384)));

    [Fact]
    public async Task EnsureAuthorizationRequestWithLongState_WhenSent_ComesBackWhole() => await ExpectSuccessAsync(("state", Letters(1000)));

    [Fact]
    public async Task EnsureOtherScopeOrderSucceeds_WhenTheWordsComeTheOtherWayRound_IsTheSame() =>
        await ExpectSuccessAsync(("scope", string.Join(' ', Fapi2Client.Scope.Split(' ').Reverse())));

    // The suite asks in five ways, and for something that nobody knows at a place that nobody knows.
    [Fact]
    public async Task TestClaimsParameterIdentityClaims_WhenAllAreAskedByName_GivesAllAndNoOthers()
    {
        var standard = Values("claims_supported").Where(name => name == "sub" || (ClaimsByScope.IsStandardClaim(name) && name is not ("roles" or "groups"))).ToArray();
        Assert.Equal(20, standard.Length);
        JsonObject Wishes() => new(standard.Select((name, i) => KeyValuePair.Create(name, (JsonNode?)((i % 5) switch
        {
            0 => null,
            1 => new JsonObject(),
            2 => new JsonObject { ["essential"] = true },
            3 => new JsonObject { [Letters(10)] = Letters(10) },
            _ => new JsonObject { ["essential"] = false },
        }))));
        using var client = Client();
        var claims = new JsonObject { ["id_token"] = Wishes(), ["userinfo"] = Wishes(), [Letters(10)] = new JsonObject { [Letters(10)] = null } };
        var (answer, request) = await client.AuthorizeAsync(("claims", claims));
        var tokens = await client.RedeemAsync(answer, request, standard);
        Assert.Empty(standard.Except(tokens.IdToken.Select(claim => claim.Key)));
        var userinfo = await client.ResourceAsync(tokens.AccessToken);
        AnswerChecks.ClaimTypes(world, userinfo.Body);
        Assert.Equal(standard.Order(StringComparer.Ordinal), userinfo.Body.Select(claim => claim.Key).Order(StringComparer.Ordinal));
        Assert.Equal((string?)tokens.IdToken["sub"], userinfo.Text("sub"));
    }

    [Fact]
    public async Task EnsureDifferentNonceInsideAndOutsideRequestObject_WhenAnotherStandsInTheAddress_ThePushedOneCounts()
    {
        using var client = Client();
        var request = client.Request();
        await client.FinishAsync(await client.GoAsync(await client.PushSoundAsync(request), outside: ("nonce", Letters(10))), request);
    }

    [Fact]
    public async Task EnsureDifferentStateInsideAndOutsideRequestObject_WhenAnotherStandsInTheAddress_ThePushedOneCounts()
    {
        using var client = Client();
        var request = client.Request();
        await client.FinishAsync(await client.GoAsync(await client.PushSoundAsync(request), outside: ("state", Letters(10))), request);
    }

    [Fact]
    public async Task StateOnlyOutsideRequestObjectNotUsed_WhenItStandsInTheAddressAlone_DoesNotComeBack()
    {
        using var client = Client();
        var request = client.Request(("state", null));
        await client.FinishAsync(await client.GoAsync(await client.PushSoundAsync(request), outside: ("state", Letters(10))), request);
    }

    [Fact]
    public async Task EnsureRequestObjectWithoutRedirectUriFails_WhenPushedWithoutOne_IsRefused()
    {
        using var client = Client();
        (await client.PushAsync(client.Request(("redirect_uri", null)))).IsError("invalid_request", "invalid_request_object");
    }

    [Fact]
    public async Task EnsureRedirectUriInAuthorizationRequest_WhenPushedWithoutOne_IsRefused()
    {
        using var client = Client();
        (await client.PushAsync(client.Request(("redirect_uri", null)))).IsError("invalid_request", "invalid_request_object");
    }

    [Fact]
    public async Task PlainFapiTolerateUnregisteredRedirectUri_WhenItIsNotRegistered_IsRefused()
    {
        using var client = Client();
        (await client.PushAsync(client.Request(("redirect_uri", client.RedirectUri + "/" + Letters(10))))).IsError("invalid_request", "invalid_request_object");
    }

    [Fact]
    public async Task EnsureUnsignedAuthorizationRequestWithoutUsingParFails_WhenNothingWasPushed_IsRefused()
    {
        using var client = Client();
        var request = client.Request();
        client.IsError(await client.GoPlainAsync(request), request, "invalid_request");
    }

    [Fact]
    public async Task EnsureResponseTypeCodeIdtokenFails_WhenAsked_IsRefused() => await ExpectResponseTypeRefusedAsync("code id_token");

    [Fact]
    public async Task EnsureResponseTypeTokenFails_WhenAsked_IsRefused() => await ExpectResponseTypeRefusedAsync("token");

    private protected Fapi2Client Client() => new(world, signs);

    private protected static string Letters(int length) => RandomNumberGenerator.GetString("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length);

    private string[] Values(string member) => [.. world.Metadata[member]!.AsArray().Select(value => (string)value!)];

    private async Task ExpectSuccessAsync(params (string Name, JsonNode? Value)[] changes)
    {
        using var client = Client();
        await client.SignInAsync(changes);
    }

    private async Task ExpectResponseTypeRefusedAsync(string type)
    {
        using var client = Client();
        (await client.PushAsync(client.Request(("response_type", type)))).IsError("unsupported_response_type", "invalid_request", "unauthorized_client");
    }
}
