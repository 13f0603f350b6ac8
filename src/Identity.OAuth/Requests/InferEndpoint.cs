// RFC 8414 §2 and RFC 9700 §2.6: replaces OpenIddict's ResolveRequestUri, which believes the Host header, and InferEndpointType, which makes and compares a Uri for each address of each endpoint: a twelfth of a token request's time.
// Addresses are those of PUBLIC_URL, whoever asks under whatever name; what follows it decides which endpoint it is, and the query is read from the request itself.
using System.Collections.Frozen;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore;
using Microsoft.Extensions.Options;
using OpenIddict.Server;
using static OpenIddict.Server.AspNetCore.OpenIddictServerAspNetCoreHandlers;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Requests;

/// <summary>What the server is called, and which of its endpoints is asked: regardless of case, as routes are.</summary>
internal sealed class InferEndpoint(IOptions<OAuthOptions> options) : IOpenIddictServerHandler<ProcessRequestContext>
{
    private readonly Uri _base = new(options.Value.Issuer + "/");

    // By the options, as the dispatcher's tables.
    private readonly ConditionalWeakTable<OpenIddictServerOptions, FrozenDictionary<string, Endpoint>> _endpoints = [];

    private sealed record Endpoint(OpenIddictServerEndpointType Type, Uri Address);

    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessRequestContext>()
        .UseSingletonHandler<InferEndpoint>()
        .SetOrder(ResolveRequestUri.Descriptor.Order)
        .Build();

    public ValueTask HandleAsync(ProcessRequestContext context)
    {
        var path = context.Transaction.GetHttpRequest()!.Path;
        context.BaseUri = _base;
        if (_endpoints.GetValue(context.Options, Read).TryGetValue(path.Value ?? "", out var endpoint))
        {
            context.RequestUri = endpoint.Address;
            context.EndpointType = endpoint.Type;
            return default;
        }

        context.RequestUri = new Uri(_base, path.HasValue ? "." + path.ToUriComponent() : "");
        context.EndpointType = OpenIddictServerEndpointType.Unknown;
        return default;
    }

    private FrozenDictionary<string, Endpoint> Read(OpenIddictServerOptions options) => (
        from endpoint in new (OpenIddictServerEndpointType Type, List<Uri> Addresses)[]
        {
            (OpenIddictServerEndpointType.Authorization, options.AuthorizationEndpointUris),
            (OpenIddictServerEndpointType.Configuration, options.ConfigurationEndpointUris),
            (OpenIddictServerEndpointType.DeviceAuthorization, options.DeviceAuthorizationEndpointUris),
            (OpenIddictServerEndpointType.EndSession, options.EndSessionEndpointUris),
            (OpenIddictServerEndpointType.EndUserVerification, options.EndUserVerificationEndpointUris),
            (OpenIddictServerEndpointType.Introspection, options.IntrospectionEndpointUris),
            (OpenIddictServerEndpointType.JsonWebKeySet, options.JsonWebKeySetEndpointUris),
            (OpenIddictServerEndpointType.PushedAuthorization, options.PushedAuthorizationEndpointUris),
            (OpenIddictServerEndpointType.Revocation, options.RevocationEndpointUris),
            (OpenIddictServerEndpointType.Token, options.TokenEndpointUris),
            (OpenIddictServerEndpointType.UserInfo, options.UserInfoEndpointUris),
        }
        from address in endpoint.Addresses
        select (Path: "/" + address.OriginalString.Trim('/'), Endpoint: new Endpoint(endpoint.Type, new Uri(_base, address.OriginalString))))
        .ToFrozenDictionary(pair => pair.Path, pair => pair.Endpoint, StringComparer.OrdinalIgnoreCase);
}
