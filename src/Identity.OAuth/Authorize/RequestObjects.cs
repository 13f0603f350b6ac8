// RFC 9101 §5 and §6, OpenID Connect Core §6, FAPI 2.0 Message Signing §5.3.1: authorization requests that the client signed.
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Identity.OAuth.Clients;
using Identity.OAuth.Requests;
using Microsoft.Extensions.Options;
using OpenIddict.Server;

namespace Identity.OAuth.Authorize;

/// <summary>A request object that was opened: its client signed it.</summary>
/// <param name="Parameters">What counts: all that stands inside, and of what stands outside only who asks, and by which proof.</param>
/// <param name="Id">Its <c>jti</c>: it is good for one code. Null: the client sent none.</param>
/// <param name="UsableUntil">When nobody would take it any more.</param>
public sealed record RequestObject(RequestParameters Parameters, string? Id, DateTimeOffset UsableUntil)
{
    /// <summary>The object that this request came as; null: it came as plain parameters, or was pushed before.</summary>
    public static RequestObject? Of(OpenIddictServerTransaction transaction) => transaction.GetProperty<RequestObject>(typeof(RequestObject).FullName!);

    internal void KeepIn(OpenIddictServerTransaction transaction) => transaction.SetProperty(typeof(RequestObject).FullName!, this);
}

/// <summary>What clients publish at addresses that they registered. The host fetches it under its guard.</summary>
public interface IClientDocuments
{
    /// <summary>The document; null where it cannot be had, or may not.</summary>
    Task<string?> GetAsync(string address, CancellationToken cancellationToken);
}

/// <summary>Opens request objects.</summary>
public sealed class RequestObjects(ClientStore clients, ClientSignatures signatures, IClientDocuments documents, IOptions<OAuthOptions> options, TimeProvider timeProvider)
{
    private const int MaximumLength = 16 * 1024;
    internal const string Pushed = "urn:ietf:params:oauth:request_uri:";

    /// <summary>FAPI 2.0 Message Signing §5.3.1: at most an hour from <c>nbf</c> to <c>exp</c>.</summary>
    private static readonly TimeSpan MaximumLife = TimeSpan.FromHours(1);

    // Claims of the JWT itself, and what authenticates a client, which stands beside it (RFC 9126 §3).
    private static readonly HashSet<string> NotParameters = new(["iss", "aud", "sub", "exp", "nbf", "iat", "jti", .. Outside], StringComparer.Ordinal);

    /// <summary>The algorithms that a request object may be signed by; never none.</summary>
    public static IReadOnlyList<string> Algorithms { get; } = ["ES256", "PS256", "RS256"];

    private static string[] Outside => ["client_secret", "client_assertion", "client_assertion_type"];

    /// <summary>Whether a request has an object, or the address of one. The reference of a pushed request (RFC 9126 §2.2) is neither.</summary>
    public static bool AreIn(string? request, string? requestUri) =>
        !string.IsNullOrEmpty(request) || (!string.IsNullOrEmpty(requestUri) && !IsPushed(requestUri));

    /// <summary>Whether this is the reference of a pushed request.</summary>
    public static bool IsPushed([NotNullWhen(true)] string? requestUri) => requestUri?.StartsWith(Pushed, StringComparison.Ordinal) == true;

    /// <summary>What the request says, or why it is not to be believed.</summary>
    /// <param name="sent">The request as it came, with its <c>request</c> or <c>request_uri</c>.</param>
    /// <param name="interaction">What already happened because of it: a person at the sign-in page may take longer than the object lives.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<Outcome<RequestObject>> OpenAsync(RequestParameters sent, Interaction? interaction, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(sent);
        var (value, address) = (sent["request"], sent["request_uri"]);
        if (value is not null && address is not null)
        {
            return new OAuthError(OAuthErrors.InvalidRequest, "request and request_uri exclude each other.");
        }

        // RFC 9101 §5: who asks stands outside too, or (RFC 9126 §2.1) in the assertion that proves it.
        var clientId = sent["client_id"] ?? (sent["client_assertion"] is null || value is null ? null : SignedJwt.Read(value, MaximumLength)?.Text("client_id"));
        if (clientId is null || await clients.FindAsync(clientId, cancellationToken) is not { Disabled: false } client)
        {
            return new OAuthError(OAuthErrors.InvalidClient, "The client is not known.");
        }

        if (address is not null)
        {
            if (!IsRegistered(client, address))
            {
                return new OAuthError(OAuthErrors.InvalidRequestUri, "request_uri is not registered for this client.");
            }

            value = (await documents.GetAsync(address, cancellationToken))?.Trim();
            if (value is null)
            {
                return new OAuthError(OAuthErrors.InvalidRequestUri, "There is no request object to be had at request_uri.");
            }
        }

        if (SignedJwt.Read(value ?? "", MaximumLength) is not { } jwt)
        {
            return Invalid("The request object is not a signed JWT, or too long.");
        }

        if (FindProblem(client, jwt, sent) is { } problem)
        {
            return Invalid(problem);
        }

        if (!TryReadLife(client, jwt, interaction, out var expiresAt))
        {
            return Invalid("The request object is expired, not valid yet, or valid for too long: exp is needed, at most an hour after nbf.");
        }

        if (!Merge(jwt, sent, Outside).TryGet(out var parameters, out _))
        {
            return Invalid("A parameter in the request object is too long or malformed, or there are too many.");
        }

