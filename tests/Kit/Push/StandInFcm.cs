using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Kit.Push;

/// <summary>A provider's refusal, as it goes over the wire.</summary>
public sealed record PushFault(int Status, string Body, string? RetryAfter = null);

/// <summary>
/// Google's side: the token endpoint of service accounts, which checks the assertion's signature, and FCM HTTP v1. Each registration token
/// may have faults in store, which are told one after the other before its messages are taken.
/// </summary>
public sealed class StandInFcm : IAsyncDisposable
{
    public const string Project = "shop-1234";
    private const string Email = "sender@shop-1234.iam.gserviceaccount.com";
    private readonly RSA _key = QuickKeys.CreateRsa();
    private readonly ConcurrentDictionary<string, ConcurrentQueue<PushFault>> _faults = new(StringComparer.Ordinal);
    private readonly Channel<JsonObject> _arrivals = Channel.CreateUnbounded<JsonObject>();
    private WebApplication _app = null!;
    private int _tokens;

    public Uri Address { get; private set; } = null!;

    /// <summary>What was taken, in order.</summary>
    public ConcurrentQueue<JsonObject> Taken { get; } = new();

    /// <summary>Every request for a message, refused ones too.</summary>
    public ConcurrentQueue<string> Asked { get; } = new();

    /// <summary>What was wrong with requests, other than by plan.</summary>
    public ConcurrentQueue<string> Complaints { get; } = new();

    /// <summary>Access tokens given out.</summary>
    public int AccessTokens => Volatile.Read(ref _tokens);

    /// <summary>So many of them, the first ones, are worth nothing any more.</summary>
    public int TakenBack { get; set; }

    /// <summary>What was taken, for tests that wait for it.</summary>
    public ChannelReader<JsonObject> Arrivals => _arrivals.Reader;

    /// <summary>For FIREBASE_CREDENTIALS.</summary>
    public string Credentials => new JsonObject
    {
        ["type"] = "service_account",
        ["project_id"] = Project,
        ["private_key_id"] = "1",
        ["private_key"] = _key.ExportPkcs8PrivateKeyPem(),
        ["client_email"] = Email,
        ["token_uri"] = new Uri(Address, "/token").AbsoluteUri,
    }.ToJsonString();

    public static PushFault Error(int status, string code, string? retryAfter = null, string type = "type.googleapis.com/google.firebase.fcm.v1.FcmError") => new(
        status,
        new JsonObject
        {
            ["error"] = new JsonObject
            {
                ["code"] = status,
                ["message"] = code == "INVALID_ARGUMENT" ? "The registration token is not a valid FCM registration token" : "no",
                ["status"] = code is "UNREGISTERED" ? "NOT_FOUND" : code,
                ["details"] = new JsonArray(new JsonObject { ["@type"] = type, ["errorCode"] = code }),
            },
        }.ToJsonString(),
        retryAfter);

    public static async Task<StandInFcm> StartAsync()
    {
        var server = new StandInFcm();
        server._app = StandIn.Build(HttpProtocols.Http1AndHttp2);
        server._app.MapPost("/token", server.TokenAsync);
        server._app.MapPost("/v1/projects/{project}/messages:send", server.SendAsync);
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

    // RFC 7523 §2.1.
    private async Task<IResult> TokenAsync(HttpRequest request)
    {
        var form = await request.ReadFormAsync();
        var result = await new JsonWebTokenHandler().ValidateTokenAsync(form["assertion"], new TokenValidationParameters
        {
            IssuerSigningKey = new RsaSecurityKey(_key),
            ValidIssuer = Email,

            // What Google's library names, wherever the token endpoint is.
            ValidAudience = "https://oauth2.googleapis.com/token",
            ValidAlgorithms = ["RS256"],
        });
        if (form["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer" || !result.IsValid || !result.Claims.TryGetValue("scope", out var scope) || (string)scope != "https://www.googleapis.com/auth/firebase.messaging")
        {
            Complaints.Enqueue("assertion: " + result.Exception?.Message);
            return Results.Json(new { error = "invalid_grant" }, statusCode: 400);
        }

        return Results.Json(new { access_token = "access-" + Interlocked.Increment(ref _tokens), expires_in = 3600, token_type = "Bearer" });
    }

    private async Task<IResult> SendAsync(HttpRequest request, string project)
    {
        // Each process has an access token of its own.
        var authorization = request.Headers.Authorization.ToString();
        if (!authorization.StartsWith("Bearer access-", StringComparison.Ordinal) || !int.TryParse(authorization.AsSpan(14), out var nth) || nth < 1 || nth > AccessTokens || project != Project || request.ContentType != "application/json")
        {
            Complaints.Enqueue($"authorization {request.Headers.Authorization}, project {project}, type {request.ContentType}");
            return Results.Text(Error(401, "UNAUTHENTICATED", type: "type.googleapis.com/google.rpc.ErrorInfo").Body, "application/json", statusCode: 401);
        }

        if (nth <= TakenBack)
        {
            return Results.Text(Error(401, "UNAUTHENTICATED", type: "type.googleapis.com/google.rpc.ErrorInfo").Body, "application/json", statusCode: 401);
        }

        var message = (await JsonNode.ParseAsync(request.Body))!["message"]!.AsObject();
        var token = (string)message["token"]!;
        Asked.Enqueue(token);
        if (message["android"]?["priority"]?.GetValue<string>() != "HIGH" || message["android"]?["ttl"]?.GetValue<string>().EndsWith('s') != true || message["data"]!.AsObject().Any(pair => pair.Value!.GetValueKind() != JsonValueKind.String))
        {
            Complaints.Enqueue("message: " + message.ToJsonString());
        }

        if (_faults.TryGetValue(token, out var faults) && faults.TryDequeue(out var fault))
        {
            return StandIn.Refuse(request.HttpContext, fault);
        }

        Taken.Enqueue(message);
        _arrivals.Writer.TryWrite(message);
        return Results.Json(new { name = $"projects/{Project}/messages/{Guid.NewGuid():N}" });
    }
}

/// <summary>What stand-ins have in common.</summary>
internal static class StandIn
{
    public static WebApplication Build(HttpProtocols protocols)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = protocols));
        return builder.Build();
    }

    public static Uri Address(WebApplication app) => new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

    public static IResult Refuse(HttpContext context, PushFault fault)
    {
        if (fault.RetryAfter is not null)
        {
            context.Response.Headers.RetryAfter = fault.RetryAfter;
        }

        return Results.Text(fault.Body, "application/json", statusCode: fault.Status);
    }
}
