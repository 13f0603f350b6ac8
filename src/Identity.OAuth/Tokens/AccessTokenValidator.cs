// RFC 9068 §4 and RFC 6750: what is checked of an access token that comes back to us.
using System.Security.Claims;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Consents;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Keys;
using Identity.OAuth.Resources;
using Identity.OAuth.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Identity.OAuth.Tokens;

/// <summary>A live access token.</summary>
/// <param name="Claims">Its claims, as issued.</param>
/// <param name="Typ">Header <c>typ</c>; <c>reference</c> for a reference token.</param>
public sealed record AccessToken(JsonObject Claims, string Typ)
{
    public string Subject => Text("sub")!;

    public string ClientId => Text("client_id")!;

    public string TokenId => Text("jti")!;

    public string? SessionId => Text("sid");

    /// <summary>Whom the person granted it: the client it was issued to, or, of an exchanged token (RFC 8693), the one before.</summary>
    public string GrantedTo => Text(AccessTokenClaims.GrantedTo) ?? ClientId;

    /// <summary>JWT_SECRET signed it, which old resource servers know: what it says of the person and the session need not be our word.</summary>
    public bool IsCompatibility { get; init; }

    /// <summary>Whom it stands for, where that was read to see whether it lives; null: it stands for no session, or nobody has looked yet.</summary>
    public Account? Person { get; init; }

    /// <summary>The grant that its <c>jti</c> begins with.</summary>
    public Guid GrantId => Guid.ParseExact(TokenId.AsSpan(0, TokenId.IndexOf('.', StringComparison.Ordinal)), "N");

    /// <summary>What who uses it has to hold too; null: whoever holds it may use it.</summary>
    public Confirmation? BoundTo => Confirmation.Read(Claims["cnf"]);

    public DateTimeOffset ExpiresAt => DateTimeOffset.FromUnixTimeSeconds((long)Claims["exp"]!);

    public IReadOnlyList<string> Scopes => Text("scope")?.Split(' ') ?? [];

    /// <summary>Claims that the <c>claims</c> parameter asked userinfo for, by name.</summary>
    public IReadOnlyList<string> UserInfoClaims => Claims[AccessTokenClaims.UserInfoClaims] is JsonArray names ? [.. names.Select(name => (string)name!)] : [];

    public IReadOnlyList<string> Audience => Claims["aud"] switch
    {
        JsonArray many => [.. many.Select(value => (string)value!)],
        JsonNode one => [(string)one!],
        null => [],
    };

    /// <summary>The access token that the request was validated by, or with; null: none.</summary>
    public static AccessToken? Of(OpenIddictServerTransaction transaction) => transaction.GetProperty<AccessToken>(typeof(AccessToken).FullName!);

    /// <summary>The access token that a principal was read from; null: it was read from another.</summary>
    public static AccessToken? Of(ClaimsPrincipal? principal) => (principal?.Identity as ClaimsIdentity)?.BootstrapContext as AccessToken;

    internal void KeepIn(OpenIddictServerTransaction transaction) => transaction.SetProperty(typeof(AccessToken).FullName!, this);

    private string? Text(string name) => (string?)Claims[name];
}

