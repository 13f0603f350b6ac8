// NIST SP 800-63A §4 and OpenID Connect Core §2 (sid): whoever registered and confirmed the code is who signs in first.
using Identity.Accounts.Audit;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;

namespace Identity.Accounts.Registration;

/// <summary>Signs in the browser that registered the account once the code from the mail is confirmed there: it has brought the password, an hour ago at most, and the mailbox.</summary>
public sealed class RegistrationSignIn(IAccountStore accounts, SessionService sessions, KnownDevices devices, AuditTrail audit, TimeProvider timeProvider)
{
    /// <summary>Null where the account was changed meanwhile.</summary>
    public async Task<Session?> SignInAsync(Account account, Caller caller, CancellationToken cancellationToken)
    {
        if (await sessions.StartAsync(account, ["otp"], caller, cancellationToken) is not { } started)
        {
            await audit.WriteAsync("sign_in", "changed_meanwhile", account.Id, caller, sessionId: null, cancellationToken);
            return null;
        }

        await accounts.RecordSignInAsync(account.Id, timeProvider.GetUtcNow(), cancellationToken);
        await devices.RememberAsync(account.Id, caller, cancellationToken);
        await audit.WriteAsync("sign_in", "success", account.Id, caller, started.Session.Id, cancellationToken);
        return started.Session;
    }
}
