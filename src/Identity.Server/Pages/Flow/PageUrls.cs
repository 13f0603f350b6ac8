using System.Globalization;
using Identity.Accounts.SecondFactors;
using Identity.OAuth.Requests;
using Microsoft.AspNetCore.WebUtilities;

namespace Identity.Server.Pages.Flow;

/// <summary>Addresses of the pages, with what they carry along. A code or password is never in one.</summary>
public static class PageUrls
{
    public const string SignInPath = "/signin";
    public const string ForgotPasswordPath = "/forgot-password";
    public const string ResetPasswordPath = "/reset-password";
    public const string VerifyEmailPath = "/verify-email";
    public const string SignInWithCodePath = "/signin/code";
    public const string SecondFactorPath = "/signin/second-factor";
    public const string PhonePath = "/signin/phone";
    public const string AddFactorPath = "/signin/add-factor";
    public const string SecurityPath = "/account/security";
    public const string AuthenticatorPath = "/account/security/authenticator";
    public const string PasskeyPath = "/account/security/passkey";
    public const string RecoveryCodesPath = "/account/security/recovery-codes";
    public const string DataPath = "/account/data";
    public const string AccountDeleted = SignedOutPath + "?done=deleted";
    public const string PasswordPath = "/account/password";
    public const string RegisterPath = "/register";
    public const string ConfirmPath = "/account/security/confirm";
    public const string AccountPath = "/account";
    public const string SignOutPath = "/signout";
    public const string SignedOutPath = "/signed-out";
    public const string VerifyPath = "/" + ProtocolEndpoints.EndUserVerification;

    public const string ConnectionsPath = "/account/connections";

    public static string External(string provider, string? returnUrl, string? link = null) => Build("/external/" + provider, ("returnUrl", returnUrl), ("link", link));

    public static string ExternalProblem(string problem, string provider, string id, string? returnUrl) => Build("/external/problem", ("problem", problem), ("provider", provider), ("id", id), ("returnUrl", returnUrl));

    public static string ExternalLink(string id) => Build("/external/link", ("id", id));

    public static string ExternalSignOut(string id) => Build("/external/signout", ("id", id));

    public static string SignIn(string? returnUrl, string? email = null, string? done = null) => Build(SignInPath, ("returnUrl", returnUrl), ("email", email), ("done", done));

    /// <summary>The sign-in page itself, also where the settings lead on to a provider at once.</summary>
    public static string SignInHere(string? returnUrl) => Build(SignInPath, ("returnUrl", returnUrl), ("here", "1"));

    public static string ForgotPassword(string? email, string? returnUrl) => Build(ForgotPasswordPath, ("returnUrl", returnUrl), ("email", email));

    public static string ResetPassword(string email, string? returnUrl) => Build(ResetPasswordPath, ("returnUrl", returnUrl), ("email", email));

    public static string VerifyEmail(string? email, string? returnUrl, bool sent) => Build(VerifyEmailPath, ("returnUrl", returnUrl), ("email", email), ("sent", sent ? "1" : null));

    /// <summary>The address is proven, and this browser is not signed in by that.</summary>
    public static string Verified(string? returnUrl) => Build(VerifyEmailPath, ("returnUrl", returnUrl), ("done", "1"));

    public static string SignOut(string returnUrl) => Build(SignOutPath, ("returnUrl", returnUrl));

    /// <param name="returnUrl">Where the sign-out goes on by itself.</param>
    public static string SignedOut(string returnUrl) => Build(SignedOutPath, ("returnUrl", returnUrl));

    /// <summary>Where a sign-out ends.</summary>
    /// <param name="clientId">The application that asked for it; null: none.</param>
    /// <param name="uiLocales">As it asked; null: it did not say.</param>
    public static string SignedOut(string? clientId, string? uiLocales) => Build(SignedOutPath, ("client_id", clientId), ("ui_locales", uiLocales));

    public static string SignInWithCode(string? email, string? returnUrl, bool sent) => Build(SignInWithCodePath, ("returnUrl", returnUrl), ("email", email), ("sent", sent ? "1" : null));

    public static string SecondFactor(string? returnUrl, string? way = null, bool sent = false, bool again = false) =>
        Build(SecondFactorPath, ("returnUrl", returnUrl), ("way", way), ("sent", sent ? "1" : null), ("again", again ? "1" : null));

    public static string Phone(string? returnUrl) => Build(PhonePath, ("returnUrl", returnUrl));

    /// <summary>Where a half-done sign-in goes on: to a factor that the account has, or to adding the first.</summary>
    public static string SecondHalf(HalfSignIn half, string? returnUrl) => half.Enrols ? AddFactor(returnUrl) : SecondFactor(returnUrl);

    public static string AddFactor(string? returnUrl) => Build(AddFactorPath, ("returnUrl", returnUrl));

    /// <param name="returnUrl">The application that asks for it; null: none.</param>
    public static string Authenticator(string? returnUrl) => Build(AuthenticatorPath, ("returnUrl", returnUrl));

    /// <param name="returnUrl">The application that asks for it; null: none.</param>
    public static string Passkey(string? returnUrl) => Build(PasskeyPath, ("returnUrl", returnUrl));

    /// <summary>Where recovery codes are shown that the browser was given just now.</summary>
    /// <param name="returnUrl">The application that waits; null: none.</param>
    /// <param name="added">The kind of the factor that they came with; null: they are new ones.</param>
    public static string RecoveryCodes(string? returnUrl, string? added) => Build(RecoveryCodesPath, ("returnUrl", returnUrl), ("added", added));

    public static string Register(string? returnUrl) => Build(RegisterPath, ("returnUrl", returnUrl));

    /// <param name="returnUrl">What the proof is for.</param>
    /// <param name="strength">How strong it has to be at least: what is weaker is not offered.</param>
    /// <param name="way">The one to ask for.</param>
    /// <param name="sent">A code is on its way.</param>
    /// <param name="again">It is not the first.</param>
    public static string Confirm(string returnUrl, int strength, string? way = null, bool sent = false, bool again = false) =>
        Build(ConfirmPath, ("returnUrl", returnUrl), ("strength", strength > 0 ? strength.ToString(CultureInfo.InvariantCulture) : null), ("way", way), ("sent", sent ? "1" : null), ("again", again ? "1" : null));

    /// <summary>The code of a device is part of the link that the device shows (RFC 8628 §3.3.1), and worth nothing without a person's yes.</summary>
    public static string Verify(string? userCode, string? done = null, string? interaction = null) => Build(VerifyPath, ("user_code", userCode), ("done", done), ("interaction", interaction));

    private static string Build(string path, params (string Name, string? Value)[] parameters) =>
        QueryHelpers.AddQueryString(path, parameters.Where(parameter => parameter.Value is not null).Select(parameter => KeyValuePair.Create(parameter.Name, parameter.Value)));
}
