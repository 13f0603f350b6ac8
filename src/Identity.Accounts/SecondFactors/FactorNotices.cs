// OWASP ASVS 5.0 §6.3.7: a change of the factors is told like any other change of what lets somebody in.
using System.Globalization;
using Identity.Accounts.Profile;
using Identity.Accounts.Texts;

namespace Identity.Accounts.SecondFactors;

/// <summary>Tells the owner of an account by mail what was changed about its factors, with the link that takes it back.</summary>
public sealed class FactorNotices(AccessNotices notices)
{
    public Task AddedAsync(Account account, string kind) =>
        notices.TellAsync(account, kind == FactorKinds.Passkey ? AccessChange.PasskeyAdded : AccessChange.SecondFactorAdded, culture => Name(kind, culture));

    public Task RemovedAsync(Account account, string kind) =>
        notices.TellAsync(account, kind == FactorKinds.Passkey ? AccessChange.PasskeyRemoved : AccessChange.SecondFactorRemoved, culture => Name(kind, culture));

    public Task NewRecoveryCodesAsync(Account account) => notices.TellAsync(account, AccessChange.RecoveryCodesReplaced);

    /// <param name="account">Whose.</param>
    /// <param name="left">Codes that were not used yet.</param>
    public Task RecoveryCodeUsedAsync(Account account, int left) => notices.TellAsync(account, AccessChange.RecoveryCodeUsed, culture => left.ToString(culture));

    /// <param name="account">Whose.</param>
    /// <param name="until">When it is forgotten.</param>
    public Task BrowserRememberedAsync(Account account, DateTimeOffset until) => notices.TellAsync(account, AccessChange.BrowserRemembered, culture => until.ToString("d", culture));

    public Task PushWithoutPasswordAsync(Account account, bool isAllowed) =>
        notices.TellAsync(account, isAllowed ? AccessChange.PushWithoutPasswordAllowed : AccessChange.PushWithoutPasswordForbidden);

    private static string Name(string kind, CultureInfo culture) => AccountTexts.In(culture, "Factor_" + kind);
}
