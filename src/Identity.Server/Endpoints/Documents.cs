// RFC 8414 §3, RFC 7517 §5, RFC 9728 §3, RFC 9110 §9.3.2: documents that say the same for a while are made once and kept as bytes.
using System.Text.Json.Nodes;
using Identity.Api.OpenApi;
using Identity.OAuth;
using Identity.OAuth.DPoP;
using Identity.OAuth.Keys;
using Identity.OAuth.Requests;
using Identity.OAuth.Resources;
using Microsoft.Extensions.Options;

namespace Identity.Server.Endpoints;

/// <summary>Keeps what OpenIddict answers for the metadata document and the key set, until a key changes or half a minute has passed.</summary>
internal sealed class Documents(RequestDelegate next, KeyRing keys, TimeProvider timeProvider)
{
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(30);

    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, Kept> _kept = new(StringComparer.OrdinalIgnoreCase);

    private sealed record Kept(byte[] Body, string? ContentType, DateTimeOffset At, object Keys);

    public async Task InvokeAsync(HttpContext context)
    {
        if (!HttpMethods.IsGet(context.Request.Method) || ProtocolEndpoints.KindOf(context.Request.Path) != EndpointKind.Document)
        {
            await next(context);
            return;
        }

        // Read again when its own time has come: a key that another node made is in the set as soon as it is in the ring.
        await keys.EnsureFreshAsync(context.RequestAborted);
        var path = context.Request.Path.Value!;
        var now = timeProvider.GetUtcNow();
        if (_kept.TryGetValue(path, out var kept) && now - kept.At < Life && ReferenceEquals(kept.Keys, keys.Changed))
        {
            await WriteAsync(context, kept);
            return;
        }

        var ring = keys.Changed;
        var body = context.Response.Body;
        using var captured = new MemoryStream();
        context.Response.Body = captured;
        try
        {
            await next(context);
        }
        finally
        {
            context.Response.Body = body;
        }

        if (context.Response.StatusCode != StatusCodes.Status200OK)
        {
            await body.WriteAsync(captured.GetBuffer().AsMemory(0, (int)captured.Length), context.RequestAborted);
            return;
        }

        kept = _kept[path] = new(captured.ToArray(), path.EndsWith("jwks", StringComparison.OrdinalIgnoreCase) ? "application/json" : context.Response.ContentType, now, ring);
        await WriteAsync(context, kept);
    }

    private static Task WriteAsync(HttpContext context, Kept kept)
    {
        context.Response.Headers.AccessControlAllowOrigin = "*";
        context.Response.Headers.CacheControl = "public, max-age=300";
        context.Response.ContentType = kept.ContentType;
        context.Response.ContentLength = kept.Body.Length;
        return context.Response.Body.WriteAsync(kept.Body, context.RequestAborted).AsTask();
    }
}

/// <summary>The AsyncAPI document: what is sent to the broker and taken from it.</summary>
internal static class AsyncApiDocument
{
    public static void MapAsyncApi(this IEndpointRouteBuilder endpoints) =>
        endpoints.MapMethods(ApiDocumentOptions.AsyncApiPath, ["GET", "HEAD"], () =>
        {
            // RFC 9512: YAML has a type.
            var document = typeof(AsyncApiDocument).Assembly.GetManifestResourceStream("asyncapi.yaml") ?? throw new InvalidOperationException("docs/asyncapi.yaml is not in the assembly.");
            return Results.Stream(document, "application/yaml");
        }).ExcludeFromDescription();
}

/// <summary>RFC 9728: what userinfo, as a resource, says of itself.</summary>
internal static class UserInfoMetadata
{
    public static void MapUserInfoMetadata(this IEndpointRouteBuilder endpoints)
    {
        var resource = endpoints.ServiceProvider.GetRequiredService<ResourceCatalog>().UserInfo;
        endpoints.MapMethods(new Uri(ResourceCatalog.MetadataAddress(resource.Identifier)).AbsolutePath, ["GET", "HEAD"], (IOptions<OAuthOptions> options) => Results.Json(new JsonObject
        {
            ["resource"] = resource.Identifier,
            ["resource_name"] = resource.ResourceName,
            ["authorization_servers"] = new JsonArray(options.Value.Issuer),
            ["scopes_supported"] = new JsonArray([.. resource.ScopesSupported.Select(scope => JsonValue.Create(scope))]),
            ["bearer_methods_supported"] = new JsonArray("header", "body"),
            ["dpop_signing_alg_values_supported"] = new JsonArray([.. DPoPProof.Algorithms.Select(algorithm => JsonValue.Create(algorithm))]),
        })).ExcludeFromDescription();
    }
}
