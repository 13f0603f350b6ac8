using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Kit.Push;

/// <summary>A message as Apple took it.</summary>
public sealed record ApplePush(string Token, IReadOnlyDictionary<string, string> Headers, JsonObject Body);

/// <summary>Apple's side, over HTTP/2 and nothing else: checks headers and the provider token's signature and age, and counts its changes.</summary>
public sealed class StandInApns : IAsyncDisposable
{
    public const string KeyId = "ABC123DEFG";
    public const string TeamId = "DEF123GHIJ";
    public const string Topic = "com.example.app";
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ConcurrentDictionary<string, ConcurrentQueue<PushFault>> _faults = new(StringComparer.Ordinal);
    private readonly TimeProvider _time;
    private WebApplication _app = null!;

    private StandInApns(TimeProvider time) => _time = time;

    public Uri Address { get; private set; } = null!;

    /// <summary>For APNS_KEY.</summary>
    public string Key => _key.ExportPkcs8PrivateKeyPem();

    public ConcurrentQueue<ApplePush> Taken { get; } = new();

    public ConcurrentQueue<string> Complaints { get; } = new();

    /// <summary>The provider tokens seen, each with when it came first.</summary>
    public ConcurrentDictionary<string, DateTimeOffset> ProviderTokens { get; } = new(StringComparer.Ordinal);

    /// <summary>Provider tokens that are called expired.</summary>
    public ConcurrentDictionary<string, bool> Expired { get; } = new(StringComparer.Ordinal);

    public static PushFault Error(int status, string reason, DateTimeOffset? timestamp = null, string? retryAfter = null)
    {
        var body = new JsonObject { ["reason"] = reason };
        if (timestamp is { } at)
        {
            body["timestamp"] = at.ToUnixTimeMilliseconds();
        }

        return new(status, body.ToJsonString(), retryAfter);
    }

    public static async Task<StandInApns> StartAsync(TimeProvider time)
    {
        var server = new StandInApns(time) { _app = StandIn.Build(HttpProtocols.Http2) };
        server._app.MapPost("/3/device/{token}", server.SendAsync);
        await server._app.StartAsync();
        server.Address = StandIn.Address(server._app);
        return server;
    }

    public void Plan(string token, params PushFault[] faults) => _faults[token] = new(faults);

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _key.Dispose();
    }

    private async Task<IResult> SendAsync(HttpRequest request, string token)
    {
        if (request.Protocol != "HTTP/2")
        {
            Complaints.Enqueue(request.Protocol);
        }

        var headers = request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase);
        var authorization = headers.GetValueOrDefault("authorization", "");
        if (!authorization.StartsWith("bearer ", StringComparison.Ordinal) || !IsRight(authorization[7..]))
        {
            Complaints.Enqueue("authorization");
            return StandIn.Refuse(request.HttpContext, Error(403, "InvalidProviderToken"));
        }

        ProviderTokens.TryAdd(authorization[7..], _time.GetUtcNow());
        if (Expired.ContainsKey(authorization[7..]))
        {
            return StandIn.Refuse(request.HttpContext, Error(403, "ExpiredProviderToken"));
        }

        if (headers.GetValueOrDefault("apns-push-type") != "alert" || headers.GetValueOrDefault("apns-priority") != "10" || !Guid.TryParseExact(headers.GetValueOrDefault("apns-id"), "D", out _)
            || headers.GetValueOrDefault("apns-topic") != Topic || headers.GetValueOrDefault("apns-collapse-id", "").Length is 0 or > 64
            || !long.TryParse(headers.GetValueOrDefault("apns-expiration"), out var expiration) || expiration <= _time.GetUtcNow().ToUnixTimeSeconds())
        {
            Complaints.Enqueue("headers: " + string.Join(", ", headers.Where(header => header.Key != "authorization")));
        }

        var body = (await JsonNode.ParseAsync(request.Body))!.AsObject();
        if (_faults.TryGetValue(token, out var faults) && faults.TryDequeue(out var fault))
        {
            return StandIn.Refuse(request.HttpContext, fault);
        }

        Taken.Enqueue(new(token, headers, body));
        request.HttpContext.Response.Headers["apns-id"] = headers["apns-id"];
        return Results.Ok();
    }

    // By hand: the signature over the two parts as they stand, by the public key.
    private bool IsRight(string jwt)
    {
        var parts = jwt.Split('.');
        if (parts.Length != 3)
        {
            return false;
        }

        var header = JsonNode.Parse(Base64UrlEncoder.Decode(parts[0]))!;
        var payload = JsonNode.Parse(Base64UrlEncoder.Decode(parts[1]))!;
        var age = _time.GetUtcNow() - DateTimeOffset.FromUnixTimeSeconds((long)payload["iat"]!);
        using var key = ECDsa.Create(_key.ExportParameters(includePrivateParameters: false));
        return (string?)header["alg"] == "ES256" && (string?)header["kid"] == KeyId && (string?)payload["iss"] == TeamId
            && age > TimeSpan.FromMinutes(-1) && age < TimeSpan.FromMinutes(60)
            && key.VerifyData(Encoding.ASCII.GetBytes(parts[0] + "." + parts[1]), Base64UrlEncoder.DecodeBytes(parts[2]), HashAlgorithmName.SHA256);
    }
}
