// RFC 8705: what of mutual TLS OpenIddict is told. The host says where certificates come from and which authorities it trusts.
using System.Security.Cryptography.X509Certificates;
using Identity.OAuth.Requests;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.OAuth.Clients;

/// <summary>Which clients may be registered for certificates.</summary>
public enum CertificateSupport
{
    /// <summary>No certificate reaches the server.</summary>
    None,

    /// <summary>Those that register their own certificate, and those whose tokens are bound to one.</summary>
    SelfSigned,

    /// <summary>And those with a certificate of a trusted authority.</summary>
    Authorities,
}

/// <summary>Switches mutual TLS on.</summary>
public static class MutualTls
{
    /// <param name="services">After <c>AddIdentityOAuth</c>.</param>
    /// <param name="authorities">Roots, and authorities under them, for <c>tls_client_auth</c>; empty: that method is off.</param>
    /// <param name="address">Where clients with certificates find the endpoints, without a trailing slash; null: where everybody does.</param>
    public static IServiceCollection AddMutualTls(this IServiceCollection services, X509Certificate2Collection authorities, string? address)
    {
        ArgumentNullException.ThrowIfNull(authorities);
        services.AddOpenIddict().AddServer(server =>
        {
            // For which clients, TokenClaims and TokenCredentials decide.
            server.UseClientCertificateBoundAccessTokens().UseClientCertificateBoundRefreshTokens();
            server.EnableSelfSignedTlsClientAuthentication();
            if (authorities.Count > 0)
            {
                // Lists of revoked certificates are fetched from addresses in the certificates: a client is withdrawn here, by its registration.
                server.EnablePublicKeyInfrastructureTlsClientAuthentication(authorities, policy => policy.RevocationMode = X509RevocationMode.NoCheck);
            }

            if (address is not null)
            {
                services.Configure<OAuthOptions>(options => options.CertificateAddress = address);
                server.SetMtlsTokenEndpointAliasUri(address + "/" + ProtocolEndpoints.Token)
                    .SetMtlsPushedAuthorizationEndpointAliasUri(address + "/" + ProtocolEndpoints.PushedAuthorization)
                    .SetMtlsDeviceAuthorizationEndpointAliasUri(address + "/" + ProtocolEndpoints.DeviceAuthorization)
                    .SetMtlsUserInfoEndpointAliasUri(address + "/" + ProtocolEndpoints.UserInfo)
                    .SetMtlsIntrospectionEndpointAliasUri(address + "/" + ProtocolEndpoints.Introspection)
                    .SetMtlsRevocationEndpointAliasUri(address + "/" + ProtocolEndpoints.Revocation);
            }
        });
        return services;
    }
}
