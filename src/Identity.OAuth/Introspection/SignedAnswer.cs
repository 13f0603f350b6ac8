// RFC 9701: precedes OpenIddict's ProcessJsonResponse: the introspection answer as a signed JWT, so that who stores it can prove what it was told.
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;
using Identity.OAuth.Keys;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using OpenIddict.Server;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Introspection;

/// <summary>Signs for who asks for it by its media type.</summary>
internal sealed class SignedAnswer(ClientStore clients, KeyRing keys, IOptions<OAuthOptions> options, TimeProvider timeProvider) : IOpenIddictServerHandler<ApplyIntrospectionResponseContext>
{
    /// <summary>RFC 9701 §5.</summary>
    private const string JwtMediaType = "application/token-introspection+jwt";

    private static readonly JsonWebTokenHandler Handler = new() { SetDefaultTimesOnTokenCreation = false };

    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ApplyIntrospectionResponseContext>()
        .UseSingletonHandler<SignedAnswer>()
        .SetOrder(OpenIddictServerAspNetCoreHandlers.ProcessJsonResponse<ApplyIntrospectionResponseContext>.Descriptor.Order - 500)
        .Build();

    public async ValueTask HandleAsync(ApplyIntrospectionResponseContext context)
    {
        var http = context.Transaction.GetHttpRequest()!.HttpContext;
        if (!string.IsNullOrEmpty(context.Error) || !PrefersJwt(http.Request) || context.Request?.ClientId is not { } clientId || await clients.FindAsync(clientId, context.CancellationToken) is not { } client)
        {
            return;
        }

        var claims = new JsonObject
        {
            ["iss"] = options.Value.Issuer,
            ["aud"] = clientId,
            ["iat"] = timeProvider.GetUtcNow().ToUnixTimeSeconds(),
            ["token_introspection"] = JsonSerializer.SerializeToNode(context.Response),
        };
        var key = await keys.GetSigningKeyAsync(client.IntrospectionSignedResponseAlg, context.CancellationToken);
        http.Response.ContentType = JwtMediaType;
        await http.Response.WriteAsync(
            Handler.CreateToken(claims.ToJsonString(), key.Credentials, new Dictionary<string, object>(StringComparer.Ordinal) { [JwtHeaderParameterNames.Typ] = "token-introspection+jwt" }),
            context.CancellationToken);
        context.HandleRequest();
    }

    // §4: unless the caller would rather have the plain one (RFC 9110 §12.5.1).
    private static bool PrefersJwt(HttpRequest request)
    {
        var accepted = request.GetTypedHeaders().Accept;
        double Quality(string type) => accepted.Where(value => value.MediaType.Equals(type, StringComparison.OrdinalIgnoreCase)).Select(value => value.Quality ?? 1).DefaultIfEmpty(0).Max();
        var jwt = Quality(JwtMediaType);
        return jwt > 0 && jwt >= Quality("application/json");
    }
}
