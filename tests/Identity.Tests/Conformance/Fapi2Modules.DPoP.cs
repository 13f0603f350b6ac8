// RFC 9449, FAPI 2.0 Security Profile §5.3.2.1 and §5.4.1: the modules that are about keys, and the proofs that their holders make.
using System.Net;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Conformance;

public abstract partial class Fapi2Modules
{
    [Fact]
    public async Task AccessTokenTypeHeaderCaseSensitivity_WhenTheSchemeIsWrittenOddly_IsTheSame()
    {
        using var client = Client();
        var tokens = await client.SignInAsync();
        Assert.Equal(HttpStatusCode.OK, (await client.ResourceAsync(tokens.AccessToken, scheme: "dpOp")).Status);
    }

    [Fact]
    public async Task CheckDpopProofNbfExp_WhenAProofHasThem_IsTaken()
    {
        using var client = Client();
        void Times(JsonObject claims) => (claims["nbf"], claims["exp"]) = ((long)claims["iat"]!, (long)claims["iat"]! + 300);
        await ExpectProofsTakenAsync(client, Times, pushes: false);
    }

    [Fact]
    public async Task EnsureDpopproofWithIat10secondsBeforeSucceeds_WhenTheClientsClockIsBehind_IsTakenEverywhere()
    {
        using var client = Client();
        await ExpectProofsTakenAsync(client, claims => claims["iat"] = (long)claims["iat"]! - 10);
    }

    [Fact]
    public async Task EnsureDpopproofWithIat10secondsAfterSucceeds_WhenTheClientsClockIsAhead_IsTakenEverywhere()
    {
        using var client = Client();
        await ExpectProofsTakenAsync(client, claims => claims["iat"] = (long)claims["iat"]! + 10);
    }

    [Fact]
    public async Task EnsureMismatchedDpopJktFails_WhenAnotherKeyIsNamedThanProven_IsRefused()
    {
        using var client = Client();
        (await client.PushAsync(client.Request(("dpop_jkt", Fapi2Client.OtherKey.Thumbprint)), client.Proof(client.Endpoint("pushed_authorization_request")))).IsError("invalid_request", "invalid_dpop_proof");
    }

    [Fact]
    public async Task EnsureTokenEndpointFailsWithMismatchedDpopProofJkt_WhenTheCodeIsRedeemedWithAnotherKey_IsRefused()
    {
        using var client = Client();
        var request = client.Request();
        var code = client.Code(await client.GoAsync(await client.PushSoundAsync(request, client.Proof(client.Endpoint("pushed_authorization_request")))), request);
        client.HoldsKey = Fapi2Client.OtherKey;
        (await client.TokenAsync(client.CodeGrant(code))).IsError("invalid_request", "invalid_grant", "invalid_dpop_proof");
    }

    [Fact]
    public async Task EnsureTokenEndpointFailsWithMismatchedDpopJkt_WhenAnotherKeyWasNamed_IsRefused()
    {
        using var client = Client();
        var (answer, request) = await client.AuthorizeAsync(("dpop_jkt", Fapi2Client.OtherKey.Thumbprint));
        (await client.TokenAsync(client.CodeGrant(client.Code(answer, request)))).IsError("invalid_request", "invalid_grant", "invalid_dpop_proof");
    }

    [Fact]
    public async Task EnsureDpopproofAtParEndpointBindingSuccess_WhenTheSameKeyRedeems_Succeeds()
    {
        using var client = Client();
        await ExpectProofsTakenAsync(client, claims: null);
    }

    [Fact]
    public async Task EnsureDpopAuthCodeBindingSuccess_WhenTheNamedKeyRedeems_Succeeds()
    {
        using var client = Client();
        await ExpectProofsTakenAsync(client, claims: null, named: client.HoldsKey.Thumbprint);
    }

