// OpenID Connect Core 1.0: the modules of the plans Basic OP and Form Post OP, which differ only in how answers travel.
using System.Net;
using System.Text.Json.Nodes;

namespace Identity.Tests.Conformance;

/// <summary>One test per module, named after it. What every module checks is in <see cref="RelyingParty"/>; here is what each adds.</summary>
public abstract class CodeFlowModules(ConformanceWorld world, bool formPost)
{
    private static readonly string[] ProfileClaims =
    [
        "birthdate", "family_name", "gender", "given_name", "locale", "middle_name", "name", "nickname", "picture", "preferred_username", "profile", "updated_at", "website", "zoneinfo",
    ];

    [Fact]
    public async Task OidccServer_WhenACodeIsRedeemed_GivesASoundIdToken()
    {
        using var client = Client();
        var (tokens, answer) = await client.SignInAsync();
        Assert.Equal(["sign-in"], answer.Pages);
        Assert.True(tokens.Code.Length * 8 >= 128);
        Assert.True(AnswerChecks.Entropy(tokens.Code) >= 96);
        Assert.Null(tokens.RefreshToken);
    }

    [Fact]
    public async Task OidccResponseTypeMissing_WhenNoneIsSent_TellsTheClient()
    {
        using var client = Client();
        client.CheckError(await client.AuthorizeAsync(("response_type", null)), "invalid_request", "unsupported_response_type");
    }

    [Fact]
    public async Task OidccIdtokenSignature_WhenTheClientNamesNoAlgorithm_IsRs256UnderAPublishedKey()
    {
        Assert.False(CertificationClients.Find("certification").ContainsKey("id_token_signed_response_alg"));
        using var client = Client();
        var (tokens, _) = await client.SignInAsync();
        Assert.Equal("RS256", (string?)RunningServer.Header(tokens.IdToken)["alg"]);
        Assert.NotEmpty((string)RunningServer.Header(tokens.IdToken)["kid"]!);
    }

    [Fact]
    public void OidccIdtokenUnsigned_WhenDiscoveryIsRead_IsNotOffered() =>
        Assert.DoesNotContain("none", Values("id_token_signing_alg_values_supported"));

    [Fact]
    public async Task OidccUserinfoGet_WhenTheTokenIsInTheHeader_Answers()
    {
        using var client = Client();
        var (tokens, _) = await client.SignInAsync();
        Assert.Equal(["sub"], (await client.UserInfoAsync(tokens)).Select(claim => claim.Key));
    }

    [Fact]
    public async Task OidccUserinfoPostHeader_WhenPostedWithoutABody_Answers()
    {
        using var client = Client();
        var (tokens, _) = await client.SignInAsync();
        Assert.Equal(["sub"], (await client.UserInfoAsync(tokens, "POST")).Select(claim => claim.Key));
    }

    [Fact]
    public async Task OidccUserinfoPostBody_WhenTheTokenIsInTheForm_Answers()
    {
        using var client = Client();
        var (tokens, _) = await client.SignInAsync();
        Assert.Equal(["sub"], (await client.UserInfoAsync(tokens, "POST", inForm: true)).Select(claim => claim.Key));
    }

    [Fact]
    public async Task OidccEnsureRequestWithoutNonceSucceedsForCodeFlow_WhenNoneIsSent_GivesATokenWithoutOne()
    {
        using var client = Client();
        var (tokens, _) = await client.SignInAsync(("nonce", null));
        Assert.False(tokens.Claims.ContainsKey("nonce"));
    }

    [Fact]
    public async Task OidccScopeProfile_WhenAsked_GivesAllFourteenClaims() => await ExpectScopeAsync("openid profile", ProfileClaims);

    [Fact]
    public async Task OidccScopeEmail_WhenAsked_GivesTheAddressAndNoName() => await ExpectScopeAsync("openid email", ["email", "email_verified"]);

    [Fact]
    public async Task OidccScopeAddress_WhenAsked_GivesAnObject() => await ExpectScopeAsync("openid address", ["address"]);

    [Fact]
    public async Task OidccScopePhone_WhenAsked_GivesTheNumber() => await ExpectScopeAsync("openid phone", ["phone_number", "phone_number_verified"]);

    [Fact]
    public async Task OidccScopeAll_WhenAsked_GivesEverything() =>
        await ExpectScopeAsync("openid profile email address phone", [.. ProfileClaims, "email", "email_verified", "address", "phone_number", "phone_number_verified"]);

