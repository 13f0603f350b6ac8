// OpenAM's REST API (sessions, resource version 1.2): whose session a cookie's value is. The token goes in a header, never in a path or query, where logs keep it.
using System.Net;
using System.Text.Json;

namespace Identity.Accounts.ExternalSignIn;

/// <summary>How OpenAM is asked.</summary>
/// <param name="Provider">The provider's name in the settings.</param>
/// <param name="Root">OpenAM's address with its context.</param>
/// <param name="Realms">Realms whose sessions are accepted.</param>
/// <param name="Cookie">Name of OpenAM's cookie, and of the header.</param>
/// <param name="Timeout">For all that is asked of it.</param>
/// <param name="Lifetime">Longest life of what comes of one session token.</param>
/// <param name="Template">What the settings say of its people; the subject is replaced.</param>
public sealed record OpenAmSettings(string Provider, Uri Root, IReadOnlyList<string> Realms, string Cookie, TimeSpan Timeout, TimeSpan Lifetime, ExternalPerson Template);

/// <summary>What a session token proves.</summary>
public abstract record OpenAmProof
{
    private OpenAmProof()
    {
    }

    public sealed record Proved(ExternalPerson Person) : OpenAmProof;

    /// <summary>Invalid, expired, signed out, of another realm, or no token: nothing tells them apart.</summary>
    public sealed record Refused(string Reason) : OpenAmProof;

    /// <summary>OpenAM is away, slow, or answers what it should not. Nobody is let in.</summary>
    public sealed record Unavailable(string Reason) : OpenAmProof;
}

/// <summary>Asks OpenAM whose session a token is.</summary>
/// <remarks>OpenAM goes on accepting sessions of people whom it has disabled or deleted: the account here decides, and is asked afterwards.</remarks>
public sealed class OpenAmSessionTokens(OpenAmSettings settings, HttpClient http, ExternalIdentities identities)
{
    private const int Longest = 4096;

    public OpenAmSettings Settings => settings;

    public async Task<OpenAmProof> ProveAsync(string token, CancellationToken cancellationToken)
    {
        // What a header cannot carry is no token of OpenAM's, and must not become part of the request.
        if (token.Length is 0 or > Longest || token.Any(c => c is <= ' ' or > '~'))
        {
            return new OpenAmProof.Refused("malformed");
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(settings.Timeout);
        try
        {
            var realm = settings.Realms.Contains("/", StringComparer.Ordinal) ? "/" : settings.Realms[0];
            var (_, json) = await AskAsync(HttpMethod.Post, Path(realm) + "/sessions?_action=validate", token, "resource=1.2", limit.Token);
            using var answer = json;
            if (answer is null)
            {
                return new OpenAmProof.Unavailable("validate");
            }

            var root = answer.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("valid", out var valid) || valid.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            {
                return new OpenAmProof.Unavailable("validate");
            }

            if (valid.ValueKind == JsonValueKind.False)
            {
                return new OpenAmProof.Refused("invalid");
            }

            if (Text(root, "uid") is not { Length: <= ExternalSubject.MaximumLength } uid || uid.Any(char.IsControl) || Text(root, "realm") is not { } told)
            {
                return new OpenAmProof.Unavailable("validate");
            }

            // A session of one realm is valid at the address of any: the realm that it tells counts.
            if (settings.Realms.FirstOrDefault(candidate => string.Equals(candidate, told, StringComparison.OrdinalIgnoreCase)) is not { } accepted)
            {
                return new OpenAmProof.Refused("realm");
            }

            var person = settings.Template with { Subject = settings.Template.Subject with { Realm = accepted, Subject = uid } };
            var isKnown = await identities.FindAsync(person.Subject.Key, cancellationToken) is not null;
            return (isKnown ? person : await WithProfileAsync(person, accepted, uid, token, limit.Token)) is { } whole ? new OpenAmProof.Proved(whole) : new OpenAmProof.Unavailable("profile");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or JsonException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return new OpenAmProof.Unavailable(exception is OperationCanceledException ? "slow" : exception is JsonException ? "nonsense" : "unreachable");
        }
    }

    // For the account that is about to be made: name and address, which the session does not tell. Null: OpenAM cannot tell them now, and without them the person would be
    // somebody else here for ever.
    private async Task<ExternalPerson?> WithProfileAsync(ExternalPerson person, string realm, string uid, string token, CancellationToken cancellationToken)
    {
        var (status, json) = await AskAsync(HttpMethod.Get, Path(realm) + "/users/" + Uri.EscapeDataString(uid), token, "resource=2.0", cancellationToken);
        using var answer = json;
        if (status is not (HttpStatusCode.OK or HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.NotFound))
        {
            return null;
        }

        var root = answer?.RootElement ?? default;
        return root.ValueKind == JsonValueKind.Object && Text(root, "username") is { } name && ExternalSubject.Fold(name) == ExternalSubject.Fold(uid)
            ? person with { Email = Text(root, "mail"), FirstName = Text(root, "givenName"), LastName = Text(root, "sn") }
            : person;
    }

    // Null: no JSON that was asked for. Other versions answer 501, faults with HTML, and unknown realms with 404.
    private async Task<(HttpStatusCode Status, JsonDocument? Answer)> AskAsync(HttpMethod method, string path, string token, string version, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, settings.Root.ToString().TrimEnd('/') + path);
        request.Headers.TryAddWithoutValidation(settings.Cookie, token);
        request.Headers.TryAddWithoutValidation("Accept-API-Version", version);
        if (method == HttpMethod.Post)
        {
            request.Content = new StringContent("{}", System.Text.Encoding.UTF8, "application/json");
        }

        using var response = await http.SendAsync(request, cancellationToken);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            return (response.StatusCode, null);
        }

        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        return (response.StatusCode, await JsonDocument.ParseAsync(body, new JsonDocumentOptions { AllowDuplicateProperties = false }, cancellationToken));
    }

    private static string Path(string realm) =>
        "/json" + (realm == "/" ? "" : "/realms/root" + string.Concat(realm.Split('/', StringSplitOptions.RemoveEmptyEntries).Select(part => "/realms/" + Uri.EscapeDataString(part))));

    private static string? Text(JsonElement json, string name) => json.TryGetProperty(name, out var value)
        ? value.ValueKind switch
        {
            JsonValueKind.String when Whole(value) is { Length: > 0 } text => text,
            JsonValueKind.Array when value.GetArrayLength() > 0 && value[0].ValueKind == JsonValueKind.String => Whole(value[0]),
            _ => null,
        }
        : null;

    private static string? Whole(JsonElement value)
    {
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            // Half a character, written as an escape: JSON, and no text.
            return null;
        }
    }
}
