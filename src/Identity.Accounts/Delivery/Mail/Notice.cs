// OWASP ASVS 5.0 §6.3.7: what a person is told of a change is a part of the change.
using Identity.Accounts.Profile;

namespace Identity.Accounts.Delivery.Mail;

/// <summary>
/// A mail that tells a person of a change. Stores write it in the transaction of the change, so that there is neither without the other;
/// it is sent from there (<see cref="MailDelivery"/>), now or after a restart, by this process or another.
/// </summary>
/// <param name="Id">The same at every attempt: the mail's Message-ID.</param>
/// <param name="AccountId">Whose account changed; the mail goes with it.</param>
/// <param name="Kind">What it tells of, for metrics and logs.</param>
/// <param name="Mail">As it is sent.</param>
/// <param name="At">When the change was made.</param>
/// <param name="Link">The link in it; null: it has none, or one without a secret.</param>
public sealed record Notice(Guid Id, Guid AccountId, string Kind, PersonalMessage Mail, DateTimeOffset At, AccessNotice? Link = null);