    [Fact]
    public async Task OidccAlternateHappyFlow_WhenWordsAndParametersComeTheOtherWayRound_IsTheSame()
    {
        using var client = Client();
        var request = client.Request(("scope", "email openid"));
        var answer = await client.SendAsync(request.Reverse().ToDictionary(StringComparer.Ordinal));
        var tokens = await client.FinishAsync(answer);
        Assert.Equal(ConformanceWorld.Email, (string?)(await client.UserInfoAsync(tokens))["email"]);
    }

    [Fact]
    public async Task OidccDisplayPage_WhenAsked_Succeeds() => await ExpectSuccessAsync("display", "page");

    [Fact]
    public async Task OidccDisplayPopup_WhenAsked_Succeeds() => await ExpectSuccessAsync("display", "popup");

    [Fact]
    public async Task OidccPromptLogin_WhenSignedIn_AsksAgain()
    {
        using var client = Client();
        var (first, _) = await client.SignInAsync();
        world.Clock.Advance(TimeSpan.FromSeconds(1));
        var (second, answer) = await client.SignInAsync(("prompt", "login"));
        Assert.Equal(["sign-in"], answer.Pages);
        Assert.Equal((long)first.Claims["auth_time"]! + 1, (long)second.Claims["auth_time"]!);
    }

    [Fact]
    public async Task OidccPromptNoneNotLoggedIn_WhenNobodyIsSignedIn_TellsTheClient()
    {
        using var client = Client();
        var answer = await client.AuthorizeAsync(("prompt", "none"));
        Assert.Empty(answer.Pages);
        client.CheckError(answer, "login_required");
    }

    [Fact]
    public async Task OidccPromptNoneLoggedIn_WhenSignedIn_SucceedsUnseen()
    {
        using var client = Client();
        var (first, _) = await client.SignInAsync();
        world.Clock.Advance(TimeSpan.FromSeconds(1));
        ExpectSameSignIn(first, await client.SignInAsync(("prompt", "none")));
    }

    [Fact]
    public async Task OidccMaxAge1_WhenTwoSecondsHavePassed_AsksAgain()
    {
        using var client = Client();
        var (first, _) = await client.SignInAsync();
        world.Clock.Advance(TimeSpan.FromSeconds(2));
        var (second, answer) = await client.SignInAsync(("max_age", "1"));
        Assert.Equal(["sign-in"], answer.Pages);
        Assert.Equal((long)first.Claims["auth_time"]! + 2, (long)second.Claims["auth_time"]!);
        Assert.Equal(world.Clock.GetUtcNow().ToUnixTimeSeconds(), (long)second.Claims["auth_time"]!);
    }

    [Fact]
    public async Task OidccMaxAge10000_WhenSignedInShortlyBefore_DoesNotAsk()
    {
        using var client = Client();
        var (first, _) = await client.SignInAsync(("max_age", "15000"));
        world.Clock.Advance(TimeSpan.FromMinutes(5));
        ExpectSameSignIn(first, await client.SignInAsync(("max_age", "10000")));
    }

    [Fact]
    public async Task OidccEnsureRequestWithUnknownParameterSucceeds_WhenOneIsSent_IgnoresIt() => await ExpectSuccessAsync("extra", "foobar");

    [Fact]
    public async Task OidccIdTokenHint_WhenItIsTheSignedInPersons_SucceedsUnseen()
    {
        using var client = Client();
        var (first, _) = await client.SignInAsync();
        world.Clock.Advance(TimeSpan.FromSeconds(1));
        ExpectSameSignIn(first, await client.SignInAsync(("prompt", "none"), ("id_token_hint", first.IdToken)));
    }

    [Fact]
    public async Task OidccLoginHint_WhenNobodyIsCalledThat_Succeeds() => await ExpectSuccessAsync("login_hint", "buffy@localhost");

    [Fact]
    public async Task OidccUiLocales_WhenTheLanguageIsUnknown_Succeeds() => await ExpectSuccessAsync("ui_locales", "se");

    [Fact]
    public async Task OidccClaimsLocales_WhenTheLanguageIsUnknown_Succeeds() => await ExpectSuccessAsync("claims_locales", "se");

