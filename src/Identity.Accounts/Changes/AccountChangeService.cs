// The wire contract's PUT /users/{id}, and the account page: changing accounts under optimistic concurrency (RFC 9110 §13.1.1).
using System.Text.Json.Nodes;
using Identity.Accounts.Audit;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Profile;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts.Changes;

/// <summary>Changes accounts and ends the sessions that a change makes untrue.</summary>
public sealed class AccountChangeService(
    IAccountStore accounts,
    IMetadataStore metadata,
    ILookupNormalizer normalizer,
    AccountRules rules,
    SessionService sessions,
    FreshProof proof,
    SecondFactorPolicy secondFactors,
    AccessNotices notices,
    OneTimeCodeService codes,
    CodeLimits limits,
    LifecycleEvents events,
    AuditTrail audit,
    TimeProvider timeProvider)
{
    private const int Attempts = 20;

    /// <summary>The account and its metadata; null if there is none.</summary>
    public async Task<(Account Account, JsonObject Metadata)?> FindAsync(Guid id, CancellationToken cancellationToken) =>
        await accounts.FindAsync(id, cancellationToken) is { } account ? (account, await metadata.FindAsync(id, cancellationToken)) : null;

    /// <summary>
    /// All of the change or nothing. Each change raises the account's version, one of metadata alone too.
    /// </summary>
    /// <param name="id">Whose account.</param>
    /// <param name="change">What changes.</param>
    /// <param name="expectedVersion">Null: whatever version is stored.</param>
    /// <param name="caller">Who changes it, and from where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<AccountChangeResult> ChangeAsync(Guid id, AccountChange change, long? expectedVersion, Caller caller, CancellationToken cancellationToken)
    {
        var (proven, admitted) = (change.ByPerson is null, change.ByPerson is null);
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (await accounts.FindAsync(id, cancellationToken) is not { } account)
            {
                return new AccountChangeResult.NotFound();
            }

            var wanted = Wanted(account, change);
            if (wanted.IsAccess && !proven)
            {
                if (!await proof.ProveAsync(id, change.ByPerson!, caller, cancellationToken))
                {
                    return new AccountChangeResult.ReauthenticationRequired();
                }

                proven = true;
            }

            // Asked after the password, whose wrong guesses are counted.
            if (change.ByPerson is { } person && wanted.Channels is { Count: > 0 } channels && await secondFactors.FindNeedToMoveAsync(account, channels, person.SessionId, cancellationToken) is not null)
            {
                return new AccountChangeResult.SecondStepRequired();
            }

            if (change.ByPerson is not null && wanted.UserName is { IsSet: true, Value: { } name } && rules.IsPhoneNumber(name))
            {
                return new AccountChangeResult.UserNameIsNumber();
            }

            if (change.ByPerson is not null && await FindTakenAsync(account, wanted, cancellationToken) is { } taken)
            {
                return new AccountChangeResult.Taken(taken);
            }

            if (expectedVersion is { } expected && expected != account.Version)
            {
                return new AccountChangeResult.Conflict();
            }

            // Before anything changes: an address that waits for a code which was never sent would wait in vain.
            if (!admitted && wanted.Codes > 0)
            {
                if (await limits.CountChangeAsync(id, wanted.Codes, caller, cancellationToken) is { } wait)
                {
                    return new AccountChangeResult.RateLimited(wait);
                }

                admitted = true;
            }

            var (wasActive, rolesBefore) = (account.IsActive, account.Roles);
            var (oldEmail, oldVerified) = (account.Email, account.EmailVerified);
            Apply(account, change, wanted);
            var rolesChanged = !rolesBefore.Order(StringComparer.Ordinal).SequenceEqual(account.Roles, StringComparer.Ordinal);
            var reason = wasActive != account.IsActive ? SessionEndReasons.Deactivated : rolesChanged ? SessionEndReasons.Admin : null;
            var consequences = new AccountConsequences
            {
                Metadata = change.Metadata,
                GivenRoles = [.. account.Roles.Except(rolesBefore, StringComparer.Ordinal)],
                EndSessions = reason is null ? null : sessions.EndingWith(reason, caller),

                // What the old mailboxes were sent goes with them: an administrator may have moved the account away from whoever reads them.
                VoidsNotices = change.ByPerson is null && wanted.Email is not null,
                Notices = [.. Notices(account, wanted, oldEmail, oldVerified, change.ByPerson is not null)],
            };
            var (written, ended) = await accounts.UpdateAsync(account, account.Version, Events(account, wasActive, rolesChanged), consequences, cancellationToken);
            switch (written)
            {
                case AccountWrite.Done:
                    break;
                case AccountWrite.Conflict when expectedVersion is null:
                    continue;
                case AccountWrite.Conflict:
                    return new AccountChangeResult.Conflict();
                case AccountWrite.NotFound:
                    return new AccountChangeResult.NotFound();
                case AccountWrite.MetadataTooLarge:
                    return new AccountChangeResult.MetadataTooLarge();
                case AccountWrite.LastAdmin:
                    return new AccountChangeResult.LastAdmin();
                case AccountWrite.UnknownRole:
                    return new AccountChangeResult.UnknownRole();
                default:
                    return new AccountChangeResult.Taken(written);
            }

            // Written: the trail tells of all of it although the caller may have hung up.
            await AuditAsync(account, wasActive, rolesChanged, caller);
            await sessions.AuditEndedAsync(ended, reason ?? "", caller, CancellationToken.None);
            await SendCodesAsync(account, wanted, change.ByPerson is not null, caller);
            return new AccountChangeResult.Changed(account, await metadata.FindAsync(id, cancellationToken));
        }

        return new AccountChangeResult.Conflict();
    }

    /// <summary>What differs of what lets the person in, in its one form.</summary>
    private sealed record AccessMembers(string? Email, Change<string> UserName, Change<string> PhoneNumber)
    {
        /// <summary>How many are to be proven by a code, where the person changes them.</summary>
        public int Codes => (Email is null ? 0 : 1) + (PhoneNumber is { IsSet: true, Value: not null } ? 1 : 0);

        /// <summary>Where codes of a second step would go elsewhere, or nowhere.</summary>
        public IReadOnlyCollection<string> Channels => [.. Email is null ? (string[])[] : [FactorKinds.Email], .. PhoneNumber.IsSet ? (string[])[FactorKinds.Sms] : []];

        public bool IsAccess => Email is not null || UserName.IsSet || PhoneNumber.IsSet;
    }

    private AccessMembers Wanted(Account account, AccountChange change)
    {
        var email = change.Email is { IsSet: true, Value: { } address } ? AccountRules.Email(address) ?? address.Trim() : null;
        var userName = AccountRules.UserName(change.UserName.Value) ?? change.UserName.Value;
        var phone = rules.PhoneNumber(change.PhoneNumber.Value) ?? change.PhoneNumber.Value;
        return new(
            email is not null && !AccountRules.IsSameMailbox(email, account.Email) ? email : null,
            change.UserName.IsSet && userName != account.UserName ? userName : default(Change<string>),
            change.PhoneNumber.IsSet && phone != account.PhoneNumber ? phone : default(Change<string>));
    }

    // What is to wait for its code is asked for now: later the person would have entered the code in vain.
    private async Task<AccountWrite?> FindTakenAsync(Account account, AccessMembers wanted, CancellationToken cancellationToken) =>
        wanted.Email is { } email && await accounts.FindByEmailAsync(normalizer.NormalizeEmail(email), cancellationToken) is { } byEmail && byEmail.Id != account.Id ? AccountWrite.EmailTaken
        : wanted.PhoneNumber is { IsSet: true, Value: { } phone } && await accounts.FindByPhoneNumberAsync(phone, cancellationToken) is { } byPhone && byPhone.Id != account.Id ? AccountWrite.PhoneNumberTaken
        : null;

    private IEnumerable<Notice> Notices(Account account, AccessMembers wanted, string oldEmail, bool oldVerified, bool byPerson)
    {
        if (wanted.Email is not null && byPerson)
        {
            yield return notices.Write(account, AccessChange.EmailChangeAsked, account.Email, oldVerified ? oldEmail : null, withLink: true);
        }
        else if (wanted.Email is not null)
        {
            // Both: the new address gets the link, as the account's; the old one is out of force, and so may be whoever reads its mail.
            yield return notices.Write(account, AccessChange.EmailReplaced, oldEmail, emailBefore: null, withLink: false);
            yield return notices.Write(account, AccessChange.EmailReplaced);
        }

        if (wanted.PhoneNumber.IsSet)
        {
            yield return notices.Write(account, wanted.PhoneNumber.Value is null ? AccessChange.PhoneRemoved : byPerson ? AccessChange.PhoneChangeAsked : AccessChange.PhoneChanged);
        }

        if (wanted.UserName.IsSet)
        {
            yield return notices.Write(account, AccessChange.UserNameChanged);
        }
    }

    private async Task SendCodesAsync(Account account, AccessMembers wanted, bool byPerson, Caller caller)
    {
        if (wanted.Email is not null && byPerson)
        {
            await codes.SendChangeCodeAsync(account, isEmail: true, caller, CancellationToken.None);
        }

        if (wanted.PhoneNumber is { IsSet: true, Value: not null } && byPerson)
        {
            await codes.SendChangeCodeAsync(account, isEmail: false, caller, CancellationToken.None);
        }
    }

    private void Apply(Account account, AccountChange change, AccessMembers wanted)
    {
        if (change.DropsPending)
        {
            (account.PendingEmail, account.PendingPhoneNumber) = (null, null);
        }

        if (wanted.Email is { } email && change.ByPerson is not null)
        {
            account.PendingEmail = email;
        }
        else if (wanted.Email is not null)
        {
            (account.Email, account.NormalizedEmail, account.EmailVerified, account.PendingEmail) = (wanted.Email, normalizer.NormalizeEmail(wanted.Email), false, null);
        }
        else if (change.Email is { IsSet: true, Value: { } sameAddress })
        {
            // The same address, perhaps in other capitals.
            account.Email = AccountRules.Email(sameAddress) ?? sameAddress.Trim();
        }

        if (wanted.UserName.IsSet)
        {
            (account.UserName, account.NormalizedUserName) = (wanted.UserName.Value, normalizer.NormalizeName(wanted.UserName.Value));
        }

        if (wanted.PhoneNumber is { IsSet: true, Value: { } number } && change.ByPerson is not null)
        {
            account.PendingPhoneNumber = number;
        }
        else if (wanted.PhoneNumber.IsSet)
        {
            (account.PhoneNumber, account.PhoneNumberVerified, account.PendingPhoneNumber) = (wanted.PhoneNumber.Value, false, null);
        }

        account.FirstName = change.FirstName.IsSet ? change.FirstName.Value : account.FirstName;
        account.LastName = change.LastName.IsSet ? change.LastName.Value : account.LastName;
        foreach (var (name, value) in change.Profile ?? [])
        {
            account.Profile.Remove(name);
            if (value is not null)
            {
                account.Profile[name] = value.DeepClone();
            }
        }

        account.IsActive = change.IsActive ?? account.IsActive;

        // Whoever lets somebody in again takes back that they asked to be deleted.
        account.DeleteAfter = account.IsActive ? null : account.DeleteAfter;
        account.Roles = [.. (change.Roles ?? account.Roles).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        account.UpdatedAt = timeProvider.GetUtcNow();
    }

    private List<LifecycleEvent> Events(Account account, bool wasActive, bool rolesChanged)
    {
        var list = new List<LifecycleEvent> { events.OfUser(EventTypes.UserUpdated, account) };
        if (wasActive != account.IsActive)
        {
            list.Add(events.OfUser(account.IsActive ? EventTypes.UserReactivated : EventTypes.UserDeactivated, account));
        }

        if (rolesChanged)
        {
            list.Add(events.OfUser(EventTypes.UserRolesChanged, account));
        }

        return list;
    }

    private async Task AuditAsync(Account account, bool wasActive, bool rolesChanged, Caller caller)
    {
        await audit.WriteAsync("update", "success", account.Id, caller, sessionId: null, CancellationToken.None);
        if (wasActive != account.IsActive)
        {
            await audit.WriteAsync(account.IsActive ? "reactivate" : "deactivate", "success", account.Id, caller, sessionId: null, CancellationToken.None);
        }

        if (rolesChanged)
        {
            await audit.WriteAsync("role_change", "success", account.Id, caller, sessionId: null, CancellationToken.None);
        }
    }
}
