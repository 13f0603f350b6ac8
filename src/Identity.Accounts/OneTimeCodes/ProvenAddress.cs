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
        for (var attempt = 0; attempt < 20; attempt++)
        {
            // Proven alone before, and by the same person with something else now: it is theirs.
            var isVerified = byMail ? account.EmailVerified : account.PhoneNumberVerified;
            var settles = byMail && isBrought && account.Claim != AccountClaim.Settled;
            if ((isVerified && !settles) || (byMail ? account.NormalizedEmail : account.PhoneNumber) != proven)
            {
                return account;
            }

            if (settles)
            {
                account.Claim = AccountClaim.Settled;
            }
            else if (byMail && account.Claim is AccountClaim.Unproven or AccountClaim.Brought)
            {
                // By a code alone, of an account that somebody else may have made: a number they proved is theirs, and so are the factors it has.
                (account.Claim, account.PhoneNumberVerified) = (await secondFactors.HasNoneAsync(account.Id, CancellationToken.None) ? AccountClaim.ProvenBare : AccountClaim.ProvenAlone, false);
            }

            (account.EmailVerified, account.PhoneNumberVerified) = byMail ? (true, account.PhoneNumberVerified) : (account.EmailVerified, true);
            account.UpdatedAt = timeProvider.GetUtcNow();
            LifecycleEvent[] told = isVerified ? [] : [events.OfUser(byMail ? EventTypes.UserEmailVerified : EventTypes.UserPhoneVerified, account)];
            if (await accounts.UpdateAsync(account, account.Version, told, CancellationToken.None) == AccountWrite.Done)
            {
                return account;
            }

            account = await accounts.FindAsync(account.Id, CancellationToken.None) ?? throw new InvalidOperationException("The account of a code that was just used is gone.");
        }

        throw new InvalidOperationException("An address could not be marked as verified: the account was changed by others twenty times meanwhile.");
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
        for (var attempt = 0; attempt < 20; attempt++)
        {
            if (proven is null || proven != (isEmail ? account.PendingEmail : account.PendingPhoneNumber))
            {
                return null;
            }

            var (oldEmail, wasVerified) = (account.Email, account.EmailVerified);
            if (isEmail)
            {
                (account.Email, account.NormalizedEmail, account.EmailVerified, account.PendingEmail, account.Claim) = (proven, normalizer.NormalizeEmail(proven), true, null, AccountClaim.Settled);
            }
            else
            {
                (account.PhoneNumber, account.PhoneNumberVerified, account.PendingPhoneNumber) = (proven, true, null);
            }

            account.UpdatedAt = timeProvider.GetUtcNow();
            LifecycleEvent[] told = [events.OfUser(EventTypes.UserUpdated, account), events.OfUser(isEmail ? EventTypes.UserEmailVerified : EventTypes.UserPhoneVerified, account)];
            var notice = isEmail ? notices.Write(account, AccessChange.EmailChanged, oldEmail, wasVerified ? oldEmail : null, withLink: true) : notices.Write(account, AccessChange.PhoneChanged);
            switch ((await accounts.UpdateAsync(account, account.Version, told, new AccountConsequences { Notices = [notice] }, CancellationToken.None)).Outcome)
            {
                case AccountWrite.Done:
                    await audit.WriteAsync(isEmail ? "email_change" : "phone_change", "success", account.Id, caller, sessionId: null, CancellationToken.None);
                    return account;
                case AccountWrite.Conflict when await accounts.FindAsync(account.Id, CancellationToken.None) is { } current:
                    account = current;
                    break;
                default:
                    return null;
            }
        }

        throw new InvalidOperationException("A proven address could not be put in force: the account was changed by others twenty times meanwhile.");
    }

    /// <summary>A code alone gives the account to who reads its mail: what somebody else set before, the password and sessions first of all, goes with it. False: it was theirs.</summary>
    internal async Task<(Account Account, bool IsTakenOver)> TakeAsync(Account account, string channel, Caller caller)
    {
        for (var attempt = 0; attempt < 20; attempt++)
        {
            var (wasProven, before) = (account.EmailVerified, OwnerClaim.Before(account));
            if (channel == "email" && account.Id == caller.AccountId)
            {
                return (await MarkVerifiedAsync(account, channel, isBrought: true), false);
            }

            if (channel != "email" || !OwnerClaim.Take(account))
            {
                return (account, false);
            }

            account.SecurityStamp = Guid.NewGuid().ToString("N");
            account.UpdatedAt = timeProvider.GetUtcNow();
            var stored = await credentials.FindAsync(account.Id, CancellationToken.None);
            var consequences = new AccountConsequences
            {
                Password = stored?.PasswordHash is { } hash ? new PasswordReplacement(hash, null, timeProvider.GetUtcNow()) : null,
                ForgetsDevices = true,
                EndSessions = sessions.EndingWith(SessionEndReasons.Revoked, caller),
                Notices = [notices.Write(account, AccessChange.AccountTakenOver)],
            };
            LifecycleEvent[] told = wasProven ? [events.OfUser(EventTypes.UserUpdated, account)] : [events.OfUser(EventTypes.UserUpdated, account), events.OfUser(EventTypes.UserEmailVerified, account)];
            var (written, ended) = await accounts.UpdateAsync(account, account.Version, told, consequences, CancellationToken.None);
            if (written == AccountWrite.Done)
            {
                await claim.ForgetRestAsync(account.Id, before, CancellationToken.None);
                await sessions.AuditEndedAsync(ended, SessionEndReasons.Revoked, caller, CancellationToken.None);
                return (account, true);
            }

            account = await accounts.FindAsync(account.Id, CancellationToken.None) ?? throw new InvalidOperationException("The account of a code that was just used is gone.");
        }

        throw new InvalidOperationException("An account could not be handed to its owner: it was changed by others twenty times meanwhile.");
    }
}
