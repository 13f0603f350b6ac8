// Sudhodanan and Paverd, "Pre-hijacked accounts" (USENIX Security 2022): what a right code shows of an account's address, and of whose the account is.
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Events;
using Identity.Accounts.Profile;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts.OneTimeCodes;

/// <summary>What becomes of an account whose address or number was proven by a code. The code is used up: all of it happens whether or not the caller hangs up.</summary>
public sealed class ProvenAddress(
    IAccountStore accounts,
    ICredentialStore credentials,
    SecondFactorPolicy secondFactors,
    SessionService sessions,
    OwnerClaim claim,
    AccessNotices notices,
    ILookupNormalizer normalizer,
    LifecycleEvents events,
    AuditTrail audit,
    TimeProvider timeProvider)
{
    /// <summary>An address or number in force is verified from now on; <paramref name="isBrought"/>: for somebody who had proven the account otherwise too.</summary>
    internal async Task<Account> MarkVerifiedAsync(Account account, string channel, bool isBrought)
    {
        var byMail = channel == "email";
        var proven = byMail ? account.NormalizedEmail : account.PhoneNumber;
        var marked = await accounts.ReviseAsync(
            account,
            async current =>
            {
                // Proven alone before, and by the same person with something else now: it is theirs.
                var isVerified = byMail ? current.EmailVerified : current.PhoneNumberVerified;
                var settles = byMail && isBrought && current.Claim != AccountClaim.Settled;
                if ((isVerified && !settles) || (byMail ? current.NormalizedEmail : current.PhoneNumber) != proven)
                {
                    return null;
                }

                if (settles)
                {
                    current.Claim = AccountClaim.Settled;
                }
                else if (byMail && current.Claim is AccountClaim.Unproven or AccountClaim.Brought)
                {
                    // By a code alone, of an account that somebody else may have made: a number they proved is theirs, and so are the factors it has.
                    (current.Claim, current.PhoneNumberVerified) = (await secondFactors.HasNoneAsync(current.Id, CancellationToken.None) ? AccountClaim.ProvenBare : AccountClaim.ProvenAlone, false);
                }

                (current.EmailVerified, current.PhoneNumberVerified) = byMail ? (true, current.PhoneNumberVerified) : (current.EmailVerified, true);
                current.UpdatedAt = timeProvider.GetUtcNow();
                return new AccountRevision(isVerified ? [] : [events.OfUser(byMail ? EventTypes.UserEmailVerified : EventTypes.UserPhoneVerified, current)], new AccountConsequences());
            },
            CancellationToken.None);
        return marked.Outcome is null or AccountWrite.Done ? marked.Account : throw Lost(marked);
    }

    /// <summary>A code to the account's address was right for somebody who had proven it otherwise too: what is on it is theirs, and so is the address.</summary>
    internal async Task SettleAsync(Account account)
    {
        if (account.Claim != AccountClaim.Settled)
        {
            await MarkVerifiedAsync(account, "email", isBrought: true);
        }
    }

    /// <summary>The address or number that waited takes the place of the old one, which is told; null where it was taken or replaced meanwhile.</summary>
    internal async Task<Account?> PutInForceAsync(Account account, bool isEmail, Caller caller)
    {
        var proven = isEmail ? account.PendingEmail : account.PendingPhoneNumber;
        var changed = await accounts.ReviseAsync(
            account,
            current =>
            {
                if (proven is null || proven != (isEmail ? current.PendingEmail : current.PendingPhoneNumber))
                {
                    return default;
                }

                var (oldEmail, wasVerified) = (current.Email, current.EmailVerified);
                if (isEmail)
                {
                    (current.Email, current.NormalizedEmail, current.EmailVerified, current.PendingEmail, current.Claim) = (proven, normalizer.NormalizeEmail(proven), true, null, AccountClaim.Settled);
                }
                else
                {
                    (current.PhoneNumber, current.PhoneNumberVerified, current.PendingPhoneNumber) = (proven, true, null);
                }

                current.UpdatedAt = timeProvider.GetUtcNow();
                var notice = isEmail ? notices.Write(current, AccessChange.EmailChanged, oldEmail, wasVerified ? oldEmail : null, withLink: true) : notices.Write(current, AccessChange.PhoneChanged);
                return new(new AccountRevision(
                    [events.OfUser(EventTypes.UserUpdated, current), events.OfUser(isEmail ? EventTypes.UserEmailVerified : EventTypes.UserPhoneVerified, current)],
                    new AccountConsequences { Notices = [notice] }));
            },
            CancellationToken.None);
        if (!changed.IsDone)
        {
            return null;
        }

        await audit.WriteAsync(isEmail ? "email_change" : "phone_change", "success", changed.Account.Id, caller, sessionId: null, CancellationToken.None);
        return changed.Account;
    }

    /// <summary>A code alone gives the account to who reads its mail: what somebody else set before, the password and sessions first of all, goes with it. False: it was theirs.</summary>
    internal async Task<(Account Account, bool IsTakenOver)> TakeAsync(Account account, string channel, Caller caller)
    {
        if (channel != "email")
        {
            return (account, false);
        }

        if (account.Id == caller.AccountId)
        {
            return (await MarkVerifiedAsync(account, channel, isBrought: true), false);
        }

        var before = OwnerClaim.Before(account);
        await claim.ForgetAheadAsync(account, before);
        var taken = await accounts.ReviseAsync(
            account,
            async current =>
            {
                var wasProven = current.EmailVerified;
                before = OwnerClaim.Before(current);
                if (!OwnerClaim.Take(current))
                {
                    return null;
                }

                current.SecurityStamp = Guid.NewGuid().ToString("N");
                current.UpdatedAt = timeProvider.GetUtcNow();
                var stored = await credentials.FindAsync(current.Id, CancellationToken.None);
                var consequences = new AccountConsequences
                {
                    Password = stored?.PasswordHash is { } hash ? new PasswordReplacement(hash, null, timeProvider.GetUtcNow()) : null,
                    ForgetsDevices = true,
                    EndSessions = sessions.EndingWith(SessionEndReasons.Revoked, caller),
                    Notices = [notices.Write(current, AccessChange.AccountTakenOver)],
                };
                return new AccountRevision(
                    wasProven ? [events.OfUser(EventTypes.UserUpdated, current)] : [events.OfUser(EventTypes.UserUpdated, current), events.OfUser(EventTypes.UserEmailVerified, current)],
                    consequences);
            },
            CancellationToken.None);
        if (taken.Outcome is null)
        {
            return (taken.Account, false);
        }

        if (!taken.IsDone)
        {
            throw Lost(taken);
        }

        await claim.ForgetRestAsync(taken.Account.Id, before, CancellationToken.None);
        await sessions.AuditEndedAsync(taken.Ended, SessionEndReasons.Revoked, caller, CancellationToken.None);
        return (taken.Account, true);
    }

    private static InvalidOperationException Lost(RevisedAccount account) => new($"A code was used up, and what it proved could not be kept: {account.Outcome}.");
}
