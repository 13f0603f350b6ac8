using System.Text.Json.Nodes;
using Identity.Accounts.SecondFactors;

namespace Identity.Api.Contracts;

/// <summary>An enrolled factor.</summary>
/// <param name="Id">For PUT and DELETE.</param>
/// <param name="Type">totp, passkey, email, sms or push.</param>
/// <param name="Name">A passkey's.</param>
/// <param name="CreatedAt">When it was enrolled.</param>
/// <param name="LastUsedAt">When it last proved its owner.</param>
/// <param name="WithoutPassword">Of push: whether a yes on a device is enough, without the password.</param>
public sealed record FactorResponse(Guid Id, string Type, string? Name, DateTimeOffset CreatedAt, DateTimeOffset? LastUsedAt, bool? WithoutPassword)
{
    internal static FactorResponse Of(SecondFactor factor) => new(
        factor.Id,
        factor.Kind,
        factor.Name.Length == 0 ? null : factor.Name,
        factor.CreatedAt,
        factor.LastUsedAt,
        factor.Kind == FactorKinds.Push ? FactorKinds.IsAlone(factor) : null);
}

/// <summary>A browser that needs no second factor for a while.</summary>
/// <param name="Id">For DELETE.</param>
/// <param name="UserAgent">What the browser calls itself.</param>
/// <param name="Ip">Where it was last seen.</param>
/// <param name="CreatedAt">When it was remembered.</param>
/// <param name="LastUsedAt">When it last signed in.</param>
/// <param name="ExpiresAt">When it is forgotten.</param>
public sealed record RememberedBrowserResponse(Guid Id, string? UserAgent, string? Ip, DateTimeOffset CreatedAt, DateTimeOffset LastUsedAt, DateTimeOffset ExpiresAt);

/// <summary>Answer of GET /factors.</summary>
/// <param name="Factors">In the order they were enrolled.</param>
/// <param name="RecoveryCodesLeft">Each works once.</param>
/// <param name="RememberedBrowsers">Need no second factor for a while.</param>
public sealed record FactorsResponse(IReadOnlyList<FactorResponse> Factors, int RecoveryCodesLeft, IReadOnlyList<RememberedBrowserResponse> RememberedBrowsers)
{
    internal static FactorsResponse Of(AccountFactors found) => new(
        [.. found.Factors.Select(FactorResponse.Of)],
        found.RecoveryCodesLeft,
        [.. found.Browsers.Select(browser => new RememberedBrowserResponse(browser.Id, browser.UserAgent, browser.Ip, browser.CreatedAt, browser.LastUsedAt, browser.ExpiresAt))]);
}

/// <summary>Answer of POST /factors/totp: for an authenticator app, not yet in force.</summary>
/// <param name="EnrolmentToken">For totp/confirm; lives five minutes.</param>
/// <param name="Secret">Base32, to be typed.</param>
/// <param name="Uri">otpauth://totp/…</param>
/// <param name="QrSvg">The same as a QR code.</param>
/// <param name="ExpiresIn">Seconds.</param>
public sealed record TotpEnrolmentResponse(string EnrolmentToken, string Secret, string Uri, string QrSvg, long ExpiresIn);

/// <summary>Answer where a factor was added or recovery codes were made.</summary>
/// <param name="Factor">The new one.</param>
/// <param name="RecoveryCodes">Shown this once; null where there are some already.</param>
public sealed record FactorAddedResponse(FactorResponse? Factor, IReadOnlyList<string>? RecoveryCodes);

/// <summary>Answer of the passkey challenges.</summary>
/// <param name="PasskeyToken">Comes back with the credential; lives five minutes, for one use.</param>
/// <param name="PublicKey">For PublicKeyCredential.parseCreationOptionsFromJSON or parseRequestOptionsFromJSON.</param>
public sealed record PasskeyChallengeResponse(string PasskeyToken, JsonNode PublicKey)
{
    internal static PasskeyChallengeResponse Of(PasskeyChallenge challenge) => new(challenge.Ticket, JsonNode.Parse(challenge.Options)!);
}
