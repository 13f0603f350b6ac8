// OWASP ASVS 5.0 §6.8 (identity providers), NIST SP 800-63C-4 §3.8 (linking): who comes from a provider is an account only by its owner's proof.
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Events;
using Identity.Accounts.Profile;
using Identity.Accounts.Registration;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.ExternalSignIn;

/// <summary>What an external sign-in came to.</summary>
public abstract record ExternalSignInResult
{
    private ExternalSignInResult()
    {
    }

    public sealed record SignedIn(Account Account, Session Session) : ExternalSignInResult;

    /// <summary>The provider's e-mail address is an account's: its owner has to prove that they are the same person.</summary>
    public sealed record NeedsProof(Account Account) : ExternalSignInResult;

    /// <summary>The provider's word is one factor, and the account needs two: no session yet.</summary>
    public sealed record SecondFactorDue(Account Account, HalfSignIn Half) : ExternalSignInResult;

    /// <summary>The account is disabled.</summary>
    public sealed record Disabled : ExternalSignInResult;

    /// <summary><see cref="AccountsOptions.RequireVerifiedEmail"/>, and neither the provider nor a code has proven the account's address.</summary>
    public sealed record EmailNotVerified(Account Account) : ExternalSignInResult;

    /// <summary>The person is another account's by now.</summary>
    public sealed record Taken : ExternalSignInResult;

    /// <summary>Nobody here is linked to this person, and accounts are not made for them.</summary>
    public sealed record NoAccount : ExternalSignInResult;
}

/// <summary>An external sign-in that waits for the account's second factor.</summary>
/// <param name="Person">Whom the provider vouched for.</param>
/// <param name="Lifetime">The session ends after this long, however much it is used; null: as any other.</param>
/// <param name="Links">The person is to be linked to the account, whose owner has proved it.</param>
public sealed record HeldSignIn(ExternalPerson Person, TimeSpan? Lifetime, bool Links);

/// <summary>What linking came to.</summary>
public enum Linking
{
    Done,
    /// <summary>Somebody else's account has this person already.</summary>
    Taken,
}