    [Fact]
    public async Task OidccEnsureRequestWithAcrValuesSucceeds_WhenThoseOfDiscoveryAreAsked_GivesOneOfThem()
    {
        using var client = Client();
        var supported = Values("acr_values_supported");
        Assert.NotEmpty(supported);
        var (tokens, _) = await client.SignInAsync(("acr_values", string.Join(' ', supported)));
        Assert.Contains((string)tokens.Claims["acr"]!, supported);
    }

    [Fact]
    public async Task OidccCodereuse_WhenACodeComesTwice_IsRefused()
    {
        using var client = Client();
        var (tokens, _) = await client.SignInAsync();
        await client.ExpectInvalidGrantAsync(("grant_type", "authorization_code"), ("code", tokens.Code), ("redirect_uri", client.RedirectUri));
    }

    [Fact]
    public async Task OidccCodereuse30seconds_WhenACodeComesAgainLater_IsRefusedAndItsTokenDies()
    {
        using var client = Client();
        var (tokens, _) = await client.SignInAsync();
        world.Clock.Advance(TimeSpan.FromSeconds(30));
        await client.UserInfoAsync(tokens);
        await client.ExpectInvalidGrantAsync(("grant_type", "authorization_code"), ("code", tokens.Code), ("redirect_uri", client.RedirectUri));
        using var dead = await client.CallUserInfoAsync(tokens.AccessToken);
        Assert.Equal(HttpStatusCode.Unauthorized, dead.StatusCode);
    }

    [Fact]
    public async Task OidccEnsureRegisteredRedirectUri_WhenItIsAnother_ShowsAPageAndGoesNowhere()
    {
        using var client = Client();
        RelyingParty.CheckErrorPage(await client.AuthorizeAsync(("redirect_uri", client.RedirectUri + "/FbxcrwsYWQ")), "redirect_uri is not registered");
    }

    [Fact]
    public async Task OidccEnsurePostRequestSucceeds_WhenAnotherSitePosts_Succeeds()
    {
        using var client = Client();
        var answer = await client.SendAsync(client.Request(), post: true);
        Assert.Equal(["sign-in"], answer.Pages);
        await client.FinishAsync(answer);
    }

    [Fact]
    public async Task OidccServerClientSecretPost_WhenTheSecretIsInTheForm_IsTheSame()
    {
        using var client = new RelyingParty(world, "certification-post", formPost);
        Assert.Equal("client_secret_post", client.Method);
        Assert.Contains(client.Method, Values("token_endpoint_auth_methods_supported"));
        await client.SignInAsync();
    }

    [Fact]
    public async Task OidccRequestUriUnsignedSupportedCorrectlyOrRejectedAsUnsupported_WhenOneIsSent_IsRejected()
    {
        using var client = Client();
        var answer = await client.AuthorizeAsync(("request_uri", "https://suite.example.com/requesturi"), ("state", null), ("nonce", null));
        client.CheckError(answer, "invalid_request_uri");
        Assert.True((bool)world.Metadata["require_request_uri_registration"]!);
    }

    [Fact]
    public async Task OidccUnsignedRequestObjectSupportedCorrectlyOrRejectedAsUnsupported_WhenOneIsSent_IsRejectedTheWayItAsks()
    {
        // Only what RFC 6749 requires is outside. The state and the wish for form_post are inside with the rest, and the error has to honour them.
        using var client = Client();
        var inside = client.Request();
        var outside = inside.Where(pair => pair.Key is "client_id" or "redirect_uri" or "scope" or "response_type").Append(KeyValuePair.Create("request", RequestObject(inside)));
        var answer = await client.SendAsync(outside.ToDictionary(StringComparer.Ordinal));
        client.CheckError(answer with { Request = inside }, "invalid_request_object");

        // By this the suite leaves the module out.
        Assert.True((bool)world.Metadata["request_parameter_supported"]!);
        Assert.DoesNotContain("none", Values("request_object_signing_alg_values_supported"));
        Assert.Contains("RS256", Values("request_object_signing_alg_values_supported"));
    }

    [Fact]
    public async Task OidccClaimsEssential_WhenTheNameIsAsked_GivesItInUserinfoAlone()
    {
        using var client = Client();
        var (tokens, _) = await client.SignInAsync(("claims", "{\"userinfo\":{\"name\":{\"essential\":true}}}"));
        var claims = await client.UserInfoAsync(tokens);
        Assert.Equal(["name", "sub"], claims.Select(claim => claim.Key).Order(StringComparer.Ordinal));
        Assert.False(tokens.Claims.ContainsKey("name"));
    }

