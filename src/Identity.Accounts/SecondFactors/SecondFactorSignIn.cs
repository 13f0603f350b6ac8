// NIST SP 800-63B-4 §2.2, OpenID Connect Core §2 (acr, amr): the second half of a sign-in, and sign-in by passkey, which is both.
using System.Buffers.Text;
using System.Security.Cryptography;
using Identity.Accounts.Audit;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.PushSignIn;
using Identity.Accounts.RateLimits;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.SecondFactors;

/// <summary>What the second half of a sign-in came to.</summary>
public abstract record SecondStep
{
    private SecondStep()
    {
    }

    /// <param name="Account">As it is by now.</param>
    /// <param name="Session">Stored, with <c>session.created</c> in the outbox.</param>
    /// <param name="RememberedToken">For this browser's cookie, where it asked to be remembered.</param>
    /// <param name="AtMost">How long what comes of it may live, where a provider's session sets a limit.</param>
    public sealed record Succeeded(Account Account, Session Session, string? RememberedToken, TimeSpan? AtMost = null) : SecondStep;

    /// <summary>The factor was wrong, used or not one of the account's. The ticket is still good.</summary>
    public sealed record Refused : SecondStep;

    /// <summary>The first half is worth nothing any more: it is over, used, or the account changed.</summary>
    public sealed record Expired : SecondStep;

    /// <summary>A device was asked, and has not said yes. The ticket is still good.</summary>
    public sealed record Unanswered(PushAnswer Answer) : SecondStep;

    public sealed record RateLimited(TimeSpan RetryAfter) : SecondStep;
}

