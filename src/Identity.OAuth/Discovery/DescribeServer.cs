// RFC 8414 §2, RFC 9449 §5.1, OpenID Connect Discovery 1.0 §3: follows OpenIddict's Discovery.AttachAdditionalMetadata with what it cannot know, and what it says otherwise.
using System.Text.Json.Nodes;
using Identity.Accounts.SecondFactors;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.DPoP;
using Identity.OAuth.Keys;
using Identity.OAuth.Resources;
using Identity.OAuth.Sessions;
using Microsoft.Extensions.Options;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Discovery;

/// <summary>What the metadata document says besides. It announces exactly what is on.</summary>
internal sealed class DescribeServer(ResourceCatalog resources, IOptions<OAuthOptions> options) : IOpenIddictServerHandler<HandleConfigurationRequestContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<HandleConfigurationRequestContext>()
        .UseSingletonHandler<DescribeServer>()
        .SetOrder(OpenIddictServerHandlers.Discovery.AttachAdditionalMetadata.Descriptor.Order + 500)
        .Build();

    public async ValueTask HandleAsync(HandleConfigurationRequestContext context)
    {
        var known = await resources.ListAsync(context.CancellationToken);

        // Scopes that only clients name are theirs alone and are not announced.
        context.Scopes.Clear();
        context.Scopes.UnionWith(known.SelectMany(resource => resource.ScopesSupported));
        context.Claims.Clear();
        context.Claims.UnionWith(["sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid", .. ClaimsByScope.Claims]);
        context.IdTokenSigningAlgorithms.Clear();
        context.IdTokenSigningAlgorithms.UnionWith(SigningKey.SupportedAlgorithms);
        context.GrantTypes.Remove(FirstParty.FirstPartyClient.GrantType);

        var metadata = context.Metadata;
        metadata["prompt_values_supported"] = List(["none", "login", "consent", "select_account", "create"]);
        metadata["acr_values_supported"] = List(AuthenticationContexts.All);
        metadata["display_values_supported"] = List(["page"]);
        metadata["claim_types_supported"] = List(["normal"]);
        metadata["claims_parameter_supported"] = true;
        metadata["request_parameter_supported"] = true;
        metadata["request_object_signing_alg_values_supported"] = List(RequestObjects.Algorithms);
        metadata["authorization_signing_alg_values_supported"] = List(SigningKey.SupportedAlgorithms);
        metadata["request_uri_parameter_supported"] = true;
        metadata["require_request_uri_registration"] = true;
        metadata["authorization_response_iss_parameter_supported"] = true;
        metadata["backchannel_logout_supported"] = true;
        metadata["backchannel_logout_session_supported"] = true;
        metadata["dpop_signing_alg_values_supported"] = List(DPoPProof.Algorithms);
        metadata["frontchannel_logout_supported"] = true;
        metadata["frontchannel_logout_session_supported"] = true;
        metadata["introspection_signing_alg_values_supported"] = List(SigningKey.SupportedAlgorithms);
        metadata["ui_locales_supported"] = List(options.Value.UiLocales);
        metadata["protected_resources"] = List(known.Select(resource => resource.Identifier).Where(identifier => Uri.TryCreate(identifier, UriKind.Absolute, out _)));
        if (options.Value.SessionManagement)
        {
            metadata["check_session_iframe"] = options.Value.Issuer + SessionState.FramePath;
        }

        foreach (var endpoint in (string[])["token", "revocation", "introspection"])
        {
            metadata[endpoint + "_endpoint_auth_signing_alg_values_supported"] = List(PrivateKeyJwt.Algorithms);
        }

        foreach (var (name, value) in options.Value.Metadata)
        {
            metadata[name] = value;
        }
    }

    private static JsonArray List(IEnumerable<string> values) => [.. values.Select(value => JsonValue.Create(value))];
}
