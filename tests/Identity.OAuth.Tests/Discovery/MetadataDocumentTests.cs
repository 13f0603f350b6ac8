// RFC 8414 §2 and OpenID Connect Discovery 1.0 §3: what is announced is what is registered.
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;
using Identity.OAuth.Discovery;
using Identity.OAuth.Token;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.OAuth.Tests.Discovery;

public sealed class MetadataDocumentTests
{
    private static readonly EndpointPaths All = new()
    {
        Authorize = "/connect/authorize",
        Token = "/connect/token",
        Jwks = "/connect/jwks",
        UserInfo = "/connect/userinfo",
        Introspection = "/connect/introspect",
        Revocation = "/connect/revoke",
        EndSession = "/connect/endsession",
    };

    [Fact]
    public async Task Document_OfTheWholeServer_AnnouncesWhatCertificationAsksFor()
    {
        await using var host = new OAuthHost();
        var document = await host.Get<MetadataDocument>().BuildAsync(All, ["en", "de"], OAuthHost.Cancel);
        Assert.Equal(OAuthHost.Issuer, (string)document["issuer"]!);
        foreach (var (name, value) in document.Where(member => member.Key.EndsWith("_endpoint", StringComparison.Ordinal) || member.Key == "jwks_uri"))
        {
            Assert.StartsWith(OAuthHost.Issuer + "/connect/", (string)value!, StringComparison.Ordinal);
        }

        Assert.Equal(["authorization_code", "client_credentials", "refresh_token"], Values(document, "grant_types_supported"));
        Assert.Equal(["client_secret_basic", "client_secret_post", "none", "private_key_jwt"], Values(document, "token_endpoint_auth_methods_supported"));
        Assert.DoesNotContain("none", Values(document, "introspection_endpoint_auth_methods_supported"));
        Assert.Equal(["code"], Values(document, "response_types_supported"));
        Assert.Equal(["S256"], Values(document, "code_challenge_methods_supported"));
        Assert.Contains("RS256", Values(document, "id_token_signing_alg_values_supported"));
        Assert.DoesNotContain("none", Values(document, "id_token_signing_alg_values_supported"));
        Assert.DoesNotContain(Values(document, "token_endpoint_auth_signing_alg_values_supported"), algorithm => algorithm.StartsWith("HS", StringComparison.Ordinal) || algorithm == "none");
        Assert.Contains("openid", Values(document, "scopes_supported"));
        Assert.True((bool)document["authorization_response_iss_parameter_supported"]!);
        Assert.False((bool)document["request_parameter_supported"]!);
        Assert.False((bool)document["request_uri_parameter_supported"]!);
        foreach (var absent in new[] { "pushed_authorization_request_endpoint", "device_authorization_endpoint", "registration_endpoint", "dpop_signing_alg_values_supported", "require_pushed_authorization_requests" })
        {
            Assert.False(document.ContainsKey(absent), absent);
        }
    }

    [Fact]
    public async Task Document_OfLess_AnnouncesLess()
    {
        await using var host = new OAuthHost();
        var document = await host.Get<MetadataDocument>().BuildAsync(All with { Introspection = null, Revocation = null, EndSession = null, UserInfo = null }, ["en"], OAuthHost.Cancel);
        Assert.DoesNotContain(document, member => member.Key.StartsWith("introspection_", StringComparison.Ordinal) || member.Key.StartsWith("revocation_", StringComparison.Ordinal));
        Assert.False(document.ContainsKey("end_session_endpoint"));
        Assert.False(document.ContainsKey("userinfo_endpoint"));
    }

    [Fact]
    public async Task Document_WhenAGrantIsRegistered_AnnouncesIt()
    {
        await using var host = new OAuthHost(more: services => services.AddSingleton<ITokenGrant, AnotherGrant>());
        Assert.Contains("urn:example:another", Values(await host.Get<MetadataDocument>().BuildAsync(All, ["en"], OAuthHost.Cancel), "grant_types_supported"));
    }

    [Fact]
    public async Task Document_WhenAResourceIsDeclared_AnnouncesItAndItsScopes()
    {
        await using var host = new OAuthHost();
        await host.AddResourceAsync("""{"resource":"https://notes.example","scopes_supported":["notes.read"]}""");
        await host.AddResourceAsync("""{"resource":"plain","scopes_supported":["plain.read"]}""");
        var document = await host.Get<MetadataDocument>().BuildAsync(All, ["en"], OAuthHost.Cancel);
        Assert.Contains("notes.read", Values(document, "scopes_supported"));
        Assert.Contains("plain.read", Values(document, "scopes_supported"));
        Assert.Contains("https://notes.example", Values(document, "protected_resources"));
        Assert.DoesNotContain("plain", Values(document, "protected_resources"));
    }

    private static string[] Values(JsonObject document, string name) => [.. document[name]!.AsArray().Select(value => (string)value!).Order(StringComparer.Ordinal)];

    private sealed class AnotherGrant : ITokenGrant
    {
        public string GrantType => "urn:example:another";

        public Task<Outcome<GrantProof>> ProveAsync(RequestParameters parameters, Client client, CancellationToken cancellationToken) =>
            Task.FromResult<Outcome<GrantProof>>(new OAuthError(OAuthErrors.InvalidGrant, "Never."));
    }
}
