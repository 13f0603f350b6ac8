// RFC 6749 §2.3: client authentication at the token, introspection and revocation endpoints. One method a request, the registered one.
using System.Text;

namespace Identity.OAuth.Clients.ClientAuthentication;

/// <summary>A way for a client to prove itself.</summary>
public interface IClientAuthenticationMethod
{
    /// <summary><c>token_endpoint_auth_method</c>.</summary>
    string Name { get; }

    /// <summary>Whether the credentials are this client's.</summary>
    ValueTask<bool> ProvesAsync(Client client, ClientCredentials credentials, CancellationToken cancellationToken);
}

/// <summary>The credentials a request carries.</summary>
/// <param name="Method">The method they are of.</param>
/// <param name="ClientId">Whom they claim to be.</param>
/// <param name="Secret">client_secret, or the assertion.</param>
public sealed record ClientCredentials(string Method, string ClientId, string? Secret);

/// <summary>Reads the credentials of a request and has the client's registered method check them.</summary>
public sealed class ClientAuthenticator(IClientStore clients, IEnumerable<IClientAuthenticationMethod> methods)
{
    private const string AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    private readonly Dictionary<string, IClientAuthenticationMethod> _methods = methods.ToDictionary(method => method.Name, StringComparer.Ordinal);

    /// <summary>The registered methods, for discovery.</summary>
    public IReadOnlyCollection<string> Methods => _methods.Keys;

    public async ValueTask<Outcome<Client>> AuthenticateAsync(RequestParameters parameters, string? authorization, CancellationToken cancellationToken)
    {
        if (!Read(parameters, authorization).TryGet(out var credentials, out var error))
        {
            return error;
        }

        // The client's developer reads why in the log; who tries somebody else's id learns nothing from the answer.
        var client = await clients.FindAsync(credentials.ClientId, cancellationToken);
        var detail = client is null ? "unknown client"
            : client.Disabled ? "disabled client"
            : client.TokenEndpointAuthMethod != credentials.Method ? $"the client is registered for {client.TokenEndpointAuthMethod}, and used {credentials.Method}"
            : !_methods.TryGetValue(credentials.Method, out var method) ? "the method is not registered"
            : !await method.ProvesAsync(client, credentials, cancellationToken) ? $"wrong credentials ({credentials.Method})"
            : null;
        return detail is null ? client! : Invalid("Client authentication failed.", authorization is not null) with { Detail = "client: " + detail };
    }

    private static Outcome<ClientCredentials> Read(RequestParameters parameters, string? authorization)
    {
        var clientId = parameters["client_id"];
        var secret = parameters["client_secret"];
        var assertion = parameters["client_assertion"];
        if (authorization is not null)
        {
            if (!TryReadBasic(authorization, out var id, out var password))
            {
                return Invalid("The Authorization header does not hold client credentials.", challenge: true);
            }

            // RFC 6749 §2.3: not more than one method in a request.
            if (secret is not null || assertion is not null || parameters["client_assertion_type"] is not null)
            {
                return new OAuthError(OAuthErrors.InvalidRequest, "More than one way of client authentication is used.");
            }

            return clientId is not null && clientId != id
                ? new OAuthError(OAuthErrors.InvalidRequest, "client_id differs from the client that authenticates.")
                : new ClientCredentials("client_secret_basic", id, password);
        }

        if (assertion is not null || parameters["client_assertion_type"] is not null)
        {
            if (secret is not null)
            {
                return new OAuthError(OAuthErrors.InvalidRequest, "More than one way of client authentication is used.");
            }

            if (assertion is null || parameters["client_assertion_type"] != AssertionType || PrivateKeyJwt.UnverifiedSubject(assertion) is not { } subject)
            {
                return Invalid("The client assertion cannot be read.", challenge: false);
            }

            return clientId is not null && clientId != subject
                ? Invalid("client_id differs from the client that authenticates.", challenge: false)
                : new ClientCredentials("private_key_jwt", subject, assertion);
        }

        if (clientId is null)
        {
            return Invalid("The client is not named.", challenge: false);
        }

        return new ClientCredentials(secret is null ? "none" : "client_secret_post", clientId, secret);
    }

    /// <summary>RFC 6749 §2.3.1: both parts are form-encoded before they are joined.</summary>
    private static bool TryReadBasic(string authorization, out string id, out string secret)
    {
        (id, secret) = ("", "");
        if (!authorization.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase) || authorization.Length > 4096)
        {
            return false;
        }

        try
        {
            var text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(Convert.FromBase64String(authorization[6..].Trim()));
            var colon = text.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0)
            {
                return false;
            }

            (id, secret) = (FormDecode(text[..colon]), FormDecode(text[(colon + 1)..]));
            return id.Length > 0 && secret.Length > 0;
        }
        catch (Exception exception) when (exception is FormatException or DecoderFallbackException)
        {
            return false;
        }
    }

    private static string FormDecode(string value) => Uri.UnescapeDataString(value.Replace('+', ' '));

    // RFC 6749 §5.2: 401 and a challenge answer a try by the Authorization header; every other failure is a 400.
    private static OAuthError Invalid(string description, bool challenge) => challenge
        ? new(OAuthErrors.InvalidClient, description, Status: 401) { Challenge = "Basic realm=\"clients\", charset=\"UTF-8\"" }
        : new(OAuthErrors.InvalidClient, description);
}
