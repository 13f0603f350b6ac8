// Beside OpenIddict's own validation, which knows nothing of client metadata, resources, claims and hints: RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2.1, RFC 9449 §10, OpenID Connect Core §3.1.2.2: is the authorization request sound?
using Identity.Accounts.SecondFactors;
using Identity.OAuth.Clients;
using Identity.OAuth.Resources;

namespace Identity.OAuth.Authorize;

/// <summary>What validation came to: a request; or an error, and where it may be sent.</summary>
/// <param name="Request">A sound request.</param>
/// <param name="Error">What is wrong with it.</param>
/// <param name="Target">Where the error goes; null: nowhere but a page.</param>
public sealed record AuthorizeValidationResult(AuthorizeRequest? Request, OAuthError? Error, RedirectTarget? Target);

/// <summary>Checks authorization requests.</summary>
public sealed class AuthorizeRules(ClientStore clients, ResourceCatalog resources, IdTokenHintReader hints)
{
    private static readonly string[] KnownModes = ["query", "fragment", "form_post", .. SignedModes.All];
    private static readonly string[] KnownPrompts = ["none", "login", "consent", "select_account", "create"];

    /// <summary>
    /// First who asks and where the answer would go: until both are known to be right, nothing is sent anywhere (RFC 6749 §4.1.2.1). Null: they are not.
    /// What a request object says of it counts where nothing else does, though nobody may have signed it: that it is refused can be told only there.
    /// </summary>
    public async ValueTask<(Client Client, RedirectTarget Target)?> FindTargetAsync(RequestParameters parameters, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        parameters = RequestObjects.Unverified(parameters);
        if (parameters["client_id"] is not { } clientId || await clients.FindAsync(clientId, cancellationToken) is not { Disabled: false } client)
        {
            return null;
        }

        var redirectUri = parameters["redirect_uri"];
        if (redirectUri is null ? client.RedirectUris.Count != 1 || parameters.List("scope").Contains("openid", StringComparer.Ordinal) : !RedirectUriMatcher.Matches(client.RedirectUris, redirectUri))
        {
            return null;
        }

        // The mode decides how an error is told; an unknown one cannot be honoured, and is told by query.
        var mode = parameters["response_mode"] ?? "query";
        return (client, new RedirectTarget(redirectUri ?? client.RedirectUris[0], KnownModes.Contains(mode, StringComparer.Ordinal) ? mode : "query", parameters["state"]));
    }

    public async Task<AuthorizeValidationResult> ValidateAsync(RequestParameters parameters, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        var redirectUri = parameters["redirect_uri"];
        if (await FindTargetAsync(parameters, cancellationToken) is not var (client, target))
        {
            return parameters["client_id"] is not { } id || await clients.FindAsync(id, cancellationToken) is not { Disabled: false } asking ? Page("The client is not known.")
                : redirectUri is null ? Page("redirect_uri is missing.")
                : Page("redirect_uri is not registered for this client: it is compared character by character.", $"redirect_uri is none of the client's, which are: {string.Join(", ", asking.RedirectUris)}.");
        }

        if (FindProblem(client, parameters) is { } problem)
        {
            return new(null, problem, target);
        }

        if (!FindScopes(client, parameters).TryGet(out var scopes, out var error))
        {
            return new(null, error, target);
        }

        var resourceValues = parameters.All("resource");
        if (await CheckResourcesAsync(resourceValues, scopes, cancellationToken) is { } resourceError)
        {
            return new(null, resourceError, target);
        }

        if (!FindPrompts(parameters).TryGet(out var prompts, out error) || !FindMaxAge(client, parameters).TryGet(out var maxAge, out error) || !FindClaims(parameters).TryGet(out var claims, out error))
        {
            return new(null, error, target);
        }

        // §5.5.1.1: an essential acr must be met; acr_values are wishes.
        IReadOnlyList<string> essentialAcr = claims.IdToken.TryGetValue("acr", out var acr) && acr.Essential ? acr.Values : [];
        if (essentialAcr.Count > 0 && !essentialAcr.Any(value => AuthenticationContexts.All.Contains(value, StringComparer.Ordinal)))
        {
            return new(null, new OAuthError(OAuthErrors.UnmetAuthenticationRequirements, "The authentication context asked for cannot be reached."), target);
        }

        if (!(await FindSubjectAsync(client, parameters, claims, cancellationToken)).TryGet(out var subject, out error))
        {
            return new(null, error, target);
        }

        return new(
            new AuthorizeRequest
            {
                Client = client,
                Redirect = target,
                RedirectUri = redirectUri,
                Scopes = scopes,
                Resources = resourceValues,
                CodeChallenge = parameters["code_challenge"],
                DPoPKey = parameters["dpop_jkt"],
                Nonce = parameters["nonce"],
                Prompts = prompts,
                MaxAge = maxAge,
                Subject = subject,
                LoginHint = parameters["login_hint"],
                ClaimsParameter = parameters["claims"],
                Claims = claims,
                AcrValues = parameters.List("acr_values"),
                EssentialAcr = essentialAcr,
            },
            null,
            target);
    }

    /// <summary>
    /// RFC 6749 §3.3: without scope the client's default applies, and the answer tells it. What libraries send by themselves is left out where
    /// the client may not have it (OpenID Connect Core §3.1.2.1); any other scope that is not its own is an error.
    /// </summary>
    public Outcome<IReadOnlyList<string>> FindScopes(Client client, RequestParameters parameters)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(parameters);
        var scopes = parameters.List("scope");
        if (scopes.Count == 0)
        {
            scopes = [.. client.Scopes.Where(scope => scope is not ("openid" or "offline_access"))];
        }
        else if (scopes.Any(scope => !client.Scopes.Contains(scope, StringComparer.Ordinal) && !ResourceCatalog.IsOptional(scope)))
        {
            return ForeignScopes(client);
        }

