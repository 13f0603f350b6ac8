using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Identity.Tests.Repository;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.External;

/// <summary>One HTTP exchange with a real OpenAM 16.0.5, as it was recorded.</summary>
public sealed record Recording(string Request, int Status, IReadOnlyList<KeyValuePair<string, string>> Headers, string Body)
{
    public static string Folder => Path.Combine(RepositoryRoot.Path, "tests", "Identity.Tests", "External", "Recordings");

    public JsonObject Json => JsonNode.Parse(Body)!.AsObject();

    public string IdToken => (string)Json["id_token"]!;

    public JsonObject Claims => Node.Payload(IdToken);

    public static string Text(string name) => File.ReadAllText(Path.Combine(Folder, name));

    public static Recording Read(string name)
    {
        var text = Text(name);
        var at = text.IndexOf("### RESPONSE", StringComparison.Ordinal);
        var request = text["### REQUEST\n".Length..at];
        var answer = text[(text.IndexOf('\n', at) + 1)..];
        var end = answer.IndexOf("\n\n", StringComparison.Ordinal);
        var lines = (end < 0 ? answer : answer[..end]).Split('\n');
        return new Recording(
            request,
            int.Parse(lines[0].Split(' ')[1], CultureInfo.InvariantCulture),
            [.. lines.Skip(1).Where(line => line.Contains(':', StringComparison.Ordinal)).Select(line => KeyValuePair.Create(line.Split(':', 2)[0], line.Split(':', 2)[1].Trim()))],
            end < 0 ? "" : answer[(end + 2)..].TrimEnd('\n'));
    }

    public string? Header(string name) => Headers.FirstOrDefault(header => header.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Value;
}

/// <summary>A provider's key of a test's own: for what OpenAM signed with the key that ships with it, and for forgeries.</summary>
public sealed class TestKey : IDisposable
{
    private readonly RSA _rsa = QuickKeys.CreateRsa();

    public RSA Rsa => _rsa;

    public string Kid { get; init; } = "test-key/1+=";

    public JsonObject Jwk()
    {
        var parameters = _rsa.ExportParameters(includePrivateParameters: false);
        return new JsonObject { ["kty"] = "RSA", ["use"] = "sig", ["alg"] = "RS256", ["kid"] = Kid, ["n"] = Base64UrlEncoder.Encode(parameters.Modulus), ["e"] = Base64UrlEncoder.Encode(parameters.Exponent) };
    }

    public string Jwks() => new JsonObject { ["keys"] = new JsonArray(Jwk()) }.ToJsonString();

    /// <summary>The payload as recorded, to the byte, under this key.</summary>
    public string Resign(string token) => Sign($$"""{"typ":"JWT","kid":"{{Kid}}","alg":"RS256"}""", Base64UrlEncoder.Decode(token.Split('.')[1]));

    public string Sign(JsonObject claims) => Sign($$"""{"typ":"JWT","kid":"{{Kid}}","alg":"RS256"}""", claims.ToJsonString());

    public string Sign(string header, string payload)
    {
        var signed = Base64UrlEncoder.Encode(header) + "." + Base64UrlEncoder.Encode(payload);
        return signed + "." + Base64UrlEncoder.Encode(_rsa.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
    }

    public void Dispose() => _rsa.Dispose();
}