    [Fact]
    public async Task OidccEnsureRequestObjectWithRedirectUri_WhenTheOneOutsideIsNotRegistered_ShowsAPageAndGoesNowhere()
    {
        using var client = Client();
        var inside = client.Request();
        var outside = inside.Where(pair => pair.Key is "client_id" or "scope" or "response_type")
            .Append(KeyValuePair.Create("redirect_uri", client.RedirectUri + "/invalid")).Append(KeyValuePair.Create("request", RequestObject(inside)));
        RelyingParty.CheckErrorPage(await client.SendAsync(outside.ToDictionary(StringComparer.Ordinal)), "The request object is signed by an algorithm");
    }

    [Fact]
    public async Task OidccRefreshToken_WhenTwoClientsHaveOne_EachIsGoodForItsOwn()
    {
        Assert.Contains("offline_access", Values("scopes_supported"));
        Assert.Contains("refresh_token", Values("grant_types_supported"));
        const string scope = "openid offline_access";
        using var first = Client();
        using var second = first.Beside("certification-2");
        await ExpectRefreshAsync(first, nonce: null, ("scope", scope));
        var refresh = await ExpectRefreshAsync(second, nonce: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM-._~");
        await first.ExpectInvalidGrantAsync(("grant_type", "refresh_token"), ("refresh_token", refresh), ("scope", scope));

        async Task<string> ExpectRefreshAsync(RelyingParty client, string? nonce, params (string Name, string Value)[] more)
        {
            var request = client.Request(("scope", scope), ("prompt", "consent"));
            request["nonce"] = nonce ?? request["nonce"];
            var answer = await client.SendAsync(request);
            Assert.Contains("consent", answer.Pages);
            var tokens = await client.FinishAsync(answer);
            Assert.True(tokens.RefreshToken!.Length * 8 >= 128);
            Assert.True(AnswerChecks.Entropy(tokens.RefreshToken) >= 96);

            world.Clock.Advance(TimeSpan.FromSeconds(1));
            var refreshed = await client.RefreshAsync(tokens.RefreshToken, more);
            Assert.NotEqual(tokens.AccessToken, (string?)refreshed["access_token"]);
            var claims = RunningServer.Payload((string)refreshed["id_token"]!);
            foreach (var name in (string[])["iss", "sub", "aud", "azp", "auth_time", "acr", "sid"])
            {
                Assert.True(JsonNode.DeepEquals(tokens.Claims[name], claims[name]), name);
            }

            Assert.True((long)claims["iat"]! > (long)tokens.Claims["iat"]!);
            await client.UserInfoAsync(tokens with { AccessToken = (string)refreshed["access_token"]! });
            return (string)refreshed["refresh_token"]!;
        }
    }

    [Fact]
    public async Task OidccEnsureRequestWithValidPkceSucceeds_WhenAClientWithoutItSendsOne_Succeeds()
    {
        using var client = Client();
        var answer = await client.AuthorizeAsync(("code_challenge", RunningServer.Challenge), ("code_challenge_method", "S256"));
        await client.FinishAsync(answer, ("code_verifier", RunningServer.Verifier));
    }

    private RelyingParty Client() => new(world, formPost: formPost);

    private string[] Values(string member) => [.. world.Metadata[member]!.AsArray().Select(value => (string)value!)];

    private static string RequestObject(Dictionary<string, string> request) => CertificationKey.WithoutSignature(new JsonObject(request.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value))));

    private async Task ExpectSuccessAsync(string name, string value)
    {
        using var client = Client();
        var (_, answer) = await client.SignInAsync((name, value));
        Assert.Equal(["sign-in"], answer.Pages);
    }

    private async Task ExpectScopeAsync(string scope, string[] expected)
    {
        using var client = Client();
        var (tokens, _) = await client.SignInAsync(("scope", scope));
        Assert.Equal(expected.Append("sub").Order(StringComparer.Ordinal), (await client.UserInfoAsync(tokens)).Select(claim => claim.Key).Order(StringComparer.Ordinal));
    }

    private static void ExpectSameSignIn(CheckedTokens first, (CheckedTokens Tokens, AuthorizationAnswer Answer) second)
    {
        Assert.Empty(second.Answer.Pages);
        Assert.Equal((long)first.Claims["auth_time"]!, (long)second.Tokens.Claims["auth_time"]!);
        Assert.Equal((string)first.Claims["sid"]!, (string)second.Tokens.Claims["sid"]!);
    }
}