/// <summary>Reads access tokens that this server issued, and says which still live.</summary>
public sealed class AccessTokenValidator(
    KeyRing keys,
    ClientStore clients,
    StoreDatabase database,
    IDenyList denyList,
    TokenSessions sessions,
    VerifiedSignatures verified,
    IOptions<OAuthOptions> options,
    TimeProvider timeProvider)
{
    private const int MaximumLength = 16 * 1024;

    /// <summary>The last second that has a date: 31 December 9999.</summary>
    private const long MaximumTime = 253_402_300_799;

    private readonly Func<IdentityDbContext, string, CancellationToken, Task<string?>> _reference = EF.CompileAsyncQuery((IdentityDbContext context, string hash, CancellationToken token) =>
        context.Tokens.Where(r => r.ReferenceId == hash && r.Type == TokenTypeIdentifiers.AccessToken && r.Status == Statuses.Valid).Select(r => r.Payload).FirstOrDefault());

    private static readonly JsonWebTokenHandler Handler = new() { MapInboundClaims = false, MaximumTokenSizeInBytes = MaximumLength };

    /// <summary>
    /// The token, if we signed (or keep) it, it has not expired, nothing revoked it, its client is not disabled, and its session is live; else null.
    /// Whom it is for is the caller's to check.
    /// </summary>
    /// <param name="acceptCompatibility">Whether an HS256 token under JWT_SECRET will do: only at our own /api/identity and at introspection.</param>
    public ValueTask<AccessToken?> ValidateAsync(string? value, bool acceptCompatibility, CancellationToken cancellationToken) => ValidateAsync(value, acceptCompatibility, acceptExpired: false, cancellationToken);

    /// <summary>
    /// As <see cref="ValidateAsync(string?, bool, CancellationToken)"/>, but for one that may have expired, as an ID token that is a hint may (RP-Initiated Logout 1.0 §2):
    /// good for ending its session, which lives on, and for nothing else.
    /// </summary>
    public ValueTask<AccessToken?> ValidateForEndingAsync(string value, CancellationToken cancellationToken) => ValidateAsync(value, acceptCompatibility: true, acceptExpired: true, cancellationToken);

    private async ValueTask<AccessToken?> ValidateAsync(string? value, bool acceptCompatibility, bool acceptExpired, CancellationToken cancellationToken)
    {
        if (value is null || value.Length > MaximumLength)
        {
            return null;
        }

        var token = value.Contains('.', StringComparison.Ordinal)
            ? await ReadJwtAsync(value, acceptCompatibility, cancellationToken)
            : await ReadReferenceAsync(value, cancellationToken);
        if (token is null || (!acceptExpired && token.ExpiresAt <= timeProvider.GetUtcNow()))
        {
            return null;
        }

        if (await OfAClientAsync(token, cancellationToken) is not { } held)
        {
            return null;
        }

        token = held;
        if (!TryListDeniable(token, out var ids, out var began))
        {
            return null;
        }

        if (token.SessionId is not { } sid)
        {
            return await denyList.IsDeniedAsync(ids, cancellationToken) ? null : token;
        }

        // JWT_SECRET is known to old resource servers too: a live session of that very person is what they cannot make up.
        return await sessions.FindLiveAsync(sid, ids, began, cancellationToken) is { } live && live.Subject == token.Subject ? token with { Person = live.Account } : null;
    }

    /// <summary>
    /// The token as its client may use it now. A disabled or removed one gets nothing for it, nor does whoever exchanged it; of a client's own, scopes
    /// that were taken from the client are gone. Clients are remembered for a second: it costs no statement.
    /// </summary>
    private async ValueTask<AccessToken?> OfAClientAsync(AccessToken token, CancellationToken cancellationToken)
    {
        if (await clients.FindAsync(token.ClientId, cancellationToken) is not { Disabled: false } client
            || (token.GrantedTo != token.ClientId && await clients.FindAsync(token.GrantedTo, cancellationToken) is not { Disabled: false }))
        {
            return null;
        }

        if (token.SessionId is not null || token.GrantedTo != token.ClientId || token.Scopes.All(scope => client.Scopes.Contains(scope, StringComparer.Ordinal)))
        {
            return token;
        }

        // Read for this request alone, so it is changed in place.
        var left = token.Scopes.Where(scope => client.Scopes.Contains(scope, StringComparer.Ordinal)).ToArray();
        token.Claims.Remove("scope");
        if (left.Length > 0)
        {
            token.Claims["scope"] = string.Join(' ', left);
        }

        return token;
    }

    /// <summary>Under which ids the token may have been denied: its jti, the grant that prefixes it, all that its person had allowed its client by the time of that grant.</summary>
    /// <returns>False: no jti of ours is like this.</returns>
    private bool TryListDeniable(AccessToken token, out string[] ids, out DateTimeOffset began)
    {
        var jti = token.TokenId;
        var dot = jti.IndexOf('.', StringComparison.Ordinal);
        (ids, began) = ([jti], DateTimeOffset.UnixEpoch);
        if (dot < 0 || !Guid.TryParseExact(jti.AsSpan(0, dot), "N", out var grantId))
        {
            return true;
        }

        // No grant of ours begins after now; the leeway is another node's clock.
        began = AuthorizationGrant.BeganAt(grantId);
        if (grantId.Version != 7 || began > timeProvider.GetUtcNow().AddMinutes(5) || AccessTokenClaims.Hops(jti) > AccessTokenClaims.MaximumHops)
        {
            return false;
        }

        // An exchanged token's jti begins with those of the tokens it came from.
        List<string> all = [jti];
        for (; dot >= 0; dot = jti.IndexOf('.', dot + 1))
        {
            all.Add(jti[..dot]);
        }

        if (token.SessionId is not null)
        {
            all.Add(ConsentService.DenyId(token.Subject, token.GrantedTo));
        }

        ids = [.. all];
        return true;
    }

    private async ValueTask<AccessToken?> ReadReferenceAsync(string value, CancellationToken cancellationToken) =>
        value.Length == 43 && SecureValue.Hash(value) is var hash
            && await database.ReadAsync((context, token) => _reference(context, hash, token), cancellationToken) is { } claims
            ? new AccessToken(JsonNode.Parse(claims)!.AsObject(), "reference")
            : null;

    private async ValueTask<AccessToken?> ReadJwtAsync(string value, bool acceptCompatibility, CancellationToken cancellationToken)
    {
        JsonWebToken jwt;
        try
        {
            jwt = new JsonWebToken(value);
        }
        catch (Exception exception) when (exception is ArgumentException or SecurityTokenException or JsonException)
        {
            return null;
        }

        if (jwt.TryGetHeaderValue<object>("crit", out _))
        {
            return null;
        }

        SecurityKey key;
        string algorithm;
        if (jwt.Alg == SecurityAlgorithms.HmacSha256)
        {
            if (!acceptCompatibility || options.Value.CompatibilitySecret is not { } secret)
            {
                return null;
            }

            (key, algorithm) = (new SymmetricSecurityKey(secret), SecurityAlgorithms.HmacSha256);
        }
        else
        {
            // The key says which algorithm it is for; what the token says of itself only has to agree.
            if (await keys.FindAsync(jwt.Kid, cancellationToken) is not { } signingKey)
            {
                return null;
            }

            (key, algorithm) = (signingKey.Key, signingKey.Algorithm);
        }

        // JWT_SECRET is not known by a thumbprint, and dear only in what it costs to lose.
        var compatibility = algorithm == SecurityAlgorithms.HmacSha256;
        if (compatibility || !verified.IsKnown(value))
        {
            var result = await Handler.ValidateTokenAsync(jwt, new TokenValidationParameters
            {
                ValidIssuer = options.Value.Issuer,
                IssuerSigningKey = key,
                ValidAlgorithms = [algorithm],
                ValidateAudience = false,
                ValidateLifetime = false,
                RequireExpirationTime = true,
                RequireSignedTokens = true,
            });
            if (!result.IsValid)
            {
                return null;
            }

            if (!compatibility)
            {
                verified.Add(value);
            }
        }

        if (jwt.Typ is not ("at+jwt" or "JWT"))
        {
            return null;
        }

        // With typ JWT only the claims tell an access token from an ID token (which has no client_id and no jti).
        if (ReadClaims(jwt.EncodedPayload) is not { } claims)
        {
            return null;
        }

        var token = new AccessToken(claims, jwt.Typ) { IsCompatibility = compatibility };
        return !compatibility || IsFirstParty(token) ? token : null;
    }

    // What JWT_SECRET signs is a first-party session's token and nothing else: for our own routes, with their scopes, as long as one of ours, under an id of our form.
    private bool IsFirstParty(AccessToken token) =>
        token.Typ == "JWT" && token.ClientId == FirstPartyClient.ClientId && IsText(token.Claims, "sid")
        && token.Audience.All(audience => audience == options.Value.Issuer || audience == options.Value.Issuer + ResourceCatalog.ApiPath)
        && token.Scopes.All(scope => FirstPartyClient.Client.Scopes.Contains(scope, StringComparer.Ordinal))
        && token.ExpiresAt <= timeProvider.GetUtcNow() + options.Value.AccessTokenLifetime + TimeSpan.FromMinutes(5)
        && token.TokenId.IndexOf('.', StringComparison.Ordinal) is var dot and > 0 && Guid.TryParseExact(token.TokenId.AsSpan(0, dot), "N", out _);

    // Whoever knows JWT_SECRET can sign anything: what is not of our making is no token, however well it is signed.
    private static JsonObject? ReadClaims(string payload)
    {
        try
        {
            var claims = JsonNode.Parse(Base64UrlEncoder.Decode(payload), nodeOptions: null, new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject;
            return claims is not null
                && IsText(claims, "client_id") && IsText(claims, "jti") && IsText(claims, "sub")
                && (!claims.ContainsKey("sid") || IsText(claims, "sid"))
                && (!claims.ContainsKey(AccessTokenClaims.GrantedTo) || IsText(claims, AccessTokenClaims.GrantedTo))
                && (!claims.ContainsKey("scope") || IsText(claims, "scope"))
                && (claims["aud"] is not JsonArray many ? IsText(claims, "aud") : many.All(IsText))
                && (claims[AccessTokenClaims.UserInfoClaims] is null || (claims[AccessTokenClaims.UserInfoClaims] is JsonArray names && names.All(IsText)))
                && (!claims.ContainsKey("cnf") || Confirmation.Read(claims["cnf"]) is not null)
                && claims["exp"] is JsonValue exp && exp.TryGetValue<long>(out var seconds) && seconds is > 0 and <= MaximumTime
                ? claims
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static bool IsText(JsonObject claims, string name) => IsText(claims[name]);

    private static bool IsText(JsonNode? value) => value?.GetValueKind() == JsonValueKind.String;
}
