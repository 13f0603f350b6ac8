// FAPI 2.0 Message Signing §5.3.1, RFC 9101, JARM: the plans themselves, and what the second has beside the first: request objects.
using System.Text.Json.Nodes;

namespace Identity.Tests.Conformance;

/// <summary>A world of their own, so that the two plans run beside the others.</summary>
[CollectionDefinition(Name)]
public sealed class Fapi2Collection : ICollectionFixture<ConformanceWorld>
{
    public const string Name = "fapi2";
}

/// <summary>The plan <c>fapi2-security-profile-final-test-plan</c>: plain_fapi, openid_connect, private_key_jwt, dpop, simple.</summary>
[Collection(Fapi2Collection.Name)]
public sealed class Fapi2ModuleTests(ConformanceWorld world) : Fapi2Modules(world, signs: false);

/// <summary>The plan <c>fapi2-message-signing-final-test-plan</c> for the same clients, signed_non_repudiation (JAR) and jarm.</summary>
[Collection(Fapi2Collection.Name)]
public sealed class Fapi2MessageSigningModuleTests(ConformanceWorld world) : Fapi2Modules(world, signs: true)
{
    private long Now => World.Clock.GetUtcNow().ToUnixTimeSeconds();

    // Each of the two can be certified without the other.
    [Fact]
    public async Task HappyFlow_WhenOnlyTheRequestIsSigned_Succeeds()
    {
        using var client = new Fapi2Client(World, signs: true) { GetsSignedAnswers = false };
        await client.SignInAsync();
    }

    [Fact]
    public async Task HappyFlow_WhenOnlyTheAnswerIsSigned_Succeeds()
    {
        using var client = new Fapi2Client(World, signs: false) { GetsSignedAnswers = true };
        await client.SignInAsync();
    }

    [Fact]
    public async Task EnsureRequestObjectWithMultipleAudSucceeds_WhenTheIssuerIsOneOfThem_Succeeds()
    {
        using var client = Client();
        var request = client.Request();
        var answer = await PushAsync(client, request, claims => claims["aud"] = new JsonArray(World.Issuer, "https://other1.example.com", "invalid"));
        await client.FinishAsync(await client.GoAsync(Fapi2Client.Pushed(request, answer), repeats: false), request);
    }

    [Fact]
    public async Task EnsureRequestObjectWithNbf8SecondsInTheFutureIsAccepted_WhenTheClientsClockIsAhead_Succeeds()
    {
        using var client = Client();
        var request = client.Request();
        var answer = await PushAsync(client, request, claims => claims["nbf"] = Now + 8);
        await client.FinishAsync(await client.GoAsync(Fapi2Client.Pushed(request, answer)), request);
    }

    [Fact]
    public async Task EnsureRequestObjectWithoutExpFails_WhenItNeverEnds_IsRefused() => await ExpectObjectRefusedAsync(claims => claims.Remove("exp"));

    [Fact]
    public async Task EnsureRequestObjectWithoutNbfFails_WhenItNeverBegins_IsRefused() => await ExpectObjectRefusedAsync(claims => claims.Remove("nbf"));

    [Fact]
    public async Task EnsureExpiredRequestObjectFails_WhenItEndedAnHourAgo_IsRefused() => await ExpectObjectRefusedAsync(claims => claims["exp"] = Now - 3600);

    [Fact]
    public async Task EnsureRequestObjectWithBadAudFails_WhenItIsForSomebodyElse_IsRefused() => await ExpectObjectRefusedAsync(claims => claims["aud"] = "https://www.other1.example.com/");

    [Fact]
    public async Task EnsureRequestObjectWithExpOver60Fails_WhenItLivesTooLong_IsRefused() => await ExpectObjectRefusedAsync(claims => claims["exp"] = Now + (70 * 60));

    [Fact]
    public async Task EnsureRequestObjectWithNbfOver60Fails_WhenItBeganTooLongAgo_IsRefused() => await ExpectObjectRefusedAsync(claims => claims["nbf"] = Now - (70 * 60));

    [Fact]
    public async Task EnsureSignedRequestObjectWithRS256Fails_WhenTheKeyIsForAnother_IsRefused()
    {
        using var client = Client();
        (await client.PushFormAsync([("request", client.Key.Sign(client.RequestObject(client.Request()), by: "RS256"))])).IsError("invalid_request_object");
    }

    [Fact]
    public async Task EnsureRequestObjectSignatureAlgorithmIsNotNone_WhenItIs_IsRefused()
    {
        using var client = Client();
        (await client.PushFormAsync([("request", CertificationKey.WithoutSignature(client.RequestObject(client.Request())))])).IsError("invalid_request_object");
    }

    [Fact]
    public async Task EnsureRequestObjectWithInvalidSignatureFails_WhenTheSignatureWasChanged_IsRefused()
    {
        using var client = Client();
        var sound = client.Sign(client.RequestObject(client.Request()));
        var end = sound.LastIndexOf('.') + 1;
        (await client.PushFormAsync([("request", sound[..end] + (sound[end] == 'A' ? 'B' : 'A') + sound[(end + 1)..])])).IsError("invalid_request_object");
    }

    [Fact]
    public async Task EnsureMatchingKeyInAuthorizationRequest_WhenTheOtherClientSignedIt_IsRefused()
    {
        using var one = Client();
        using var two = one.Other();
        (await one.PushFormAsync([("request", two.Key.Sign(one.RequestObject(one.Request())))])).IsError("invalid_request", "invalid_request_object");
    }

    [Fact]
    public async Task EnsureUnsignedRequestAtParEndpointFails_WhenItIsPushedPlain_IsRefused()
    {
        using var client = Client();
        (await client.PushFormAsync(Fapi2Client.Fields(client.Request()))).IsError("invalid_request");
    }

    [Fact]
    public async Task ParAuthorizationRequestContainingRequestUri_WhenItIsSigned_IsRefused() => await ExpectObjectRefusedAsync(claims => claims["request_uri"] = "urn%3Aexample%3Abwc4JK-ESC0w8acc191e-Y1LTC2");

    private static Task<ClientAnswer> PushAsync(Fapi2Client client, JsonObject request, Action<JsonObject> change)
    {
        var claims = client.RequestObject(request);
        change(claims);
        return client.PushFormAsync([("request", client.Sign(claims))]);
    }

    private async Task ExpectObjectRefusedAsync(Action<JsonObject> change)
    {
        using var client = Client();
        (await PushAsync(client, client.Request(), change)).IsError("invalid_request_object");
    }
}
