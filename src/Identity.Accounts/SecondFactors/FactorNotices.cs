using Identity.Accounts.Delivery;
using Identity.Accounts.Texts;

namespace Identity.Accounts.SecondFactors;

/// <summary>Tells the owner of an account by mail what was changed about its factors.</summary>
public sealed class FactorNotices(DeliveryQueue delivery)
{
    public void Added(Account account, string kind) => Post(account, "FactorAdded", kind);

    public void Removed(Account account, string kind) => Post(account, "FactorRemoved", kind);

    public void NewRecoveryCodes(Account account) => Post(account, "RecoveryCodesMade", FactorKinds.RecoveryCode);

    public void RecoveryCodeUsed(Account account, int left) =>
        delivery.Post("email", new PersonalMessage(account.Email, AccountTexts.Get("RecoveryCodeUsedSubject"), AccountTexts.Format("RecoveryCodeUsedMail", left)));

    private void Post(Account account, string text, string kind) =>
        delivery.Post("email", new PersonalMessage(account.Email, AccountTexts.Get(text + "Subject"), AccountTexts.Format(text + "Mail", AccountTexts.Get("Factor_" + kind))));
}
