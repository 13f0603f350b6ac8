// OWASP ASVS 5.0 §6.3.7: a change of the factors is told like any other change of what lets somebody in.
using System.Globalization;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Profile;
using Identity.Accounts.Texts;

namespace Identity.Accounts.SecondFactors;

/// <summary>Writes what the owner of an account is told by mail of a change of its factors, with the link that takes it back.</summary>
public sealed class FactorNotices(AccessNotices notices)
{
    public Notice Added(Account account, string kind) =>
        notices.Write(account, kind == FactorKinds.Passkey ? AccessChange.PasskeyAdded : AccessChange.SecondFactorAdded, culture => Name(kind, culture));

    public Notice Removed(Account account, string kind) =>
        notices.Write(account, kind == FactorKinds.Passkey ? AccessChange.PasskeyRemoved : AccessChange.SecondFactorRemoved, culture => Name(kind, culture));

    public Notice NewRecoveryCodes(Account account) => notices.Write(account, AccessChange.RecoveryCodesReplaced);

    /// <param name="account">Whose.</param>
    /// <param name="left">Codes that were not used yet.</param>
    public Notice RecoveryCodeUsed(Account account, int left) => notices.Write(account, AccessChange.RecoveryCodeUsed, culture => left.ToString(culture));

    /// <param name="account">Whose.</param>
    /// <param name="until">When it is forgotten.</param>
    public Notice BrowserRemembered(Account account, DateTimeOffset until) => notices.Write(account, AccessChange.BrowserRemembered, culture => until.ToString("d", culture));

    public Notice PushWithoutPassword(Account account, bool isAllowed) =>
        notices.Write(account, isAllowed ? AccessChange.PushWithoutPasswordAllowed : AccessChange.PushWithoutPasswordForbidden);

    private static string Name(string kind, CultureInfo culture) => AccountTexts.In(culture, "Factor_" + kind);
}