/// <summary>Finishes sign-ins. No session exists before.</summary>
public sealed class SecondFactorSignIn(
    SecondFactorPolicy policy,
    FactorTickets tickets,
    FactorProver prover,
    Passkeys passkeys,
    IAccountStore accounts,
    IFactorProofStore proofs,
    SessionService sessions,
    ExternalSignInService external,
    Lockout lockout,
    KnownDevices devices,
    FactorNotices notices,
    AuditTrail audit,
    IRateLimiter limiter,
    IOptions<SecondFactorOptions> options,
    IOptions<AccountsOptions> accountsOptions,
    TimeProvider timeProvider)
{
    /// <summary>What would finish it; null: start over.</summary>
    public async Task<(Account Account, IReadOnlyList<string> Methods)?> FindAsync(string? ticket, CancellationToken cancellationToken) =>
        await policy.ReadAsync(ticket, accounts, cancellationToken);

    /// <summary>Null: the ticket is worth nothing any more, or the account has no such way.</summary>
    public async Task<GeneratedCode?> SendCodeAsync(string? ticket, string channel, Caller caller, CancellationToken cancellationToken) =>
        await policy.FindAsync(ticket, accounts, cancellationToken) is var (found, account) ? await prover.SendCodeAsync(account, channel, found.Channel, caller, cancellationToken) : null;

    /// <summary>A challenge to the account's passkeys; null: start over.</summary>
    public async Task<PasskeyChallenge?> BeginPasskeyAsync(string? ticket, CancellationToken cancellationToken) =>
        await policy.FindAsync(ticket, accounts, cancellationToken) is var (_, account) ? await passkeys.BeginRequestAsync(account) : null;

    /// <summary>Asks the account's devices; null: the ticket is worth nothing any more, or the account has no such way.</summary>
    public async Task<PushAsked?> AskPushAsync(string? ticket, string? clientName, Caller caller, CancellationToken cancellationToken) =>
        await policy.FindAsync(ticket, accounts, cancellationToken) is var (found, account) ? await prover.AskPushAsync(account, PushSignIns.HalfBinding(found.Id), found.Channel, clientName, caller, cancellationToken) : null;

    /// <summary>How that stands; null: start over.</summary>
    public async Task<PushPrompt?> ReadPushAsync(string? ticket, CancellationToken cancellationToken) =>
        await policy.FindAsync(ticket, accounts, cancellationToken) is var (found, _) ? await prover.ReadPushAsync(PushSignIns.HalfBinding(found.Id), cancellationToken) : null;

    /// <param name="ticket">Of the first half.</param>
    /// <param name="proof">The second.</param>
    /// <param name="remember">Whether this browser need not prove it again for a while.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<SecondStep> FinishAsync(string? ticket, FactorProof proof, bool remember, Caller caller, CancellationToken cancellationToken)
    {
        if (await policy.FindAsync(ticket, accounts, cancellationToken) is not var (found, account))
        {
            return new SecondStep.Expired();
        }

        switch (await prover.TryAsync(account, proof is FactorProof.Push ? new FactorProof.Push { Binding = PushSignIns.HalfBinding(found.Id) } : proof, found.Channel, caller, cancellationToken))
        {
            case FactorTrial.Unanswered unanswered:
                return new SecondStep.Unanswered(unanswered.Answer);
            case FactorTrial.RateLimited limited:
                return new SecondStep.RateLimited(limited.RetryAfter);
            case FactorTrial.Proven proven:
                return await FinishAsync(found, account, proven.Amr, proven.Strength, remember, caller);
            default:
                return new SecondStep.Refused();
        }
    }

    /// <summary>
    /// Whose sign-in it is that only a new factor finishes, and a session that is stored nowhere, for adding it: nobody is signed in yet. Null: there
    /// is no such sign-in any more.
    /// </summary>
    public async Task<(Account Account, Session Session)?> FindEnrolmentAsync(string? ticket, CancellationToken cancellationToken)
    {
        if (await policy.FindEnrolmentAsync(ticket, accounts, cancellationToken) is not var (found, account))
        {
            return null;
        }

        var provedAt = found.ExpiresAt - FactorTickets.EnrolmentLifetime;
        return (account, new Session("enrolment-" + found.Id.ToString("N"), account.Id, provedAt, provedAt, found.Amr, AuthenticationContexts.Of(found.Amr), found.ExpiresAt, provedAt, found.ExpiresAt, EndedAt: null, [], Ip: null, UserAgent: null, DeviceId: null));
    }

    /// <summary>The factor has been added, and proven by that: it is the second half.</summary>
    /// <param name="ticket">Of the first half.</param>
    /// <param name="added">As <see cref="FactorEnrolment"/> answered.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<SecondStep> FinishEnrolmentAsync(string? ticket, FactorChange.Done added, Caller caller, CancellationToken cancellationToken) =>
        added is { Factor: { } factor, Amr: { } amr }
        && await tickets.FindAsync(TicketKinds.Enrolment, ticket, cancellationToken) is { } found
        && await accounts.FindAsync(factor.AccountId, cancellationToken) is { IsActive: true } account
        && found.AccountId == account.Id && found.Stamp == account.SecurityStamp
            ? await FinishAsync(found, account, amr, FactorKinds.Strength(factor.Kind), remember: false, caller)
            : new SecondStep.Expired();

    /// <summary>Signs in by a passkey alone. Refused says nothing of why.</summary>
    public async Task<SecondStep> WithPasskeyAsync(string ticket, string credential, Caller caller, CancellationToken cancellationToken)
    {
        var lease = await limiter.AcquireAsync("sign_in", caller.From, accountsOptions.Value.SignInsPerAddress, TimeSpan.FromMinutes(1), cancellationToken);
        if (!lease.Allowed)
        {
            return new SecondStep.RateLimited(lease.RetryAfter);
        }

        // A signature cannot be guessed, so a wrong one counts against nobody: else strangers could lock accounts with what a passkey's id tells.
        // Nor is a right one kept out by a lock that their wrong passwords made.
        if (await passkeys.TryAsync(ticket, credential, expected: null, cancellationToken) is not { } used)
        {
            await audit.WriteAsync("sign_in", "invalid_passkey", accountId: null, caller, sessionId: null, cancellationToken);
            return new SecondStep.Refused();
        }

        var reason = !used.Account.IsActive ? "disabled"
            : lockout.IsDecided(used.Account) ? "locked"
            : accountsOptions.Value.RequireVerifiedEmail && !used.Account.EmailVerified ? "email_not_verified"
            : null;
        if (reason is not null)
        {
            await audit.WriteAsync("sign_in", reason, used.Account.Id, caller, sessionId: null, cancellationToken);
            return new SecondStep.Refused();
        }

        return await StartAsync(used.Account, used.Amr, FactorKinds.Strength(FactorKinds.Passkey), remember: false, caller);
    }

    /// <summary>A device said yes instead of the password, and asked for finger, face or PIN: as with a passkey that is two factors.</summary>
    internal async Task<SecondStep> WithPhoneAsync(Account account, Caller caller)
    {
        if (!account.IsActive || await lockout.KeepsOutAsync(account, caller, CancellationToken.None))
        {
            await audit.WriteAsync("sign_in", account.IsActive ? "locked" : "disabled", account.Id, caller, sessionId: null, CancellationToken.None);
            return new SecondStep.Expired();
        }

        return await StartAsync(account, [AuthenticationMethods.Key, AuthenticationMethods.MultiFactor], FactorKinds.Strength(FactorKinds.Push), remember: false, caller);
    }

    /// <summary>
    /// Somebody who is signed in, fresh, added a factor because an application asks for one, and proved it by that: their session goes on with
    /// both, and they are not asked for it again at once. Null: the account changed meanwhile.
    /// </summary>
    public async Task<Session?> RaiseAsync(Account account, Session session, IReadOnlyList<string> amr, Caller caller, CancellationToken cancellationToken)
    {
        if (await sessions.StartAsync(account, [.. session.Amr.Union(amr, StringComparer.Ordinal)], caller with { SessionId = session.Id }, cancellationToken) is not { } raised)
        {
            return null;
        }

        await audit.WriteAsync("step_up", "success", account.Id, caller, raised.Session.Id, CancellationToken.None);
        return raised.Session;
    }

    // The factor is used up, so from here on hanging up stops nothing.
    private async Task<SecondStep> FinishAsync(FactorTicket found, Account account, IReadOnlyList<string> amr, int strength, bool remember, Caller caller)
    {
        // Of several right answers to one first half one wins.
        if (!await tickets.TrySpendAsync(found, CancellationToken.None))
        {
            return new SecondStep.Expired();
        }

        // Without what the provider said its sign-out could not end the session, so then there is none.
        var held = found.State is { } state ? await external.TakeAsync(state, CancellationToken.None) : null;
        if (found.State is not null && held is null)
        {
            return new SecondStep.Expired();
        }

        if (held is not null)
        {
            if (await external.AdmitAsync(held, account, caller) is not { } admitted)
            {
                return new SecondStep.Expired();
            }

            account = admitted;
        }

        var step = await StartAsync(account, [.. found.Amr.Union(amr, StringComparer.Ordinal)], strength, remember, found.SessionId is { } id ? caller with { SessionId = id } : caller);
        if (held is null || step is not SecondStep.Succeeded succeeded)
        {
            return step;
        }

        await external.AttachAsync(held, succeeded.Session);
        return succeeded with { AtMost = held.Lifetime };
    }

    private async Task<SecondStep> StartAsync(Account account, IReadOnlyList<string> amr, int strength, bool remember, Caller caller)
    {
        var now = timeProvider.GetUtcNow();
        await accounts.RecordSignInAsync(account.Id, now, CancellationToken.None);
        if (await sessions.StartAsync(account, amr, caller, CancellationToken.None) is not { } started)
        {
            await audit.WriteAsync("sign_in", "changed_meanwhile", account.Id, caller, sessionId: null, CancellationToken.None);
            return new SecondStep.Expired();
        }

        await proofs.RecordProofAsync(started.Session.Id, strength, now, CancellationToken.None);
        await devices.RememberAsync(started.Account.Id, caller, CancellationToken.None);
        await audit.WriteAsync("sign_in", "success", account.Id, caller, started.Session.Id, CancellationToken.None);
        return new SecondStep.Succeeded(started.Account, started.Session, remember ? await RememberAsync(started.Account, caller, now) : null);
    }

    private async Task<string?> RememberAsync(Account account, Caller caller, DateTimeOffset now)
    {
        if (options.Value.RememberedBrowserDays == 0)
        {
            return null;
        }

        // Always a new one: what a browser brought might have been put there by somebody else.
        var token = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        await proofs.RememberAsync(
            new RememberedBrowser(Guid.CreateVersion7(now), account.Id, SecondFactorPolicy.Hash(token), account.SecurityStamp, now, now, now.AddDays(options.Value.RememberedBrowserDays), caller.Ip, caller.UserAgent),
            notices.BrowserRemembered(account, now.AddDays(options.Value.RememberedBrowserDays)),
            CancellationToken.None);
        await audit.WriteAsync("remember_browser", "success", account.Id, caller, caller.SessionId, CancellationToken.None);
        return token;
    }
}