        return await signatures.VerifiesAsync(client, jwt, cancellationToken)
            ? new RequestObject(parameters, jwt.Text("jti"), expiresAt + options.Value.ClockSkew + Interaction.Longest)
            : Invalid("The request object is not signed by a key of this client.");
    }

    /// <summary>
    /// The request with what its object, whoever signed that, says of what is not said outside: to tell somebody something, never to grant anything.
    /// Anybody could send the same without one.
    /// </summary>
    public static RequestParameters Unverified(RequestParameters sent)
    {
        ArgumentNullException.ThrowIfNull(sent);
        return sent["request"] is { } value && SignedJwt.Read(value, MaximumLength) is { } jwt
            && Merge(jwt, sent, [.. sent.Names, "client_id"]).TryGet(out var seeming, out _)
            ? seeming
            : sent;
    }

    // OpenID Connect Core §6.2: a fragment says which version is meant, and is not sent. All else is compared character by character.
    private static bool IsRegistered(Client client, string address)
    {
        static string WithoutFragment(string uri) => uri.Split('#')[0];
        return client.RequestUris.Any(registered => string.Equals(WithoutFragment(registered), WithoutFragment(address), StringComparison.Ordinal));
    }

    private string? FindProblem(Client client, SignedJwt jwt, RequestParameters sent)
    {
        if (!Algorithms.Contains(jwt.Algorithm, StringComparer.Ordinal) || (client.RequestObjectSigningAlg is { } only && only != jwt.Algorithm))
        {
            return "The request object is signed by an algorithm that is not supported, or not the registered one.";
        }

        if (jwt.IsCritical || !jwt.IsOfType("oauth-authz-req+jwt", "JWT"))
        {
            return "The header of the request object has another typ, or crit.";
        }

        if (jwt.Text("client_id") != client.ClientId || jwt.Text("iss") != client.ClientId)
        {
            return "client_id and iss in the request object must be the client_id of the request.";
        }

        // RFC 9101 §10.8: as a client's assertion it would be good elsewhere.
        if (jwt.Text("sub") == client.ClientId)
        {
            return "sub in the request object must not be the client.";
        }

        if (!IsForUs(jwt.Payload))
        {
            return "aud in the request object must be the issuer.";
        }

        if (jwt.Payload.TryGetProperty("jti", out _) && jwt.Text("jti") is not { Length: > 0 and <= 500 })
        {
            return "jti in the request object must be a string of 1 to 500 characters.";
        }

        if (jwt.Payload.TryGetProperty("request", out _) || jwt.Payload.TryGetProperty("request_uri", out _))
        {
            return "request and request_uri must not be in the request object.";
        }

        // OpenID Connect Core §6.1: what stands in both places is the same.
        return sent["response_type"] is { } outside && jwt.Text("response_type") is { } inside && outside != inside
            ? "response_type is another one in the request object."
            : null;
    }

    private bool IsForUs(JsonElement payload) => payload.TryGetProperty("aud", out var audience) && audience.ValueKind switch
    {
        JsonValueKind.String => audience.GetString() == options.Value.Issuer,
        JsonValueKind.Array => audience.EnumerateArray().Any(value => value.ValueKind == JsonValueKind.String && value.GetString() == options.Value.Issuer),
        _ => false,
    };

    private bool TryReadLife(Client client, SignedJwt jwt, Interaction? interaction, out DateTimeOffset expiresAt)
    {
        var now = timeProvider.GetUtcNow();
        var skew = options.Value.ClockSkew;
        expiresAt = default;
        if (!jwt.TryTime("exp", out var exp) || exp is null || !jwt.TryTime("nbf", out var nbf) || nbf > now + skew || !jwt.TryTime("iat", out var iat) || iat > now + skew)
        {
            return false;
        }

        // Who has to sign has to say from when, or the signature would be good for ever and a day once somebody has it.
        if (exp > (nbf ?? now + skew) + MaximumLife || (nbf is null && client.RequireSignedRequestObject))
        {
            return false;
        }

        // It counts when it first came. Somebody who says no is believed at any time: nothing comes of it.
        expiresAt = exp.Value;
        return exp > now - skew
            || interaction is { Denied: true }
            || (interaction is not null && interaction.IsUnderWay(now) && exp > interaction.StartedAt - skew);
    }

    // What stands inside, but these from outside.
    private static Outcome<RequestParameters> Merge(SignedJwt jwt, RequestParameters sent, IReadOnlyList<string> outside)
    {
        if (!RequestParameters.Read(jwt.Payload.EnumerateObject().Where(member => !NotParameters.Contains(member.Name)).Select(member => KeyValuePair.Create(member.Name, Values(member)))).TryGet(out var inside, out var error))
        {
            return error;
        }

        return RequestParameters.Read(
            inside.Names.Except(outside, StringComparer.Ordinal).Select(name => KeyValuePair.Create(name, (IReadOnlyList<string?>)inside.All(name)))
                .Concat(outside.Distinct(StringComparer.Ordinal).Select(name => KeyValuePair.Create(name, (IReadOnlyList<string?>)sent.All(name)))));
    }

    // RFC 9101 §4: a number or an object (max_age, claims) stands as such, a parameter that may repeat as an array.
    private static IReadOnlyList<string?> Values(JsonProperty member) => member.Value.ValueKind switch
    {
        JsonValueKind.Null => [],
        JsonValueKind.String => [member.Value.GetString()],
        JsonValueKind.Array when member.Name is "resource" or "audience" && member.Value.EnumerateArray().All(value => value.ValueKind == JsonValueKind.String) => [.. member.Value.EnumerateArray().Select(value => value.GetString())],
        _ => [member.Value.GetRawText()],
    };

    private static OAuthError Invalid(string description) => new(OAuthErrors.InvalidRequestObject, description);
}
