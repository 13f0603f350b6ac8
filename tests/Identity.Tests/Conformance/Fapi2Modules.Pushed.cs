// RFC 9126, FAPI 2.0 Security Profile §5.3.2.2: the modules that are about pushing a request, and about what stands for it.
using System.Net;
using System.Text.Json.Nodes;

namespace Identity.Tests.Conformance;

public abstract partial class Fapi2Modules
{
    [Fact]
    public async Task ParEnsureReusedRequestUriPriorToAuthCompletionSucceeds_WhenThePageIsOpenedTwice_LeadsOn()
    {
        using var client = Client();
        var request = client.Request();
        var pushed = await client.PushSoundAsync(request);
        using var seen = await client.Browser.GetAsync($"{client.Endpoint("authorization")}?client_id={client.ClientId}&request_uri={Uri.EscapeDataString(pushed.Address)}");
        Assert.StartsWith("/signin?", seen.Headers.Location!.OriginalString, StringComparison.Ordinal);
        using var page = await client.Browser.GetAsync(seen.Headers.Location.OriginalString);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        await client.FinishAsync(await client.GoAsync(pushed), request);
    }

    [Fact]
    public async Task ParAttemptReuseRequestUri_WhenACodeCameOfIt_IsRefused()
    {
        using var client = Client();
        var request = client.Request();
        var pushed = await client.PushSoundAsync(request);
        await client.FinishAsync(await client.GoAsync(pushed), request);
        client.IsError(await client.GoAsync(pushed), request, "invalid_request_uri");
    }

    [Fact]
    public async Task ParAttemptToUseExpiredRequestUri_WhenItsTimeIsOver_IsRefused()
    {
        using var client = Client();
        var request = client.Request();
        var answer = await client.PushAsync(request);
        var pushed = Fapi2Client.Pushed(request, answer);
        world.Clock.Advance(TimeSpan.FromSeconds((int)answer.Body["expires_in"]! + 1));
        client.IsError(await client.GoAsync(pushed), request, "invalid_request_uri");
    }

    [Fact]
    public async Task ParAttemptToUseRequestUriForDifferentClient_WhenTheOtherBringsIt_IsRefused()
    {
        using var one = Client();
        using var two = one.Other();
        var pushed = await one.PushSoundAsync(one.Request());
        var answer = await two.GoAsync(pushed);
        Assert.Contains(answer.Parameters["error"], (string[])["invalid_request", "invalid_request_object", "invalid_request_uri"]);
        Assert.DoesNotContain("code", answer.Parameters.Keys);
    }

    [Fact]
    public async Task ParAuthorizationRequestContainingRequestUriFormParam_WhenOneIsPushed_IsRefused()
    {
        using var client = Client();
        var request = client.Request();
        var fields = client.Signs ? [("request", client.Sign(client.RequestObject(request)))] : Fapi2Client.Fields(request);
        (await client.PushFormAsync([.. fields, ("request_uri", "urn:fdc:authlete.com:E2ooXxELkEFSKR90ymYV-BbwAvCC2TozHfSb_mMCw2s")])).IsError("invalid_request", "invalid_request_object", "request_uri_not_supported");
    }

    [Fact]
    public async Task ParAttemptInvalidHttpMethod_WhenPut_IsRefused()
    {
        using var client = Client();
        Assert.InRange((int)(await client.PushFormAsync(Fapi2Client.Fields(client.Request()), method: HttpMethod.Put)).Status, 400, 599);
    }

    [Fact]
    public async Task ParEnsurePkceRequired_WhenThereIsNoChallenge_IsRefused()
    {
        using var client = Client();
        (await client.PushAsync(client.Request(("code_challenge", null), ("code_challenge_method", null)))).IsError("invalid_request");
    }

    [Fact]
    public async Task ParPlainPkceRejected_WhenTheChallengeIsPlain_IsRefused()
    {
        using var client = Client();
        (await client.PushAsync(client.Request(("code_challenge", Letters(43)), ("code_challenge_method", "plain")))).IsError("invalid_request");
    }

    [Fact]
    public async Task ParWithoutDuplicateParameters_WhenNothingIsRepeatedInTheAddress_Succeeds()
    {
        using var client = Client();
        var request = client.Request();
        await client.FinishAsync(await client.GoAsync(await client.PushSoundAsync(request), repeats: false), request);
    }

    [Fact]
    public async Task ParEnsureJwtClientAssertionsNbf8SecondsInTheFutureIsAccepted_WhenTheClientsClockIsAhead_Succeeds()
    {
        using var client = Client();
        var request = client.Request();
        var assertion = client.Assertion(claims => (claims["iat"], claims["nbf"]) = ((long)claims["iat"]! + 8, (long)claims["nbf"]! + 8));
        await client.FinishAsync(await client.GoAsync(await client.PushSoundAsync(request, assertion: assertion)), request);
    }

    [Fact]
    public async Task ParEnsureJwtClientAssertionsNbfOver60SecondsInTheFutureFails_WhenTheClientsClockIsFarAhead_IsRefused()
    {
        using var client = Client();
        var assertion = client.Assertion(claims => (claims["iat"], claims["nbf"], claims["exp"]) = ((long)claims["iat"]! + 62, (long)claims["nbf"]! + 62, (long)claims["exp"]! + 62));
        (await client.PushAsync(client.Request(), assertion: assertion)).IsError("invalid_client", "invalid_request");
    }

    [Fact]
    public async Task ParTestArrayAsAudienceFails_WhenTheIssuerIsOneOfTwo_IsRefused() => await ExpectAudienceRefusedAsync(client => new JsonArray(world.Issuer, "https://other1.example.com"));

    [Fact]
    public async Task ParTestParEndpointUrlAsAudienceFails_WhenItIsTheEndpoint_IsRefused() => await ExpectAudienceRefusedAsync(client => client.Endpoint("pushed_authorization_request"));

    [Fact]
    public async Task ParTestTokenEndpointUrlAsAudienceFails_WhenItIsTheEndpoint_IsRefused() => await ExpectAudienceRefusedAsync(client => client.Endpoint("token"));

    private async Task ExpectAudienceRefusedAsync(Func<Fapi2Client, JsonNode> audience)
    {
        using var client = Client();
        (await client.PushAsync(client.Request(), assertion: client.Assertion(claims => claims["aud"] = audience(client)))).IsError("invalid_client", "invalid_request");
    }
}