/// <summary>Signs in people whom a provider has vouched for.</summary>
public sealed class ExternalSignInService(
    ExternalIdentities identities,
    ExternalSessions externalSessions,
    ExternalEntries entries,
    IDataProtectionProvider protection,
    SecondFactorPolicy secondFactors,
    IAccountStore accounts,
    ICredentialStore credentials,
    RegistrationService registration,
    MappedRoles roles,
    ConfiguredProviders providers,
    SessionService sessions,
    LifecycleEvents events,
    AuditTrail audit,
    AccessNotices notices,
    OwnerClaim claim,
    Lockout lockout,
    IOptions<AccountsOptions> options,
    TimeProvider timeProvider)
{
    /// <summary>In <c>amr</c> of every session that came from a provider.</summary>
    public const string Federated = "fed";

    private const string HeldKind = "held";
    private readonly IDataProtector _protector = protection.CreateProtector("identity.held-sign-in.v1");

    /// <summary>The person's e-mail address in the one form of addresses; null: the provider told none, or one that leads nowhere.</summary>
    public static string? AddressOf(ExternalPerson person)
    {
        ArgumentNullException.ThrowIfNull(person);
        return AccountRules.Email(person.Email) is { } email && !EmailAddress.LeadsNowhere(email) ? email : null;
    }

    /// <param name="person">Whom the provider vouched for.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="lifetime">The session ends after this long, however much it is used; null: as any other.</param>
    public async Task<ExternalSignInResult> SignInAsync(ExternalPerson person, Caller caller, CancellationToken cancellationToken, TimeSpan? lifetime = null)
    {
        ArgumentNullException.ThrowIfNull(person);
        ArgumentNullException.ThrowIfNull(caller);
        caller = caller with { ActorId = Actor(person.Subject.Provider) };
        var (account, refusal) = await FindOrCreateAsync(person, caller, cancellationToken);
        if (account is null)
        {
            return refusal!;
        }

        return await StartAsync(account, person, caller, cancellationToken, lifetime);
    }

    /// <summary>A password was right, and a second factor is due before the person is linked to its account.</summary>
    /// <returns>The same half sign-in, which links as it ends; null: start over.</returns>
    public async Task<HalfSignIn?> HoldAsync(HalfSignIn half, ExternalPerson person, CancellationToken cancellationToken)
    {
        var state = NewState();
        await SaveAsync(state, new HeldSignIn(person, Lifetime: null, Links: true), cancellationToken);
        return await secondFactors.WithAsync(half, [.. person.Amr, Federated], state, cancellationToken);
    }

    /// <summary>The account's address has to be proven before the person is signed in to it.</summary>
    /// <returns>What <see cref="ResumeAsync"/> takes, for so long.</returns>
    public async Task<string> HoldAsync(ExternalPerson person, TimeSpan life, CancellationToken cancellationToken)
    {
        var state = NewState();
        await SaveAsync(state, new HeldSignIn(person, Lifetime: null, Links: false), cancellationToken, life);
        return state;
    }

    /// <summary>A code that came by mail has proven the address: the sign-in goes on. Null: it is over, or the person is not the account's any more.</summary>
    public async Task<ExternalSignInResult?> ResumeAsync(string state, Account account, Caller caller, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(account);
        ArgumentNullException.ThrowIfNull(caller);
        return await TakeAsync(state, cancellationToken) is { } held && (await identities.FindAsync(held.Person.Subject.Key, cancellationToken))?.AccountId == account.Id
            ? await StartAsync(account, held.Person, caller with { ActorId = Actor(held.Person.Subject.Provider) }, cancellationToken, held.Lifetime, channel: "email")
            : null;
    }

    /// <summary>For exactly one caller; null: used or over.</summary>
    internal async Task<HeldSignIn?> TakeAsync(string state, CancellationToken cancellationToken)
    {
        try
        {
            return await entries.TakeAsync(HeldKind, state, cancellationToken) is { } payload ? JsonSerializer.Deserialize<HeldSignIn>(_protector.Unprotect(payload)) : null;
        }
        catch (CryptographicException)
        {
            // Its key is gone: as good as over.
            return null;
        }
    }

    /// <summary>
    /// The second factor has been proven: the person is linked where that was asked for, and has the roles that the provider says. Null: they are somebody
    /// else's by now, or the account is disabled.
    /// </summary>
    internal async Task<Account?> AdmitAsync(HeldSignIn held, Account account, Caller caller)
    {
        if (!held.Links)
        {
            return account;
        }

        return await LinkAsync(held.Person, account, caller, CancellationToken.None) == Linking.Done
            && await roles.ApplyAsync(account, held.Person, caller with { ActorId = Actor(held.Person.Subject.Provider) }, CancellationToken.None) is { IsActive: true } current
                ? current
                : null;
    }

    /// <summary>The session is the provider's too.</summary>
    internal Task AttachAsync(HeldSignIn held, Session session) => AttachAsync(held.Person, held.Lifetime, session);

    /// <summary>Links a person to an account whose owner has proved both, and tells the owner by mail.</summary>
    public async Task<Linking> LinkAsync(ExternalPerson person, Account account, Caller caller, CancellationToken cancellationToken)
    {
        var subject = person.Subject;
        if (!await identities.TryAddAsync(subject, account.Id, timeProvider.GetUtcNow(), notices.Write(account, AccessChange.ConnectionAdded, _ => subject.Provider), cancellationToken))
        {
            if ((await identities.FindAsync(subject.Key, cancellationToken))?.AccountId == account.Id)
            {
                return Linking.Done;
            }

            await audit.WriteAsync("link", "taken", account.Id, caller with { ActorId = Actor(subject.Provider) }, caller.SessionId, cancellationToken);
            return Linking.Taken;
        }

        await audit.WriteAsync("link", "success", account.Id, caller with { ActorId = Actor(subject.Provider) }, caller.SessionId, CancellationToken.None);
        return Linking.Done;
    }

    /// <summary>
    /// For an owner who proved the account by a code to its e-mail address. Where nobody had proved the address before, or only by a code alone,
    /// whoever set the password need not be its owner: the password, the sessions and all else from before are dropped.
    /// </summary>
    /// <param name="before">The account as it was before the code was tried.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The account as it is now; null: it is gone or disabled.</returns>
    public async Task<Account?> TakeOverAsync(Account before, Caller caller, CancellationToken cancellationToken)
    {
        if (await accounts.FindAsync(before.Id, cancellationToken) is not { IsActive: true } found)
        {
            return null;
        }

        if (before.EmailVerified && before.Claim == AccountClaim.Settled)
        {
            return found;
        }

        // By the code that was just tried it is verified and perhaps somebody's; what is to be judged is how it was before.
        var claimed = OwnerClaim.Before(before);
        var wasStrangers = false;
        await claim.ForgetAheadAsync(found, claimed);
        var taken = await accounts.ReviseAsync(
            found,
            async account =>
            {
                if (!account.IsActive)
                {
                    return null;
                }

                var stored = await credentials.FindAsync(account.Id, cancellationToken);
                account.SecurityStamp = Guid.NewGuid().ToString("N");
                account.UpdatedAt = timeProvider.GetUtcNow();
                wasStrangers = account.Claim != AccountClaim.Settled;
                if (wasStrangers)
                {
                    (account.EmailVerified, account.Claim) = (before.EmailVerified, before.Claim);
                    OwnerClaim.Take(account);
                }

                (account.EmailVerified, account.PhoneNumber, account.PhoneNumberVerified) = (true, claimed.KeepsRecord ? account.PhoneNumber : null, false);
                var consequences = new AccountConsequences
                {
                    Password = new PasswordReplacement(stored?.PasswordHash, null, timeProvider.GetUtcNow()),
                    ForgetsDevices = true,
                    EndSessions = sessions.EndingWith(SessionEndReasons.PasswordChanged, caller),
                };
                return new AccountRevision([events.OfUser(EventTypes.UserUpdated, account)], consequences);
            },
            cancellationToken);
        if (!taken.IsDone)
        {
            return null;
        }

        if (wasStrangers)
        {
            await claim.ForgetRestAsync(taken.Account.Id, claimed, CancellationToken.None);
        }

        await sessions.AuditEndedAsync(taken.Ended, SessionEndReasons.PasswordChanged, caller, CancellationToken.None);
        return taken.Account;
    }

    /// <summary>A session for somebody who has just proved an account by other means, and is linked to it by now or by this.</summary>
    /// <param name="account">Theirs.</param>
    /// <param name="person">Whom the provider vouched for.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="lifetime">The session ends after this long, however much it is used; null: as any other.</param>
    /// <param name="links">They are to be linked once everything is proven.</param>
    /// <param name="channel">The channel of the code that proved the account: it is no second factor then.</param>
    public async Task<ExternalSignInResult> StartAsync(Account account, ExternalPerson person, Caller caller, CancellationToken cancellationToken, TimeSpan? lifetime = null, bool links = false, string? channel = null)
    {
        // Who is not linked yet has not proven everything: until then the provider's word changes nothing of the account, but a role that it brings may be what asks for more.
        if (await (links ? roles.ForeseeAsync(account, person, cancellationToken) : roles.ApplyAsync(account, person, caller, cancellationToken)) is not { IsActive: true } current)
        {
            await audit.WriteAsync("sign_in", "disabled", account.Id, caller, sessionId: null, cancellationToken);
            return new ExternalSignInResult.Disabled();
        }

        // Guesses are no matter of the provider's; what somebody decided is.
        if (lockout.IsDecided(current))
        {
            await audit.WriteAsync("sign_in", "locked", account.Id, caller, sessionId: null, cancellationToken);
            return new ExternalSignInResult.Disabled();
        }

        // Whose provider knows no address has none to verify.
        if (options.Value.RequireVerifiedEmail && !current.EmailVerified && !EmailAddress.LeadsNowhere(current.Email))
        {
            await audit.WriteAsync("sign_in", "email_not_verified", current.Id, caller, sessionId: null, cancellationToken);
            return new ExternalSignInResult.EmailNotVerified(current);
        }

        string[] amr = [.. person.Amr.Append(Federated).Distinct(StringComparer.Ordinal)];
        var state = NewState();
        if (await secondFactors.FindDueAsync(current, amr, channel, caller, cancellationToken, state) is { } half)
        {
            await SaveAsync(state, new HeldSignIn(person, lifetime, links), cancellationToken);
            await audit.WriteAsync("sign_in", "second_factor_due", current.Id, caller, sessionId: null, cancellationToken);
            return new ExternalSignInResult.SecondFactorDue(current, half);
        }

        if (links)
        {
            if (await LinkAsync(person, current, caller, cancellationToken) != Linking.Done)
            {
                return new ExternalSignInResult.Taken();
            }

            if (await roles.ApplyAsync(account, person, caller, cancellationToken) is not { IsActive: true } linked)
            {
                await audit.WriteAsync("sign_in", "disabled", account.Id, caller, sessionId: null, cancellationToken);
                return new ExternalSignInResult.Disabled();
            }

            current = linked;
        }

        await accounts.RecordSignInAsync(current.Id, timeProvider.GetUtcNow(), cancellationToken);
        if (await sessions.StartAsync(current, amr, caller, cancellationToken, person.AuthenticatedAt) is not { } started)
        {
            await audit.WriteAsync("sign_in", "changed_meanwhile", current.Id, caller, sessionId: null, cancellationToken);
            return new ExternalSignInResult.Disabled();
        }

        await AttachAsync(person, lifetime, started.Session);
        await audit.WriteAsync("sign_in", "success", current.Id, caller, started.Session.Id, CancellationToken.None);
        return new ExternalSignInResult.SignedIn(started.Account, started.Session);
    }

    public Task<IReadOnlyList<ExternalIdentity>> ListAsync(Guid accountId, CancellationToken cancellationToken) => identities.ListAsync(accountId, cancellationToken);

    /// <summary>Takes a way in away, unless it is the last one, and with it the roles that its provider's settings map: nobody would take them back any more.</summary>
    public async Task<Unlinking> UnlinkAsync(Guid accountId, string key, Caller caller, CancellationToken cancellationToken)
    {
        var hasPassword = (await credentials.FindAsync(accountId, cancellationToken))?.PasswordHash is not null;
        var identity = await identities.FindAsync(key, cancellationToken);
        var notice = identity is not null && await accounts.FindAsync(accountId, cancellationToken) is { } account ? notices.Write(account, AccessChange.ConnectionRemoved, _ => identity.Provider) : null;
        var outcome = await identities.RemoveAsync(accountId, key, hasPassword, providers.IsEnabled, notice, cancellationToken);
        await audit.WriteAsync("unlink", outcome.ToString(), accountId, caller, caller.SessionId, CancellationToken.None);
        if (outcome == Unlinking.Done)
        {
            await roles.WithdrawAsync(accountId, identity!.Provider, caller, CancellationToken.None);
        }

        return outcome;
    }

    private async Task AttachAsync(ExternalPerson person, TimeSpan? lifetime, Session session)
    {
        var now = timeProvider.GetUtcNow();
        await externalSessions.SaveAsync(session, person, lifetime is { } life ? now + life : person.SessionEndsAt, CancellationToken.None);
        await identities.TouchAsync(person.Subject.Key, now, CancellationToken.None);
    }

    private Task SaveAsync(string state, HeldSignIn held, CancellationToken cancellationToken, TimeSpan? life = null) =>
        entries.SaveAsync(HeldKind, state, _protector.Protect(JsonSerializer.Serialize(held)), timeProvider.GetUtcNow() + (life ?? FactorTickets.EnrolmentLifetime), cancellationToken);

    private static string NewState() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(24));

    private async Task<(Account? Account, ExternalSignInResult? Refusal)> FindOrCreateAsync(ExternalPerson person, Caller caller, CancellationToken cancellationToken)
    {
        // Twice: who loses the race of two first sign-ins finds what the other made.
        for (var attempt = 0; ; attempt++)
        {
            if (await identities.FindAsync(person.Subject.Key, cancellationToken) is { } identity)
            {
                if (await accounts.FindAsync(identity.AccountId, cancellationToken) is { } known)
                {
                    return (known, null);
                }

                // Its account was deleted: who comes now is new here.
                await identities.ForgetAsync(identity.Key, identity.AccountId, cancellationToken);
            }

            var account = New(person);
            if (await accounts.FindByEmailAsync(account.NormalizedEmail, cancellationToken) is { } owner)
            {
                if (attempt == 0 && await identities.FindAsync(person.Subject.Key, cancellationToken) is not null)
                {
                    continue;
                }

                await audit.WriteAsync("sign_in", "needs_proof", owner.Id, caller, sessionId: null, cancellationToken);
                return (null, owner.IsActive ? new ExternalSignInResult.NeedsProof(owner) : new ExternalSignInResult.Disabled());
            }

            if (!person.MayCreateAccount)
            {
                await audit.WriteAsync("sign_in", "no_account", accountId: null, caller, sessionId: null, cancellationToken);
                return (null, new ExternalSignInResult.NoAccount());
            }

            if (await identities.TryCreateAsync(account, person.Subject, [events.OfUser(EventTypes.UserCreated, account)], cancellationToken))
            {
                await audit.WriteAsync("register", "success", account.Id, caller, sessionId: null, CancellationToken.None);
                return (account, null);
            }

            if (attempt > 2)
            {
                throw new InvalidOperationException("An account can neither be made nor found.");
            }
        }
    }

    private Account New(ExternalPerson person)
    {
        var address = AddressOf(person);

        // For people whose provider knows no address of theirs. The account page lets them give one. By chance: a name that could be reckoned could be registered before they come.
        var account = registration.Create(new NewAccount(address ?? $"{Guid.NewGuid():N}@{person.Subject.Provider}{EmailAddress.Nowhere}", "", FirstName: Name(person.FirstName), LastName: Name(person.LastName)));
        account.EmailVerified = address is not null && person.EmailVerified;

        // What a provider does not vouch for anybody may have written there. A name that leads nowhere is nobody's to claim.
        account.Claim = address is not null && !account.EmailVerified ? AccountClaim.Unproven : AccountClaim.Settled;
        account.Roles = [.. person.Roles.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        return account;
    }

    private static string Actor(string provider) => "provider:" + provider;

    // By the rule of the other doors; what they would refuse is left out.
    private static string? Name(string? told) =>
        told is not null && Text.Cut(string.Concat(told.Where(c => !char.IsControl(c))).Trim(), AccountRules.LongestPersonName) is { Length: > 0 } name ? name : null;
}
