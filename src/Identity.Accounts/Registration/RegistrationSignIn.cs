// NIST SP 800-63A §4 and OpenID Connect Core §2 (sid): whoever registered and confirmed the code is who signs in first.
using Identity.Accounts.Audit;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;

namespace Identity.Accounts.Registration;

/// <summary>Signs in the browser that brought the password, by registering or at the sign-in page, an hour ago at most, once the code from the mail is confirmed there: it has brought the mailbox too.</summary>
public sealed class RegistrationSignIn(IAccountStore accounts, SessionService sessions, KnownDevices devices, SecondFactorPolicy secondFactors, AuditTrail audit, TimeProvider timeProvider)
{
    /// <summary>Refused where the account was changed meanwhile.</summary>
    public async Task<SignInAttempt> SignInAsync(Account account, Caller caller, CancellationToken cancellationToken)
    {
        if (await secondFactors.FindDueAsync(account, [AuthenticationMethods.OneTimeCode], "email", caller, cancellationToken) is { } half)
        {
            await audit.WriteAsync("sign_in", "second_factor_due", account.Id, caller, sessionId: null, cancellationToken);
            return half.Methods.Count == 0 && !half.Enrols ? new SignInAttempt.Refused() : new SignInAttempt.SecondFactorDue(account, half);
        }

        if (await sessions.StartAsync(account, [AuthenticationMethods.OneTimeCode], caller, cancellationToken) is not { } started)
        {
            await audit.WriteAsync("sign_in", "changed_meanwhile", account.Id, caller, sessionId: null, cancellationToken);
            return new SignInAttempt.Refused();
        }

        await accounts.RecordSignInAsync(account.Id, timeProvider.GetUtcNow(), cancellationToken);
        await devices.RememberAsync(account.Id, caller, cancellationToken);
        await audit.WriteAsync("sign_in", "success", account.Id, caller, started.Session.Id, cancellationToken);
        return new SignInAttempt.Succeeded(started.Account, started.Session);
    }
}
