using System.Globalization;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Identity.Tests.Kit.Push;

/// <summary>A person's phone with the app of the contract: holds a P-256 key that nobody else sees, and signs what the documents say, written anew from them.</summary>
public sealed class SimulatedDevice : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    /// <summary>As POST /devices answered it.</summary>
    public string Id { get; set; } = "";

    public string Token { get; } = "t:" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    public string PublicKey => Convert.ToBase64String(_key.ExportSubjectPublicKeyInfo());

    /// <summary>Body of POST /devices.</summary>
    public object Registration => new { platform = "android", token = Token, deviceId = "phone-" + Token[2..10], appId = "com.example.app", publicKey = PublicKey };

    public string Sign(params string[] lines) => Convert.ToBase64String(_key.SignData(Encoding.ASCII.GetBytes(string.Join('\n', lines)), HashAlgorithmName.SHA256));

    /// <summary>Below /api/identity.</summary>
    public string ListPath(DateTimeOffset now, string? deviceId = null)
    {
        var time = now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        deviceId ??= Id;
        return $"devices/sign-ins?deviceId={deviceId}&time={time}&signature={Uri.EscapeDataString(Sign("identity-sign-ins-v1", deviceId, time))}";
    }

    /// <summary>Body of POST …/approve.</summary>
    public object Approval(JsonNode signIn, string number, bool userVerified = false, string? deviceId = null) => new
    {
        deviceId = deviceId ?? Id,
        number,
        userVerified,
        signature = Sign("identity-sign-in-v1", (string)signIn["id"]!, "approve", number, userVerified ? "verified" : "unverified", deviceId ?? Id, (string)signIn["nonce"]!),
    };

    /// <summary>Body of POST …/deny.</summary>
    public object Denial(JsonNode signIn) => new { deviceId = Id, signature = Sign("identity-sign-in-v1", (string)signIn["id"]!, "deny", "-", "unverified", Id, (string)signIn["nonce"]!) };

    /// <summary>What waits, asked over HTTP.</summary>
    public async Task<JsonArray> PendingAsync(HttpClient http, DateTimeOffset now) => JsonNode.Parse(await http.GetStringAsync("/api/identity/" + ListPath(now)))!.AsArray();

    /// <summary>Answers over HTTP.</summary>
    public static Task<HttpResponseMessage> AnswerAsync(HttpClient http, JsonNode signIn, string answer, object body) => http.PostAsJsonAsync($"/api/identity/devices/sign-ins/{(string)signIn["id"]!}/{answer}", body);

    public void Dispose() => _key.Dispose();
}
