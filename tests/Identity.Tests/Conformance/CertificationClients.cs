using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Tests.Kit;
using Identity.Tests.Repository;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Conformance;

/// <summary>The clients that docs/certification.md tells operators to register: what the guide says is what the tests run with.</summary>
internal static partial class CertificationClients
{
    private static readonly CertificationKey[] Keys = [new("PUBLIC-KEY-1", "PS256"), new("PUBLIC-KEY-2", "ES256")];

    /// <summary>What stands there, with keys in the place of the words that stand for them.</summary>
    public static string Json { get; } = Keys.Aggregate(
        ClientsBlock().Match(File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "certification.md"))).Groups["json"].Value,
        (json, key) => json.Replace($"\"{key.Word}\"", key.Public().ToJsonString(), StringComparison.Ordinal));

    public static JsonObject Find(string clientId) => JsonNode.Parse(Json)!.AsArray().Select(client => client!.AsObject()).Single(client => (string?)client["client_id"] == clientId);

    /// <summary>What a client signs with.</summary>
    public static CertificationKey KeyOf(string clientId) => Keys.Single(key => key.Id == (string?)Find(clientId)["jwks"]!["keys"]![0]!["kid"]);

    [GeneratedRegex(@"<!-- clients:.*?-->\s*```json\s*(?<json>.*?)```", RegexOptions.Singleline | RegexOptions.ExplicitCapture)]
    private static partial Regex ClientsBlock();
}

/// <summary>A client's key, as the suite wants it: with <c>kid</c> and <c>alg</c>.</summary>
/// <param name="word">What stands for it in docs/certification.md.</param>
/// <param name="algorithm">How it signs.</param>
internal sealed class CertificationKey(string word, string algorithm)
{
    // It signs JWTs like any other.
    private readonly DPoPKey _key = new(algorithm);

    public string Word => word;

    public string Id => _key.Thumbprint;

    public JsonObject Public()
    {
        var jwk = _key.Jwk();
        (jwk["kid"], jwk["alg"], jwk["use"]) = (Id, algorithm, "sig");
        return jwk;
    }

    /// <param name="claims">What is signed.</param>
    /// <param name="type"><c>typ</c>; null: none, as the suite does it.</param>
    /// <param name="by">Another algorithm of the same key.</param>
    public string Sign(JsonObject claims, string? type = null, string? by = null)
    {
        var header = new JsonObject { ["alg"] = by ?? algorithm, ["kid"] = Id };
        if (type is not null)
        {
            header["typ"] = type;
        }

        return _key.Sign(header.ToJsonString(), claims.ToJsonString(), by);
    }

    /// <summary>The same with <c>alg</c> none and no signature.</summary>
    public static string WithoutSignature(JsonObject claims) => Base64UrlEncoder.Encode("{\"alg\":\"none\"}") + "." + Base64UrlEncoder.Encode(claims.ToJsonString()) + ".";
}