        // OpenID Connect Core §11: where no refresh token can come of it the request for one is ignored.
        var mayRefresh = client.GrantTypes.Contains("refresh_token", StringComparer.Ordinal);
        return scopes.Where(scope => client.Scopes.Contains(scope, StringComparer.Ordinal) && (mayRefresh || scope != "offline_access")).ToArray();
    }

    /// <summary>Scopes that a client asks for and is not registered with.</summary>
    public static OAuthError ForeignScopes(Client client) => new(OAuthErrors.InvalidScope, "A scope is unknown, or not in the scope that this client is registered with.")
    {
        Detail = $"a scope is not in the client's, which is: {string.Join(' ', client.Scopes)}.",
    };

    /// <summary>RFC 8707 §2.1: null: the resources are known, and the scopes are theirs.</summary>
    public ValueTask<OAuthError?> CheckResourcesAsync(IReadOnlyList<string> requested, IReadOnlyList<string> scopes, CancellationToken cancellationToken) =>
        resources.CheckAsync(requested, [], scopes, cancellationToken);

    // What is wrong with the request itself, whatever it asks for.
    private static OAuthError? FindProblem(Client client, RequestParameters parameters)
    {
        if (parameters["response_mode"] is { } mode && !KnownModes.Contains(mode, StringComparer.Ordinal))
        {
            return new OAuthError(OAuthErrors.InvalidRequest, "This response_mode is not supported.");
        }

        if (parameters["registration"] is not null)
        {
            return new OAuthError(OAuthErrors.RegistrationNotSupported, "The registration parameter is not supported.");
        }

        if (parameters["response_type"] is not { } responseType)
        {
            return new OAuthError(OAuthErrors.InvalidRequest, "response_type is missing.");
        }

        if (responseType != "code")
        {
            return new OAuthError(OAuthErrors.UnsupportedResponseType, "The only response_type is code.");
        }

        if (!client.GrantTypes.Contains("authorization_code", StringComparer.Ordinal))
        {
            return new OAuthError(OAuthErrors.UnauthorizedClient, "The client is not registered for the authorization code flow.");
        }

        if (PkceProblem(client, parameters) is { } pkce)
        {
            return new OAuthError(OAuthErrors.InvalidRequest, pkce);
        }

        return parameters["dpop_jkt"] is { } key && !IsDigest(key) ? new OAuthError(OAuthErrors.InvalidRequest, "dpop_jkt is malformed.") : null;
    }

    private static Outcome<IReadOnlyList<string>> FindPrompts(RequestParameters parameters)
    {
        var prompts = parameters.List("prompt");
        return prompts.Any(prompt => !KnownPrompts.Contains(prompt, StringComparer.Ordinal)) || (prompts.Contains("none", StringComparer.Ordinal) && prompts.Count > 1)
            ? new OAuthError(OAuthErrors.InvalidRequest, "prompt has an unknown value, or none with another one.")
            : prompts.ToArray();
    }

    private static Outcome<int?> FindMaxAge(Client client, RequestParameters parameters) =>
        parameters["max_age"] is not { } text ? client.DefaultMaxAge
        : int.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var seconds) ? seconds
        : new OAuthError(OAuthErrors.InvalidRequest, "max_age is not a number of seconds.");

    private static Outcome<ClaimsRequest> FindClaims(RequestParameters parameters) =>
        parameters["claims"] is not { } text ? ClaimsRequest.Empty
        : ClaimsRequest.TryParse(text, out var claims) ? claims
        : new OAuthError(OAuthErrors.InvalidRequest, "The claims parameter is malformed.");

    // Who is meant, if anybody in particular.
    private async ValueTask<Outcome<string?>> FindSubjectAsync(Client client, RequestParameters parameters, ClaimsRequest claims, CancellationToken cancellationToken)
    {
        string? subject = null;
        if (parameters["id_token_hint"] is { } hintText)
        {
            if (await hints.ReadAsync(hintText, cancellationToken) is not { } hint || hint.ClientId != client.ClientId)
            {
                return new OAuthError(OAuthErrors.InvalidRequest, "id_token_hint is not an ID token that this server issued to this client.");
            }

            subject = hint.Subject;
        }

        // §5.5.1: a requested sub value means that person and nobody else.
        if (claims.IdToken.TryGetValue("sub", out var sub) && sub.Values.Count > 0)
        {
            if (sub.Values.Count > 1 || (subject is not null && subject != sub.Values[0]))
            {
                return new OAuthError(OAuthErrors.InvalidRequest, "The claims parameter and id_token_hint name different people.");
            }

            subject = sub.Values[0];
        }

        return subject;
    }

    /// <summary>RFC 7636 §4.3 and §4.4.1, S256 only; required unless the client is registered without.</summary>
    private static string? PkceProblem(Client client, RequestParameters parameters)
    {
        var challenge = parameters["code_challenge"];
        var method = parameters["code_challenge_method"];
        if (challenge is null)
        {
            return method is not null ? "code_challenge is missing."
                : client.RequirePkce || client.IsPublic ? "PKCE is required: send code_challenge with code_challenge_method S256." : null;
        }

        return method != "S256" ? "code_challenge_method must be S256." : !IsDigest(challenge) ? "code_challenge is malformed." : null;
    }

    // SHA-256 in base64url is 43 characters, and nothing else can ever be met.
    private static bool IsDigest(string value) => value.Length == 43 && value.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_');

    private static AuthorizeValidationResult Page(string description, string? detail = null) => new(null, new OAuthError(OAuthErrors.InvalidRequest, description) { Detail = detail }, null);
}
