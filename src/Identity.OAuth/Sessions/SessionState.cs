// OpenID Connect Session Management 1.0 §2 and §3.2: what a browser shows of its sign-in, and what an application is told of that, to compare the two without asking us.
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;

namespace Identity.OAuth.Sessions;

/// <summary>Hashes that tell nothing but whether they are the same: of session and sign-in for the browser, of that and a salt for each application.</summary>
public sealed class SessionState(IOptions<OAuthOptions> options)
{
    /// <summary>Where the frame is that applications ask (<c>check_session_iframe</c>).</summary>
    public const string FramePath = "/connect/checksession";

    /// <summary>Of a browser in which nobody is signed in any more. Not the same as none: scripts see none where a browser keeps cookies from frames.</summary>
    public const string SignedOut = "none";

    // A key of its own: with a bare hash whoever knows a sid, which is in tokens, could compute what other applications are told.
    private readonly Lazy<byte[]> _key = new(() => HKDF.DeriveKey(HashAlgorithmName.SHA256, options.Value.RefreshTokenKey, 32, info: "browser-state"u8.ToArray()));

    /// <summary>Another after each sign-in, of the same person too.</summary>
    public string OfBrowser(SessionInfo? session) => session is null
        ? SignedOut
        : Base64Url.EncodeToString(HMACSHA256.HashData(_key.Value, Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{session.Id}/{session.AuthTime.ToUnixTimeMilliseconds()}"))));

    /// <summary><c>session_state</c>: <c>hash.salt</c>, new in each answer; null: no script can have the origin of that address.</summary>
    public string? OfClient(SessionInfo session, string clientId, string redirectUri)
    {
        var address = new Uri(redirectUri);
        if (address.Scheme is not ("https" or "http"))
        {
            return null;
        }

        // As wwwroot/js/check-session.js does it.
        var salt = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16));
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{clientId} {address.GetLeftPart(UriPartial.Authority)} {OfBrowser(session)} {salt}"))) + "." + salt;
    }
}
