// The wire contract's PUT /users/{id}, and the account page: changing accounts under optimistic concurrency (RFC 9110 §13.1.1).
using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts.Audit;
using Identity.Accounts.Events;
using Identity.Accounts.Profile;
using Identity.Accounts.Registration;
using Identity.Accounts.Sessions;
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts.Changes;

/// <summary>Changes accounts and ends the sessions that a change makes untrue.</summary>
public sealed class AccountChangeService(
    IAccountStore accounts,
    IMetadataStore metadata,
    ILookupNormalizer normalizer,
    AccountRules rules,
    SessionService sessions,
    LifecycleEvents events,
    AuditTrail audit,
    TimeProvider timeProvider) : IAccountChanges
{
    private const int Attempts = 20;

    public async Task<(Account Account, JsonObject Metadata)?> FindAsync(Guid id, CancellationToken cancellationToken) =>
        await accounts.FindAsync(id, cancellationToken) is { } account ? (account, await metadata.FindAsync(id, cancellationToken)) : null;

    public async Task<AccountChangeResult> ChangeAsync(Guid id, AccountChange change, long? expectedVersion, Caller caller, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (await accounts.FindAsync(id, cancellationToken) is not { } account)
            {
                return new AccountChangeResult.NotFound();
            }

            if (expectedVersion is { } expected && expected != account.Version)
            {
                return new AccountChangeResult.Conflict();
            }

            if (change.Metadata is not null && !Fits(await metadata.FindAsync(id, cancellationToken), change.Metadata))
            {
                return new AccountChangeResult.MetadataTooLarge();
            }

            var (wasActive, rolesBefore) = (account.IsActive, account.Roles);
            Apply(account, change);
            var rolesChanged = !rolesBefore.Order(StringComparer.Ordinal).SequenceEqual(account.Roles, StringComparer.Ordinal);
            var reason = wasActive != account.IsActive ? SessionEndReasons.Deactivated : rolesChanged ? SessionEndReasons.Admin : null;
            var consequences = new AccountConsequences { EndSessions = reason is null ? null : sessions.EndingWith(reason, caller) };
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
                default:
                    return new AccountChangeResult.Taken(written);
            }

            if (change.Metadata is not null && !await metadata.MergeAsync(id, change.Metadata, CancellationToken.None))
            {
                return new AccountChangeResult.MetadataTooLarge();
            }

            // Written: the trail tells of all of it although the caller may have hung up.
            await AuditAsync(account, wasActive, rolesChanged, caller);
            await sessions.AuditEndedAsync(ended, reason ?? "", caller, CancellationToken.None);
            return new AccountChangeResult.Changed(account, await metadata.FindAsync(id, cancellationToken));
        }

        return new AccountChangeResult.Conflict();
    }

    /// <summary>The OpenID Connect profile claims that have no member of their own (OpenID Connect Core §5.1); null removes one.</summary>
    public async Task<AccountChangeResult> ChangeProfileAsync(Guid id, IReadOnlyDictionary<string, JsonNode?> claims, Caller caller, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (await accounts.FindAsync(id, cancellationToken) is not { } account)
            {
                return new AccountChangeResult.NotFound();
            }

            foreach (var (name, value) in claims)
            {
                account.Profile.Remove(name);
                if (value is not null)
                {
                    account.Profile[name] = value.DeepClone();
                }
            }

            account.UpdatedAt = timeProvider.GetUtcNow();
            if (await accounts.UpdateAsync(account, account.Version, [events.OfUser(EventTypes.UserUpdated, account)], cancellationToken) == AccountWrite.Done)
            {
                await audit.WriteAsync("update", "success", id, caller, sessionId: null, cancellationToken);
                return new AccountChangeResult.Changed(account, await metadata.FindAsync(id, cancellationToken));
            }
        }

        return new AccountChangeResult.Conflict();
    }

    private void Apply(Account account, AccountChange change)
    {
        if (change.Email is { IsSet: true, Value: { } email } && (AccountRules.Email(email) ?? email.Trim()) is var address && address != account.Email)
        {
            var normalized = normalizer.NormalizeEmail(address);
            account.EmailVerified &= normalized == account.NormalizedEmail;
            (account.Email, account.NormalizedEmail) = (address, normalized);
        }

        if (change.UserName.IsSet)
        {
            var userName = AccountRules.UserName(change.UserName.Value) ?? change.UserName.Value;
            (account.UserName, account.NormalizedUserName) = (userName, normalizer.NormalizeName(userName));
        }

        if (change.PhoneNumber.IsSet && (rules.PhoneNumber(change.PhoneNumber.Value) ?? change.PhoneNumber.Value) is var number && number != account.PhoneNumber)
        {
            (account.PhoneNumber, account.PhoneNumberVerified) = (number, false);
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

    private static bool Fits(JsonObject stored, JsonObject patch)
    {
        var merged = stored.DeepClone().AsObject();
        foreach (var (name, value) in patch)
        {
            merged.Remove(name);
            if (value is not null)
            {
                merged[name] = value.DeepClone();
            }
        }

        return Encoding.UTF8.GetByteCount(merged.ToJsonString()) <= RegistrationService.MetadataLimit;
    }
}
