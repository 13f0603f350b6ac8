// OpenID Connect Core §3.1.3.7 (ID tokens), Back-Channel Logout 1.0 §2.6 (logout tokens), RFC 8725 (JWT best practices).
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Server.External.Oidc;

/// <summary>Accepts what the provider's own keys signed, and nothing else: no HMAC, no key from the message, no shipped key.</summary>
internal sealed class OidcTokens(string name, ProviderOptions options, OidcIssuers issuers, OidcDocuments documents, TimeProvider timeProvider)
{
    private const int Longest = 64 * 1024;
    private const int SmallestRsaKey = 2048;
    private static readonly string[] s_all = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];
    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false, MaximumTokenSizeInBytes = Longest };

    public TimeSpan Skew { get; } = options.ClockSkew ?? TimeSpan.FromMinutes(1);

    private IList<string> Algorithms => options.Algorithms.Count > 0 ? options.Algorithms : s_all;

    /// <summary>The token's signature, issuer, audience and times are right. What is special to its kind is looked at by the caller.</summary>
    /// <exception cref="ExternalRefusal">They are not.</exception>
    public async Task<TokenValidationResult> ValidateAsync(string token, CancellationToken cancellationToken)
    {
        var (header, jwt) = Read(token);
        var configuration = await documents.GetConfigurationAsync(cancellationToken);
        var keys = Keys(configuration, header);
        var result = keys.Count == 0 ? null : await CheckAsync(token, keys);
        if (result is null or { Exception: SecurityTokenInvalidSignatureException or SecurityTokenSignatureKeyNotFoundException } && await documents.TryRefreshAsync(cancellationToken))
        {
            // The key may be new: OpenAM drops the old one at once.
            keys = Keys(await documents.GetConfigurationAsync(cancellationToken), header);
            result = keys.Count == 0 ? null : await CheckAsync(token, keys);
        }

        if (result is null)
        {
            throw Refused("key", "the token is signed with a key that the provider does not publish");
        }

        if (!result.IsValid)
        {
            throw result.Exception is ExternalRefusal refusal ? refusal : Refused(Reason(result.Exception), "the token is not acceptable: " + result.Exception?.GetType().Name);
        }

        CheckClaims(jwt);
        return result;
    }

    /// <summary>auth_time, which OpenAM calls auth:time and tells in seconds or milliseconds.</summary>
    public DateTimeOffset? AuthenticatedAt(JsonWebToken jwt)
    {
        if (jwt.TryGetPayloadValue<long>("auth_time", out var seconds) && seconds is > 0 and < 100_000_000_000)
        {
            return DateTimeOffset.FromUnixTimeSeconds(seconds);
        }

        // A time after the year 5138 in seconds is one of our days in milliseconds.
        return options.IsOpenAm && jwt.TryGetPayloadValue<long>("auth:time", out var time) && time is > 0 and < 100_000_000_000_000
            ? time < 100_000_000_000 ? DateTimeOffset.FromUnixTimeSeconds(time) : DateTimeOffset.FromUnixTimeMilliseconds(time)
            : null;
    }

    /// <summary>Whether something can be verified with the key at all.</summary>
    public static bool IsUsable(JsonWebKey key) => key.Kty is "RSA" or "EC" && Key(key) is not null;

    public static string? Text(JsonWebToken jwt, string claim) => jwt.TryGetPayloadValue<object>(claim, out var value) && value is string { Length: > 0 } text ? text : null;

    private (Header Header, JsonWebToken Jwt) Read(string token)
    {
        if (token.Length is 0 or > Longest || token.Count(c => c == '.') != 2)
        {
            throw Refused("form", "the token is no signed JWT of three parts");
        }

        JsonWebToken jwt;
        Header header;
        try
        {
            var parts = token.Split('.');
            header = Header.Read(Base64UrlEncoder.DecodeBytes(parts[0]));
            RefuseDuplicates(Base64UrlEncoder.DecodeBytes(parts[1]));
            jwt = new JsonWebToken(token);
        }
        catch (Exception exception) when (exception is FormatException or JsonException or ArgumentException or InvalidOperationException)
        {
            throw Refused("form", "the token cannot be read");
        }

        if (header.IsCritical)
        {
            throw Refused("crit", "the token's header has crit, and nothing that it could name is understood");
        }

        if (!Algorithms.Contains(header.Algorithm, StringComparer.Ordinal))
        {
            // Told in words that mend it: it is OpenAM's default.
            throw header.Algorithm.StartsWith("HS", StringComparison.OrdinalIgnoreCase)
                ? new ExternalRefusal(ExternalProblem.Setup, "alg", $"the token is signed with {header.Algorithm}, so with the client's secret; choose RS256 at the client in the provider (OpenAM: \"ID Token Signing Algorithm\", docs/openam.md)")
                : Refused("alg", "the token's algorithm is not accepted; Federation:Providers:" + name + ":Algorithms lists those that are");
        }

        return (header, jwt);
    }

    private async Task<TokenValidationResult> CheckAsync(string token, List<SecurityKey> keys) => await _handler.ValidateTokenAsync(token, new TokenValidationParameters
    {
        RequireSignedTokens = true,
        RequireExpirationTime = true,
        ValidAlgorithms = Algorithms,
        IssuerSigningKeyResolver = (_, _, _, _) => keys,
        IssuerValidator = (issuer, _, _) => issuers.Accepts(issuer)
            ? issuer
            : throw Refused("iss", "the token is of another issuer than Federation:Providers:" + name + ":Authority and Issuers name"),
        AudienceValidator = (audiences, _, _) => audiences.Contains(options.ClientId, StringComparer.Ordinal) ? true : throw Refused("aud", "the token is for another client"),
        LifetimeValidator = (notBefore, expires, _, _) =>
        {
            var now = timeProvider.GetUtcNow().UtcDateTime;
            return (expires is { } end && now < end + Skew && (notBefore is not { } begin || now >= begin - Skew))
                ? true
                : throw Refused("exp", "the token is expired or not yet valid; Federation:Providers:" + name + ":ClockSkew says how far the clocks may differ");
        },
        NameClaimType = "sub",
    });

    private void CheckClaims(JsonWebToken jwt)
    {
        var now = timeProvider.GetUtcNow().UtcDateTime;
        if (!jwt.TryGetPayloadValue<long>("iat", out var issued) || issued <= 0 || issued > 100_000_000_000 || DateTimeOffset.FromUnixTimeSeconds(issued).UtcDateTime > now + Skew)
        {
            throw Refused("iat", "the token says no time of issue, or one to come");
        }

        var audiences = jwt.Audiences.ToArray();
        if (Text(jwt, "azp") is { } party ? party != options.ClientId : audiences.Length > 1)
        {
            throw Refused("azp", "the token was issued to another party");
        }

        if (options.Realm is { } realm && !(Text(jwt, "realm") is { } told && string.Equals(told, realm, options.IsOpenAm ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal)))
        {
            throw Refused("realm", "the token is of another realm than Federation:Providers:" + name + ":Realm");
        }
    }

    // By kid, of the type that the algorithm needs. No key from the header: jwk, jku, x5c and x5u are not looked at.
    private List<SecurityKey> Keys(OpenIdConnectConfiguration configuration, Header header)
    {
        var all = configuration.JsonWebKeySet.Keys;
        var fitting = all.Where(key => Fits(key, header.Algorithm)).ToList();
        var named = header.KeyId is null ? [] : fitting.Where(key => key.Kid == header.KeyId).ToList();
        if (named.Count == 0)
        {
            // Core §10.1: without kid only where there is one key. OpenAM names its RSA key in tokens that its EC key signed.
            var mayTry = header.KeyId is null ? fitting.Count == 1 : options.IsOpenAm && all.Any(key => key.Kid == header.KeyId && !Fits(key, header.Algorithm));
            named = mayTry ? fitting : [];
        }

        if (named.Any(ShippedKeys.Contains))
        {
            if (named.All(ShippedKeys.Contains))
            {
                throw new ExternalRefusal(ExternalProblem.Setup, "shipped_key", ShippedKeys.Mending);
            }

            named.RemoveAll(ShippedKeys.Contains);
        }

        return [.. named.Select(Key).OfType<SecurityKey>()];
    }

    private static bool Fits(JsonWebKey key, string algorithm) =>
        key.Use is null or "" or "sig"
        && (string.IsNullOrEmpty(key.Alg) || key.Alg == algorithm || (key.Kty == "RSA" && key.Alg.Length == 5 && key.Alg[0] is 'R' or 'P' && key.Alg[1] == 'S' && algorithm[1] == 'S' && algorithm[0] is 'R' or 'P'))
        && (algorithm[0] is 'E'
            ? key.Kty == "EC" && key.Crv == algorithm switch { "ES256" => "P-256", "ES384" => "P-384", _ => "P-521" }
            : key.Kty == "RSA");

    private static SecurityKey? Key(JsonWebKey key)
    {
        try
        {
            if (key.Kty == "RSA")
            {
                var parameters = new RSAParameters { Modulus = Base64UrlEncoder.DecodeBytes(key.N), Exponent = Base64UrlEncoder.DecodeBytes(key.E) };
                return parameters.Modulus.Length * 8 >= SmallestRsaKey && parameters.Exponent.Length > 0 ? new RsaSecurityKey(parameters) { KeyId = key.Kid } : null;
            }

            var (curve, length) = key.Crv switch { "P-256" => (ECCurve.NamedCurves.nistP256, 32), "P-384" => (ECCurve.NamedCurves.nistP384, 48), _ => (ECCurve.NamedCurves.nistP521, 66) };
            return new ECDsaSecurityKey(ECDsa.Create(new ECParameters { Curve = curve, Q = new ECPoint { X = Coordinate(key.X, length), Y = Coordinate(key.Y, length) } })) { KeyId = key.Kid };
        }
        catch (Exception exception) when (exception is CryptographicException or FormatException or ArgumentException)
        {
            return null;
        }
    }

    // RFC 7518 §6.2.1.2: of the curve's length. OpenAM writes the sign byte of Java's BigInteger in front; the number is the same.
    private static byte[] Coordinate(string text, int length)
    {
        var bytes = Base64UrlEncoder.DecodeBytes(text).AsSpan().TrimStart((byte)0);
        if (bytes.Length > length)
        {
            throw new FormatException("A coordinate is longer than its curve's.");
        }

        var result = new byte[length];
        bytes.CopyTo(result.AsSpan(length - bytes.Length));
        return result;
    }

    // RFC 8725 §2.4 in spirit: readers differ about which of two counts.
    private static void RefuseDuplicates(ReadOnlySpan<byte> json)
    {
        using var document = JsonDocument.Parse(json.ToArray(), new JsonDocumentOptions { AllowDuplicateProperties = false });
        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            throw new FormatException("A JWT's part is an object.");
        }
    }

    private static string Reason(Exception? exception) => exception switch
    {
        SecurityTokenInvalidSignatureException or SecurityTokenSignatureKeyNotFoundException => "signature",
        _ => "token",
    };

    private static ExternalRefusal Refused(string reason, string detail) => new(ExternalProblem.Refused, reason, detail);

    private sealed record Header(string Algorithm, string? KeyId, bool IsCritical)
    {
        public static Header Read(byte[] json)
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            var root = document.RootElement;
            return root.ValueKind == JsonValueKind.Object && root.TryGetProperty("alg", out var algorithm) && algorithm.ValueKind == JsonValueKind.String
                ? new Header(algorithm.GetString()!, root.TryGetProperty("kid", out var kid) && kid.ValueKind == JsonValueKind.String ? kid.GetString() : null, root.TryGetProperty("crit", out _))
                : throw new FormatException("A JWT's header names its algorithm.");
        }
    }
}