    [Theory]
    [InlineData("PS256")]
    [InlineData("ES256")]
    public async Task DpopNegativeTests_WhenAProofIsWrong_IsRefusedAndASoundOneStillWorks(string algorithm)
    {
        using var key = new DPoPKey(algorithm);
        using var client = Client();
        client.HoldsKey = key;
        var token = (await client.SignInAsync()).AccessToken;

        async Task Expect(bool isTaken, string what, params string[] proofs)
        {
            var answer = await client.ResourceAsync(token, proofs);
            Assert.True(isTaken ? answer.Status == HttpStatusCode.OK : answer.Status is HttpStatusCode.BadRequest or HttpStatusCode.Unauthorized, $"{what}: {(int)answer.Status} {answer.Body.ToJsonString()}");
        }

        string Proof(Action<JsonObject>? header = null, Action<JsonObject>? claims = null) => client.ResourceProof(token, header, claims);
        var endpoint = client.Endpoint("userinfo");
        var sound = Proof();
        var parts = Proof().Split('.');

        Assert.Equal(HttpStatusCode.OK, (await client.ResourceAsync(token, [], change: request => request.Headers.TryAddWithoutValidation("DPOP", Proof()))).Status);
        await Expect(false, "two headers", Proof(), Proof());
        await Expect(false, "no JWT", string.Join('.', parts[..2]));
        await Expect(false, "no typ", Proof(header => header.Remove("typ")));
        await Expect(false, "no alg", Base64UrlEncoder.Encode(Base64UrlEncoder.Decode(parts[0]).Replace("alg", "alg2", StringComparison.Ordinal)) + "." + parts[1] + "." + parts[2]);
        await Expect(false, "no jwk", Proof(header => header.Remove("jwk")));
        foreach (var claim in (string[])["jti", "htm", "htu", "iat", "ath"])
        {
            await Expect(false, "no " + claim, Proof(claims: claims => claims.Remove(claim)));
        }

        await Expect(false, "typ", Proof(header => header["typ"] = "dpop+jwt+wrongyousee"));
        if (algorithm == "PS256")
        {
            var header = Base64UrlEncoder.Decode(parts[0]).Replace("PS256", "RS256", StringComparison.Ordinal);
            await Expect(false, "RS256", key.Sign(header, Base64UrlEncoder.Decode(parts[1]), by: "RS256"));
        }

        await Expect(false, "alg none", Base64UrlEncoder.Encode("{\"alg\": \"none\", \"typ\": \"dpop+jwt\"}") + "." + parts[1] + ".");
        await Expect(false, "signature", parts[0] + "." + parts[1] + "." + (parts[2][0] == 'A' ? 'B' : 'A') + parts[2][1..]);
        await Expect(false, "private key", Proof(header => header["jwk"] = key.Jwk(isPrivate: true)));
        await Expect(false, "htm", Proof(claims: claims => claims["htm"] = "PUT"));
        await Expect(true, "query and fragment", Proof(claims: claims => claims["htu"] = endpoint + "?allthedoorsonthisspaceshiphavebeen#programmedtohaveacheeryandsunnydisposition"));
        await Expect(true, "no query", Proof(claims: claims => claims["htu"] = endpoint));
        await Expect(false, "another address", Proof(claims: claims => claims["htu"] = endpoint + "ohnonotagain"));
        await Expect(false, "an hour ahead", Proof(claims: claims => claims["iat"] = (long)claims["iat"]! + 3600));
        await Expect(false, "an hour ago", Proof(claims: claims => claims["iat"] = (long)claims["iat"]! - 3600));
        await Expect(true, "once", sound);
        await Expect(false, "twice", sound);
        await Expect(false, "ath", Proof(claims: claims => claims["ath"] = Base64UrlEncoder.Encode(new byte[32])));
        await Expect(false, "another key", Fapi2Client.OtherKey.Proof("GET", endpoint, world.Clock.GetUtcNow(), token));
        await Expect(false, "signed by another key", Fapi2Client.OtherKey.Proof("GET", endpoint, world.Clock.GetUtcNow(), token, header => header["jwk"] = key.Jwk()));
        await Expect(true, "more members", Proof(header => header["tx_id"] = 1, claims => claims["tx_id_key"] = 1));
        await Expect(true, "upper case", Proof(claims: claims => claims["htu"] = endpoint.Replace("http://localhost", "HTTP://LOCALHOST", StringComparison.Ordinal)));
        await Expect(false, "no proof");
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.ResourceAsync(token, [], scheme: "Bearer")).Status);
        await Expect(true, "a sound one", Proof());
    }

    /// <summary>Where a proof can be sent it is, and it is taken.</summary>
    private async Task ExpectProofsTakenAsync(Fapi2Client client, Action<JsonObject>? claims, bool pushes = true, string? named = null)
    {
        var request = client.Request(("dpop_jkt", named));
        var pushed = await client.PushSoundAsync(request, pushes ? client.Proof(client.Endpoint("pushed_authorization_request"), claims: claims) : null);
        var code = client.Code(await client.GoAsync(pushed), request);
        var tokens = await client.TokensAsync(await client.TokenAsync(client.CodeGrant(code), client.Proof(client.Endpoint("token"), claims: claims)), code, request);
        Assert.Equal(HttpStatusCode.OK, (await client.ResourceAsync(tokens.AccessToken, [client.ResourceProof(tokens.AccessToken, claims: claims)])).Status);
    }
}
