// NIST SP 800-63B-4 §3.1.3 (out-of-band) as the first factor.
using Identity.Accounts.Audit;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;

namespace Identity.Accounts.OneTimeCodes;

/// <summary>Signs in whoever brought a right code of purpose <c>login</c>.</summary>
public sealed class CodeSignIn(IAccountStore accounts, ProvenAddress proven, SecondFactorPolicy secondFactors, SessionService sessions, KnownDevices devices, AuditTrail audit, TimeProvider timeProvider)
{
    internal async Task<TriedCode> StartAsync(Account account, string channel, Caller caller)
    {
        (account, var isTakenOver) = await proven.TakeAsync(account, channel, caller);
        string[] amr = channel == FactorKinds.Sms ? [AuthenticationMethods.OneTimeCode, AuthenticationMethods.Sms] : [AuthenticationMethods.OneTimeCode];
        if (await secondFactors.FindDueAsync(account, amr, channel, caller, CancellationToken.None) is { } half)
        {
            await audit.WriteAsync("sign_in", "second_factor_due", account.Id, caller, sessionId: null, CancellationToken.None);
            return half.Methods.Count == 0 && !half.Enrols ? new TriedCode.Invalid() : new TriedCode.SecondFactorDue(account, half);
        }

        await accounts.RecordSignInAsync(account.Id, timeProvider.GetUtcNow(), CancellationToken.None);
        if (await sessions.StartAsync(account, amr, caller, CancellationToken.None) is not var (session, current))
        {
            await audit.WriteAsync("sign_in", "changed_meanwhile", account.Id, caller, sessionId: null, CancellationToken.None);
            return new TriedCode.Invalid();
        }

        await devices.RememberAsync(account.Id, caller, CancellationToken.None);
        await audit.WriteAsync("sign_in", "success", account.Id, caller, session.Id, CancellationToken.None);
        return new TriedCode.Verified(current, session) { IsTakenOver = isTakenOver };
    }
}
