// FIPS 186-5 (ECDSA) over P-256 with SHA-256, ES256 of RFC 7518 §3.4: the texts that a device signs.
using System.Globalization;

namespace Identity.Accounts.PushSignIn;

/// <summary>
/// Lines of ASCII with a line feed between them, the first of which says what for: what was signed for one purpose is worth nothing for
/// another. Ids are UUIDs in small letters with hyphens.
/// </summary>
public static class SignInChallenge
{
    /// <param name="requestId">The sign-in.</param>
    /// <param name="approves">Yes or no.</param>
    /// <param name="number">The number that was picked; null with a no.</param>
    /// <param name="userVerified">Whether the device asked for finger, face or PIN.</param>
    /// <param name="deviceId">As POST /devices answered it.</param>
    /// <param name="nonce">Of the request.</param>
    public static string OfDecision(Guid requestId, bool approves, string? number, bool userVerified, Guid deviceId, string nonce) => string.Join(
        '\n',
        "identity-sign-in-v1",
        requestId.ToString("D", CultureInfo.InvariantCulture),
        approves ? "approve" : "deny",
        number ?? "-",
        userVerified ? "verified" : "unverified",
        deviceId.ToString("D", CultureInfo.InvariantCulture),
        nonce);

    /// <param name="deviceId">As POST /devices answered it.</param>
    /// <param name="time">Seconds since 1970, UTC.</param>
    public static string OfList(Guid deviceId, long time) => string.Join(
        '\n',
        "identity-sign-ins-v1",
        deviceId.ToString("D", CultureInfo.InvariantCulture),
        time.ToString(CultureInfo.InvariantCulture));
}
