// RFC 8705 §2: a client proves itself by its certificate. CertificateRules asks.
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Server;

namespace Identity.OAuth.Clients;

/// <summary>Whether a certificate is the client's, by the policies that OpenIddict was given.</summary>
public sealed class CertificateProof(IClientKeySource keys, IOptionsMonitor<OpenIddictServerOptions> options, TimeProvider timeProvider)
{
    /// <summary>Whether a client registered for a certificate holds the key of this one. Not asked of other clients.</summary>
    public async ValueTask<bool> ProvesAsync(Client client, X509Certificate2 certificate, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(certificate);
        return client.TokenEndpointAuthMethod switch
        {
            "tls_client_auth" => client.TlsClientAuth is { } subject && subject.IsOf(certificate) && IsOfAnAuthority(certificate),
            "self_signed_tls_client_auth" => await IsRegisteredAsync(client, certificate, cancellationToken) && IsInForce(certificate),
            _ => false,
        };
    }

    // §2.1: a chain to an authority of the operator's, whole, in force, and for clients.
    private bool IsOfAnAuthority(X509Certificate2 certificate) =>
        options.CurrentValue.PublicKeyInfrastructureTlsClientAuthenticationPolicy is { } policy && Builds(certificate, policy.Clone(), least: 2);

    // §2.2: it is compared, and its issuer is nobody's business; only its dates and what it is for are.
    private bool IsInForce(X509Certificate2 certificate)
    {
        if (options.CurrentValue.SelfSignedTlsClientAuthenticationPolicy?.Clone() is not { } policy)
        {
            return false;
        }

        policy.CustomTrustStore.Add(certificate);
        policy.VerificationFlags |= X509VerificationFlags.AllowUnknownCertificateAuthority;
        return Builds(certificate, policy, least: 1);
    }

    private bool Builds(X509Certificate2 certificate, X509ChainPolicy policy, int least)
    {
        // Addresses in a certificate are its sender's word: nothing is fetched from them.
        policy.DisableCertificateDownloads = true;
        policy.VerificationTimeIgnored = false;
        policy.VerificationTime = timeProvider.GetUtcNow().UtcDateTime;
        using var chain = new X509Chain { ChainPolicy = policy };
        try
        {
            return chain.Build(certificate) && chain.ChainElements.Count >= least;
        }
        catch (CryptographicException)
        {
            return false;
        }
        finally
        {
            foreach (var element in chain.ChainElements)
            {
                element.Certificate.Dispose();
            }
        }
    }

    private async ValueTask<bool> IsRegisteredAsync(Client client, X509Certificate2 certificate, CancellationToken cancellationToken)
    {
        var value = Convert.ToBase64String(certificate.RawData);
        return Names(await keys.FindAsync(client, refresh: false, cancellationToken))
            || (client.JwksUri is not null && Names(await keys.FindAsync(client, refresh: true, cancellationToken)));

        // The first one is the key's own (RFC 7517 §4.7).
        bool Names(IReadOnlyList<JsonWebKey> known) => known.Any(key => key.Use is not "enc" && key.X5c is [var first, ..] && first == value);
    }
}