/// <summary>Puts <see cref="OidcTokens"/> where ASP.NET Core's handler asks about ID tokens.</summary>
internal sealed class IdTokens(OidcTokens tokens) : JsonWebTokenHandler
{
    public override async Task<TokenValidationResult> ValidateTokenAsync(string token, TokenValidationParameters validationParameters)
    {
        var result = await tokens.ValidateAsync(token, CancellationToken.None);
        var jwt = (JsonWebToken)result.SecurityToken;
        if (OidcTokens.Text(jwt, "sub") is not { Length: <= Accounts.ExternalSignIn.ExternalSubject.MaximumLength })
        {
            throw new ExternalRefusal(ExternalProblem.Refused, "sub", "the ID token names nobody");
        }

        if (OidcTokens.Text(jwt, "nonce") is null)
        {
            throw new ExternalRefusal(ExternalProblem.Refused, "nonce", "the ID token has no nonce, so it may have been issued for another sign-in");
        }

        return result;
    }
}

/// <summary>Sends our nonce.</summary>
internal sealed class OidcProtocol : OpenIdConnectProtocolValidator
{
    private readonly ExternalIds _ids;

    public OidcProtocol(ExternalIds ids)
    {
        _ids = ids;
        RequireNonce = true;
        RequireTimeStampInNonce = false;

        // The handler has compared the state by then, and taken it away.
        RequireStateValidation = false;
    }

    public override string GenerateNonce() => _ids.NewNonce();
}
