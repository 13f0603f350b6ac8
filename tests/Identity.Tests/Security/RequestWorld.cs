using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Security;

/// <summary>A server whose clock a test moves, and clients that sign what they ask for.</summary>
public sealed class RequestWorld : IAsyncLifetime
{
    public const string RedirectUri = "https://client.example.com/cb";

    private HostedServer? _server;
    private AddressedNode? _node;

    public FakeTimeProvider Time { get; } = FakeTimeProvider.OfThisSecond();

    public ECDsa Key { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public RSA Rsa { get; } = QuickKeys.CreateRsa();

    internal Node Node => _node!;

    public string Issuer => _server?.Url.OriginalString ?? "";

    private long Now => Time.GetUtcNow().ToUnixTimeSeconds();

    public async ValueTask InitializeAsync()
    {
        var asks = Client("asks");
        asks["require_consent"] = true;
        var strict = Client("strict");
        (strict["require_signed_request_object"], strict["request_object_signing_alg"], strict["authorization_signed_response_alg"]) = (true, "ES256", "ES256");
        var web = Client("web");
        (web["token_endpoint_auth_method"], web["authorization_signed_response_alg"]) = ("private_key_jwt", "PS256");
        var basic = Client("basic");
        (basic["token_endpoint_auth_method"], basic["client_secret"]) = ("client_secret_basic", Node.Secret);
        var keyless = Client("keyless");
        keyless.Remove("jwks");
        var clients = new JsonArray(Client("app"), Client("other"), asks, strict, web, basic, keyless);
        _server = await HostedServer.StartAsync(clients.ToJsonString(), time: Time, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["RateLimits:TokenFailuresPerAddress"] = "1000000" });
        _node = new AddressedNode(_server.Url);
    }

    public async ValueTask DisposeAsync()
    {
        _node?.Dispose();
        Key.Dispose();
        Rsa.Dispose();
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }
    }

    /// <summary>A sound request of this client, as the claims of a request object.</summary>
    public JsonObject Claims(string client) => new()
    {
        ["iss"] = client,
        ["aud"] = Issuer,
        ["iat"] = Now,
        ["nbf"] = Now,
        ["exp"] = Now + 60,
        ["jti"] = Guid.NewGuid().ToString(),
        ["client_id"] = client,
        ["response_type"] = "code",
        ["redirect_uri"] = RedirectUri,
        ["scope"] = "openid email",
        ["state"] = "inside",
        ["nonce"] = "n1",
        ["code_challenge"] = Node.Challenge,
        ["code_challenge_method"] = "S256",
    };

    public string Sign(string client = "app", Action<JsonObject>? claims = null, Action<JsonObject>? header = null) => Compose(client, "ES256", input => Key.SignData(input, HashAlgorithmName.SHA256), claims, header);

    public string SignRsa(string algorithm, RSASignaturePadding padding, string client = "app") =>
        Compose(client, algorithm, input => Rsa.SignData(input, HashAlgorithmName.SHA256, padding), null, header => header["kid"] = "rsa");

    public string Compose(string client, string algorithm, Func<byte[], byte[]> sign, Action<JsonObject>? claims = null, Action<JsonObject>? header = null)
    {
        var (head, body) = (new JsonObject { ["alg"] = algorithm, ["kid"] = "ec", ["typ"] = "oauth-authz-req+jwt" }, Claims(client));
        header?.Invoke(head);
        claims?.Invoke(body);
        return Seal(head.ToJsonString(), body.ToJsonString(), sign);
    }

    public static string Seal(string header, string claims, Func<byte[], byte[]> sign)
    {
        var input = Base64UrlEncoder.Encode(header) + "." + Base64UrlEncoder.Encode(claims);
        return input + "." + Base64UrlEncoder.Encode(sign(Encoding.ASCII.GetBytes(input)));
    }

    public string Assertion(string client) => Seal(
        """{"alg":"ES256","kid":"ec","typ":"client-authentication+jwt"}""",
        new JsonObject { ["iss"] = client, ["sub"] = client, ["aud"] = Issuer, ["jti"] = Guid.NewGuid().ToString(), ["iat"] = Now, ["exp"] = Now + 60 }.ToJsonString(),
        input => Key.SignData(input, HashAlgorithmName.SHA256));

    public static string Go(string requestObject, string client = "app", params (string Name, string Value)[] more) =>
        $"/connect/authorize?client_id={client}&request={requestObject}" + string.Concat(more.Select(pair => $"&{pair.Name}={Uri.EscapeDataString(pair.Value)}"));

    public JsonObject PublicKey()
    {
        var point = Key.ExportParameters(includePrivateParameters: false).Q;
        return new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["kid"] = "ec", ["x"] = Base64UrlEncoder.Encode(point.X), ["y"] = Base64UrlEncoder.Encode(point.Y) };
    }

    private JsonObject Client(string id)
    {
        var rsa = Rsa.ExportParameters(includePrivateParameters: false);
        return new()
        {
            ["client_id"] = id,
            ["token_endpoint_auth_method"] = "none",
            ["grant_types"] = new JsonArray("authorization_code", "refresh_token"),
            ["redirect_uris"] = new JsonArray(RedirectUri, "https://client.example.com/second"),
            ["scope"] = "openid email offline_access",
            ["jwks"] = new JsonObject
            {
                ["keys"] = new JsonArray(PublicKey(), new JsonObject { ["kty"] = "RSA", ["kid"] = "rsa", ["n"] = Base64UrlEncoder.Encode(rsa.Modulus), ["e"] = Base64UrlEncoder.Encode(rsa.Exponent) }),
            },
        };
    }
}
