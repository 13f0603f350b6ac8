// OpenID's JWT Secured Authorization Response Mode for OAuth 2.0 (JARM) §2, RFC 9207 §2: follows OpenIddict's Authentication.AttachIssuer. The answer, an error too, as one JWT that we signed.
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;
using Identity.OAuth.Keys;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Authorize;

/// <summary>Signs for clients that ask for it by <c>response_mode</c>, in the algorithm they are registered for.</summary>
internal sealed class SignAnswer(ClientStore clients, KeyRing keys, IOptions<OAuthOptions> options, TimeProvider timeProvider) : IOpenIddictServerHandler<ApplyAuthorizationResponseContext>
{
    private static readonly JsonWebTokenHandler Handler = new() { SetDefaultTimesOnTokenCreation = false };

    // §2.1: ten minutes at most. A code is over long before.
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(5);

    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ApplyAuthorizationResponseContext>()
        .UseSingletonHandler<SignAnswer>()
        .SetOrder(Authentication.AttachIssuer.Descriptor.Order + 500)
        .Build();

    public async ValueTask HandleAsync(ApplyAuthorizationResponseContext context)
    {
        if (string.IsNullOrEmpty(context.RedirectUri) || SignedModes.Carrier(context.ResponseMode) is not { } carrier || await clients.FindAsync(context.Request!.ClientId!, context.CancellationToken) is not { } client)
        {
            return;
        }

        var claims = new JsonObject { ["aud"] = client.ClientId, ["exp"] = (timeProvider.GetUtcNow() + Life).ToUnixTimeSeconds() };
        foreach (var (name, value) in context.Response.GetParameters())
        {
            claims[name] = (string?)value;
        }

        // RFC 9207 §2: iss is in the JWT and not beside it.
        claims["iss"] = options.Value.Issuer;
        var key = await keys.GetSigningKeyAsync(client.AuthorizationSignedResponseAlg, context.CancellationToken);
        context.Response = new OpenIddictResponse { ["response"] = Handler.CreateToken(claims.ToJsonString(), key.Credentials) };
        context.ResponseMode = carrier;
    }
}

/// <summary>JARM §2.3: the response modes whose answer is signed.</summary>
internal static class SignedModes
{
    public static IReadOnlyList<string> All { get; } = ["jwt", "query.jwt", "fragment.jwt", "form_post.jwt"];

    /// <summary>How the JWT travels; null: a mode that is not signed. <c>jwt</c> alone is what a code comes by otherwise (§2.3.4).</summary>
    public static string? Carrier(string? mode) => mode switch
    {
        "jwt" or "query.jwt" => "query",
        "fragment.jwt" => "fragment",
        "form_post.jwt" => "form_post",
        _ => null,
    };
}
