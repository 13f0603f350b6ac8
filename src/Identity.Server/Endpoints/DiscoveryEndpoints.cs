// RFC 8414 §3, OpenID Connect Discovery 1.0 §4, RFC 7517 §5, RFC 9728 §3: what this server says of itself.
using System.Text;
using System.Text.Json.Nodes;
using Identity.OAuth;
using Identity.OAuth.Discovery;
using Identity.OAuth.Keys;
using Identity.OAuth.Resources;
using Identity.Server.Pages.Branding;
using Microsoft.Extensions.Options;

namespace Identity.Server.Endpoints;

/// <summary>Maps the metadata documents and the key set.</summary>
internal static class DiscoveryEndpoints
{
    private static readonly string[] Locales = ["en", "de"];

    public static EndpointPaths Paths { get; } = new()
    {
        Authorize = "/connect/authorize",
        Token = "/connect/token",
        Jwks = "/connect/jwks",
        UserInfo = "/connect/userinfo",
        Introspection = "/connect/introspect",
        Revocation = "/connect/revoke",
        EndSession = "/connect/endsession",
    };

    public static void MapDiscovery(this IEndpointRouteBuilder endpoints)
    {
        // The same bytes until a resource changes; few enough that a minute's age harms nobody.
        var cache = new DocumentCache();
        endpoints.MapGet("/.well-known/openid-configuration", context => cache.WriteAsync(context)).ExcludeFromDescription();
        endpoints.MapGet("/.well-known/oauth-authorization-server", context => cache.WriteAsync(context)).ExcludeFromDescription();
        endpoints.MapGet(Paths.Jwks, async (HttpContext context, KeyRing keys) =>
        {
            Cors.AllowAll(context);
            context.Response.Headers.CacheControl = "public, max-age=300";
            context.Response.ContentType = "application/jwk-set+json";
            await context.Response.Body.WriteAsync(await keys.GetJwksAsync(context.RequestAborted), context.RequestAborted);
        }).ExcludeFromDescription();
        var userInfo = new Uri(ResourceCatalog.MetadataAddress(endpoints.ServiceProvider.GetRequiredService<ResourceCatalog>().UserInfo.Identifier));
        endpoints.MapGet(userInfo.AbsolutePath, (ResourceCatalog resources, IOptions<OAuthOptions> options) => Results.Json(new JsonObject
        {
            ["resource"] = resources.UserInfo.Identifier,
            ["resource_name"] = resources.UserInfo.ResourceName,
            ["authorization_servers"] = new JsonArray(options.Value.Issuer),
            ["scopes_supported"] = new JsonArray([.. resources.UserInfo.ScopesSupported.Select(scope => JsonValue.Create(scope))]),
            ["bearer_methods_supported"] = new JsonArray("header", "body"),
        })).ExcludeFromDescription();
    }

    private sealed class DocumentCache
    {
        private volatile Tuple<DateTimeOffset, byte[]>? _document;

        public async Task WriteAsync(HttpContext context)
        {
            var now = context.RequestServices.GetRequiredService<TimeProvider>().GetUtcNow();
            var document = _document;
            if (document is null || now - document.Item1 > TimeSpan.FromSeconds(30))
            {
                var json = await context.RequestServices.GetRequiredService<MetadataDocument>().BuildAsync(Paths, Locales, context.RequestAborted);

                // OpenID Connect Discovery 1.0 §3: where the operator wrote them down, for applications as for people.
                var branding = context.RequestServices.GetRequiredService<IOptions<BrandingOptions>>().Value;
                Add(json, "op_policy_uri", branding.PrivacyUrl);
                Add(json, "op_tos_uri", branding.TermsUrl);
                document = _document = Tuple.Create(now, Encoding.UTF8.GetBytes(json.ToJsonString()));
            }

            Cors.AllowAll(context);
            context.Response.Headers.CacheControl = "public, max-age=300";
            context.Response.ContentType = "application/json";
            context.Response.ContentLength = document.Item2.Length;
            await context.Response.Body.WriteAsync(document.Item2, context.RequestAborted);
        }

        private static void Add(JsonObject document, string name, string? value)
        {
            if (value is not null)
            {
                document[name] = value;
            }
        }
    }
}
