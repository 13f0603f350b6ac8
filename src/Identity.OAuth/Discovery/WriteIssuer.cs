// RFC 8414 §2: precedes OpenIddict's writing of the metadata document.
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Discovery;

/// <summary>The issuer is written without a trailing slash: clients in the field compare it character by character.</summary>
internal sealed class WriteIssuer(IOptions<OAuthOptions> options) : IOpenIddictServerHandler<ApplyConfigurationResponseContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ApplyConfigurationResponseContext>()
        .UseSingletonHandler<WriteIssuer>()
        .SetOrder(int.MinValue + 60_000)
        .Build();

    public ValueTask HandleAsync(ApplyConfigurationResponseContext context)
    {
        if (string.IsNullOrEmpty(context.Error))
        {
            var response = context.Response!;
            response["issuer"] = options.Value.Issuer;

            // No registered member: certification warns of it.
            response["pushed_authorization_request_endpoint_auth_methods_supported"] = null;
            response["device_authorization_endpoint_auth_methods_supported"] = null;

            // A public client cannot introspect.
            response["introspection_endpoint_auth_methods_supported"] = response["token_endpoint_auth_methods_supported"] is { } methods
                ? new JsonArray([.. ((System.Collections.Immutable.ImmutableArray<string?>?)methods ?? []).Where(method => method != "none").Select(method => JsonValue.Create(method))])
                : null;
        }

        return default;
    }
}
