// RFC 6749 §2.3.1 (client_secret_basic), RFC 7523 §2.2 and OpenID Connect Core §9 (private_key_jwt).
using System.Buffers.Text;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Server.External.Oidc;

/// <summary>Says who we are at the provider's token and revocation endpoints, in the one way that the client is registered for there: OpenAM takes no other.</summary>
internal sealed class OidcClientAuthentication(ProviderOptions options, TimeProvider timeProvider)
{
    public bool IsBasic => options.ClientAuthentication == "client_secret_basic";

    public AuthenticationHeaderValue Basic() =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(WebUtility.UrlEncode(options.ClientId) + ":" + WebUtility.UrlEncode(options.ClientSecret))));

    /// <summary>Fields of the form; none for Basic.</summary>
    /// <param name="issuer">Of the provider.</param>
    /// <param name="tokenEndpoint">Of the provider.</param>
    public IEnumerable<KeyValuePair<string, string>> Fields(string issuer, string tokenEndpoint)
    {
        switch (options.ClientAuthentication)
        {
            case "client_secret_post":
                yield return new("client_id", options.ClientId!);
                yield return new("client_secret", options.ClientSecret!);
                break;
            case "private_key_jwt":
                yield return new("client_id", options.ClientId!);
                yield return new("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

                // The issuer as audience is the safer reading (RFC 7523bis); OpenAM knows only the token endpoint.
                yield return new("client_assertion", Assertion(options.IsOpenAm ? tokenEndpoint : issuer));
                break;
        }
    }

    private string Assertion(string audience)
    {
        var now = timeProvider.GetUtcNow().UtcDateTime;
        var pem = File.ReadAllText(options.ClientKeyFile!);
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = options.ClientId,
            Audience = audience,
            IssuedAt = now,
            NotBefore = now,
            Expires = now.AddMinutes(1),
            Claims = new Dictionary<string, object>(StringComparer.Ordinal) { ["sub"] = options.ClientId!, ["jti"] = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16)) },
            SigningCredentials = Credentials(pem),
        });
    }

    /// <exception cref="CryptographicException">It is neither an RSA nor an EC key.</exception>
    /// <exception cref="ArgumentException">It is no PEM.</exception>
    internal static SigningCredentials Credentials(string pem)
    {
        try
        {
            var rsa = RSA.Create();
            rsa.ImportFromPem(pem);
            return new SigningCredentials(new RsaSecurityKey(rsa) { CryptoProviderFactory = new CryptoProviderFactory { CacheSignatureProviders = false } }, SecurityAlgorithms.RsaSha256);
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            var ec = ECDsa.Create();
            ec.ImportFromPem(pem);
            return new SigningCredentials(
                new ECDsaSecurityKey(ec) { CryptoProviderFactory = new CryptoProviderFactory { CacheSignatureProviders = false } },
                ec.KeySize switch { 256 => SecurityAlgorithms.EcdsaSha256, 384 => SecurityAlgorithms.EcdsaSha384, _ => SecurityAlgorithms.EcdsaSha512 });
        }
    }

    /// <summary>Adds the Basic header to what is posted: the handler knows only secrets in the body.</summary>
    internal sealed class Handler(OidcClientAuthentication authentication, HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (authentication.IsBasic && request.Method == HttpMethod.Post && request.Headers.Authorization is null)
            {
                request.Headers.Authorization = authentication.Basic();
            }

            return base.SendAsync(request, cancellationToken);
        }
    }
}
