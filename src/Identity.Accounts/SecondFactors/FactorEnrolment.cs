// NIST SP 800-63B-4 §4.1 (binding authenticators), OWASP ASVS 5.0 §7.5.1: adding and removing what an account proves itself with.
using Identity.Accounts.Audit;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Identity.Accounts.PushSignIn;
using Identity.Accounts.Sessions;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.SecondFactors;

/// <summary>The factors of an account.</summary>
/// <param name="Factors">Oldest first.</param>
/// <param name="RecoveryCodesLeft">Of ten.</param>
/// <param name="Browsers">That need no second factor for a while.</param>
public sealed record AccountFactors(IReadOnlyList<SecondFactor> Factors, int RecoveryCodesLeft, IReadOnlyList<RememberedBrowser> Browsers);

/// <summary>What a change of the factors came to.</summary>
public abstract record FactorChange
{
    private FactorChange()
    {
    }

    /// <param name="Factor">The new one; null: none was added.</param>
    /// <param name="RecoveryCodes">To be shown this once; null: there were some already.</param>
    /// <param name="Amr">What the new factor proved while it was added (RFC 8176); null: nothing.</param>
    public sealed record Done(SecondFactor? Factor = null, IReadOnlyList<string>? RecoveryCodes = null, IReadOnlyList<string>? Amr = null) : FactorChange;

    /// <summary>First prove again who you are, by something as strong.</summary>
    /// <param name="Strength">At least (<see cref="FactorKinds.Strength"/>); 0: the password will do.</param>
    public sealed record ProofNeeded(int Strength) : FactorChange;

    /// <summary>The code or the answer is wrong, or what it answers is over.</summary>
    public sealed record Refused : FactorChange;

    /// <summary>There is one already, or as many as there may be.</summary>
    public sealed record Taken : FactorChange;

    /// <summary>There is no such factor, or nothing that could become one (an address that is not verified).</summary>
    public sealed record NotFound : FactorChange;

    public sealed record RateLimited(TimeSpan RetryAfter) : FactorChange;
}

/// <summary>
/// Adds and removes factors. Adding one needs a proof of the last ten minutes that is as strong as the new one or as the strongest that
/// there is; removing one a proof as strong as itself; where there is none yet, a sign-in of the last ten minutes will do, or the password.
/// </summary>
public sealed class FactorEnrolment(
    IAccountStore accounts,
    ISecondFactorStore factors,
    IFactorProofStore proofs,
    FactorTickets tickets,
    FactorProver prover,
    Passkeys passkeys,
    Authenticator authenticator,
    RecoveryCodes recoveryCodes,
    LifecycleEvents events,
    FactorNotices notices,
    AuditTrail audit,
    IOptions<SecondFactorOptions> options,
    TimeProvider timeProvider,
    PushSignIns? push = null)
{
    /// <summary>How long a proof is fresh.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromMinutes(10);

    internal static string ChannelSlot(string channel, Guid accountId) => $"{channel}:{accountId:N}";

    public async Task<AccountFactors> FindAsync(Account account, CancellationToken cancellationToken)
    {
        var enrolled = await factors.ListAsync(account.Id, cancellationToken);
        return new(
            enrolled,
            enrolled.Count == 0 ? 0 : await factors.CountRecoveryCodesAsync(account.Id, cancellationToken),
            [.. (await proofs.ListRememberedAsync(account.Id, timeProvider.GetUtcNow(), cancellationToken)).Where(browser => browser.SecurityStamp == account.SecurityStamp)]);
    }

    /// <summary>Whether the session may add a factor of this kind now.</summary>
    public async Task<bool> MayAddAsync(Account account, Session session, string kind, CancellationToken cancellationToken) =>
        await HasProofAsync(session, await FindNeedAsync(account, kind, cancellationToken), cancellationToken);

    /// <summary>How strong a proof has to be for adding or removing a factor of this kind.</summary>
    public async Task<int> FindNeedAsync(Account account, string kind, CancellationToken cancellationToken) =>
        Math.Min(FactorKinds.Strength(kind), await StrongestAsync(account, cancellationToken));

    /// <summary>Whether the session may remove a factor of this kind, or see new recovery codes (kind recovery_code), now.</summary>
    public Task<bool> MayRemoveAsync(Account account, Session session, string kind, CancellationToken cancellationToken) => MayAddAsync(account, session, kind, cancellationToken);

    /// <summary>Proves anew who is there: with a factor, or with the password where the account has none. Null: done.</summary>
    public async Task<FactorTrial?> ProveAsync(Account account, Session session, FactorProof proof, Caller caller, CancellationToken cancellationToken)
    {
        var trial = await prover.TryAsync(account, proof is FactorProof.Push ? new FactorProof.Push { Binding = PushSignIns.SessionBinding(session.Id) } : proof, firstChannel: null, caller with { SessionId = session.Id }, cancellationToken);
        if (trial is not FactorTrial.Proven proven)
        {
            return trial;
        }

        await proofs.RecordProofAsync(session.Id, proven.Strength, timeProvider.GetUtcNow(), CancellationToken.None);
        return null;
    }

    /// <summary>Proves the password anew: worth something only while there is no factor.</summary>
    public async Task<FactorTrial?> ProvePasswordAsync(Account account, Session session, string password, Caller caller, CancellationToken cancellationToken)
    {
        if (await prover.TryPasswordAsync(account, password, caller with { SessionId = session.Id }, cancellationToken) is { } refused)
        {
            return refused;
        }

        await proofs.RecordProofAsync(session.Id, strength: 0, timeProvider.GetUtcNow(), CancellationToken.None);
        return null;
    }

    /// <summary>A secret for an authenticator app; it counts once a code of it has come back. Null: first prove who you are.</summary>
    public async Task<(string Ticket, AuthenticatorKey Key)?> BeginTotpAsync(Account account, Session session, CancellationToken cancellationToken)
    {
        if (!await MayAddAsync(account, session, FactorKinds.Totp, cancellationToken))
        {
            return null;
        }

        var secret = Authenticator.NewSecret();
        return (tickets.Create(TicketKinds.Totp, account, session.Id, state: Convert.ToBase64String(secret)), Describe(account, secret));
    }

    /// <summary>The same secret again, for a page that is shown again; null: it is over.</summary>
    public async Task<AuthenticatorKey?> ReadTotpAsync(Account account, Session session, string? ticket, CancellationToken cancellationToken) =>
        await FindTotpAsync(account, session, ticket, cancellationToken) is { State: { } state } ? Describe(account, Convert.FromBase64String(state)) : null;

    public async Task<FactorChange> ConfirmTotpAsync(Account account, Session session, string? ticket, string code, Caller caller, CancellationToken cancellationToken)
    {
        if (!await MayAddAsync(account, session, FactorKinds.Totp, cancellationToken))
        {
            return new FactorChange.ProofNeeded(await FindNeedAsync(account, FactorKinds.Totp, cancellationToken));
        }

        // The secret is the caller's to read, so there is nothing to guess, and no guess is counted.
        var now = timeProvider.GetUtcNow();
        if (await FindTotpAsync(account, session, ticket, cancellationToken) is not { State: { } state } found
            || AccountRules.Code(code) is not { } digits
            || Authenticator.Match(Convert.FromBase64String(state), digits, now) is not { } step
            || !await tickets.TrySpendAsync(found, cancellationToken))
        {
            return new FactorChange.Refused();
        }

        return await AddAsync(account, new SecondFactor(Guid.CreateVersion7(now), account.Id, FactorKinds.Totp, Authenticator.Slot(account.Id), "", authenticator.Protect(account.Id, Convert.FromBase64String(state)), step, now, null), session, caller, [AuthenticationMethods.OneTimeCode, AuthenticationMethods.MultiFactor]);
    }

    /// <summary>Codes by mail or SMS, to an address or number that is verified already.</summary>
    public async Task<FactorChange> AddChannelAsync(Account account, Session session, string channel, Caller caller, CancellationToken cancellationToken)
    {
        if (!await MayAddAsync(account, session, channel, cancellationToken))
        {
            return new FactorChange.ProofNeeded(await FindNeedAsync(account, channel, cancellationToken));
        }

        if (channel == FactorKinds.Email ? !account.EmailVerified : account.PhoneNumber is null || !account.PhoneNumberVerified)
        {
            return new FactorChange.NotFound();
        }

        var now = timeProvider.GetUtcNow();
        return await AddAsync(account, new SecondFactor(Guid.CreateVersion7(now), account.Id, channel, ChannelSlot(channel, account.Id), "", "", 0, now, null), session, caller, amr: null);
    }

    /// <summary>Whether a device of the account could say yes: it brought a key, and its provider is set up. Null: there is no provider of push messages at all.</summary>
    public async Task<bool?> CanAddPushAsync(Account account, CancellationToken cancellationToken) => push is not { IsAvailable: true } ? null : await push.CanAskAsync(account.Id, cancellationToken);

    /// <summary>A yes on a device that brought a key.</summary>
    public async Task<FactorChange> AddPushAsync(Account account, Session session, Caller caller, CancellationToken cancellationToken)
    {
        if (!await MayAddAsync(account, session, FactorKinds.Push, cancellationToken))
        {
            return new FactorChange.ProofNeeded(await FindNeedAsync(account, FactorKinds.Push, cancellationToken));
        }

        if (await CanAddPushAsync(account, cancellationToken) != true)
        {
            return new FactorChange.NotFound();
        }

        var now = timeProvider.GetUtcNow();
        return await AddAsync(account, new SecondFactor(Guid.CreateVersion7(now), account.Id, FactorKinds.Push, ChannelSlot(FactorKinds.Push, account.Id), "", "", 0, now, null), session, caller, amr: null);
    }

    /// <summary>Whether devices may sign in without the password, too. Forbidding it makes nothing weaker, so it needs no proof.</summary>
    public async Task<FactorChange> AllowWithoutPasswordAsync(Account account, Session session, bool isAllowed, Caller caller, CancellationToken cancellationToken)
    {
        if (await factors.FindBySlotAsync(ChannelSlot(FactorKinds.Push, account.Id), cancellationToken) is not { } factor)
        {
            return new FactorChange.NotFound();
        }

        if (isAllowed && !await MayAddAsync(account, session, FactorKinds.Push, cancellationToken))
        {
            return new FactorChange.ProofNeeded(await FindNeedAsync(account, FactorKinds.Push, cancellationToken));
        }

        var data = isAllowed ? FactorKinds.Alone : "";
        if (await factors.SetDataAsync(account.Id, factor.Id, data, notices.PushWithoutPassword(account, isAllowed), cancellationToken))
        {
            await audit.WriteAsync("push_without_password", isAllowed ? "allowed" : "forbidden", account.Id, caller, session.Id, CancellationToken.None);
        }

        return new FactorChange.Done(factor with { Data = data });
    }

    /// <summary>Asks the account's devices whether it is still them who are signed in; null: it has no such way.</summary>
    public Task<PushAsked?> AskPushAsync(Account account, Session session, string? clientName, Caller caller, CancellationToken cancellationToken) =>
        prover.AskPushAsync(account, PushSignIns.SessionBinding(session.Id), firstChannel: null, clientName, caller with { SessionId = session.Id }, cancellationToken);

    /// <summary>How that stands.</summary>
    public Task<PushPrompt> ReadPushAsync(Session session, CancellationToken cancellationToken) => prover.ReadPushAsync(PushSignIns.SessionBinding(session.Id), cancellationToken);

    /// <summary>Null: first prove who you are.</summary>
    public async Task<PasskeyChallenge?> BeginPasskeyAsync(Account account, Session session, CancellationToken cancellationToken) =>
        await MayAddAsync(account, session, FactorKinds.Passkey, cancellationToken) ? await passkeys.BeginCreationAsync(account, session.Id) : null;

    public async Task<FactorChange> ConfirmPasskeyAsync(Account account, Session session, string ticket, string credential, string name, Caller caller, CancellationToken cancellationToken)
    {
        if (!await MayAddAsync(account, session, FactorKinds.Passkey, cancellationToken))
        {
            return new FactorChange.ProofNeeded(await FindNeedAsync(account, FactorKinds.Passkey, cancellationToken));
        }

        if ((await factors.ListAsync(account.Id, cancellationToken)).Count(factor => factor.Kind == FactorKinds.Passkey) >= options.Value.PasskeysPerAccount)
        {
            return new FactorChange.Taken();
        }

        if (await passkeys.FinishCreationAsync(account, session.Id, ticket, credential, cancellationToken) is not { } passkey)
        {
            return new FactorChange.Refused();
        }

        var now = timeProvider.GetUtcNow();
        return await AddAsync(
            account,
            new SecondFactor(Guid.CreateVersion7(now), account.Id, FactorKinds.Passkey, StoredPasskey.Slot(passkey.CredentialId), name, System.Text.Json.JsonSerializer.Serialize(StoredPasskey.Of(passkey)), passkey.SignCount, now, null),
            session,
            caller,
            Passkeys.Amr(passkey));
    }

    public async Task<bool> RenameAsync(Account account, Guid id, string name, CancellationToken cancellationToken) => await factors.RenameAsync(account.Id, id, name, cancellationToken);

    public async Task<FactorChange> RemoveAsync(Account account, Session session, Guid id, Caller caller, CancellationToken cancellationToken)
    {
        if ((await factors.ListAsync(account.Id, cancellationToken)).FirstOrDefault(factor => factor.Id == id) is not { } factor)
        {
            return new FactorChange.NotFound();
        }

        if (!await MayRemoveAsync(account, session, factor.Kind, cancellationToken))
        {
            return new FactorChange.ProofNeeded(await FindNeedAsync(account, factor.Kind, cancellationToken));
        }

        if (!await factors.RemoveAsync(account.Id, id, FactorRevocation.Removed(events, account, factor.Kind), notices.Removed(account, factor.Kind), cancellationToken))
        {
            return new FactorChange.NotFound();
        }

        // With the last one its substitutes are over, or they would come back to life with the next.
        if ((await factors.ListAsync(account.Id, CancellationToken.None)).Count == 0)
        {
            await factors.ReplaceRecoveryCodesAsync(account.Id, [], timeProvider.GetUtcNow(), notice: null, CancellationToken.None);
        }

        // What a browser was remembered for is not what there is now.
        await proofs.ForgetAsync(account.Id, id: null, CancellationToken.None);

        await audit.WriteAsync("factor_remove", factor.Kind, account.Id, caller, session.Id, CancellationToken.None);
        return new FactorChange.Done(factor);
    }

    /// <summary>Ten new recovery codes in place of the old ones.</summary>
    public async Task<FactorChange> RenewRecoveryCodesAsync(Account account, Session session, Caller caller, CancellationToken cancellationToken)
    {
        if ((await factors.ListAsync(account.Id, cancellationToken)).Count == 0)
        {
            return new FactorChange.NotFound();
        }

        if (!await MayRemoveAsync(account, session, FactorKinds.RecoveryCode, cancellationToken))
        {
            return new FactorChange.ProofNeeded(await FindNeedAsync(account, FactorKinds.RecoveryCode, cancellationToken));
        }

        var codes = await MakeRecoveryCodesAsync(account, notices.NewRecoveryCodes(account), CancellationToken.None);
        await audit.WriteAsync("recovery_codes", "success", account.Id, caller, session.Id, CancellationToken.None);
        return new FactorChange.Done(RecoveryCodes: codes);
    }

    /// <summary>Forgetting makes nothing weaker, so it needs no proof.</summary>
    public async Task<bool> ForgetBrowserAsync(Account account, Guid? id, Caller caller, CancellationToken cancellationToken)
    {
        var forgotten = await proofs.ForgetAsync(account.Id, id, cancellationToken) > 0;
        if (forgotten)
        {
            await audit.WriteAsync("forget_browser", "success", account.Id, caller, caller.SessionId, CancellationToken.None);
        }

        return forgotten;
    }

    private async Task<FactorChange> AddAsync(Account account, SecondFactor factor, Session session, Caller caller, IReadOnlyList<string>? amr)
    {
        if (!await factors.AddAsync(factor, Added(account, factor.Kind), notices.Added(account, factor.Kind), CancellationToken.None))
        {
            return new FactorChange.Taken();
        }

        // Whoever takes the account back removes the factors that are there. This one was not if that was done before it was stored, and then it shows here.
        if (await accounts.FindAsync(account.Id, CancellationToken.None) is not { IsActive: true } current || current.SecurityStamp != account.SecurityStamp)
        {
            await factors.RemoveAsync(account.Id, factor.Id, FactorRevocation.Removed(events, account, factor.Kind), notices.Removed(account, factor.Kind), CancellationToken.None);
            return new FactorChange.Refused();
        }

        // Whoever adds a factor has proven it: nobody is asked for it again at once.
        await proofs.RecordProofAsync(session.Id, FactorKinds.Strength(factor.Kind), timeProvider.GetUtcNow(), CancellationToken.None);
        await proofs.ForgetAsync(account.Id, id: null, CancellationToken.None);
        await audit.WriteAsync("factor_add", factor.Kind, account.Id, caller, session.Id, CancellationToken.None);
        var codes = await factors.CountRecoveryCodesAsync(account.Id, CancellationToken.None) == 0 ? await MakeRecoveryCodesAsync(account, notice: null, CancellationToken.None) : null;
        return new FactorChange.Done(factor, codes, amr);
    }

    private async Task<IReadOnlyList<string>> MakeRecoveryCodesAsync(Account account, Notice? notice, CancellationToken cancellationToken)
    {
        var codes = RecoveryCodes.New();
        await factors.ReplaceRecoveryCodesAsync(account.Id, [.. codes.Select(code => recoveryCodes.Hash(account.Id, RecoveryCodes.Normalize(code)!))], timeProvider.GetUtcNow(), notice, cancellationToken);
        return codes;
    }

    private async Task<int> StrongestAsync(Account account, CancellationToken cancellationToken)
    {
        var enrolled = await factors.ListAsync(account.Id, cancellationToken);
        return enrolled.Count == 0 ? 0 : enrolled.Max(factor => FactorKinds.Strength(factor.Kind));
    }

    private async Task<bool> HasProofAsync(Session session, int strength, CancellationToken cancellationToken)
    {
        var since = timeProvider.GetUtcNow() - Fresh;
        return (strength == 0 && session.AuthenticatedAt >= since) || await proofs.HasProofAsync(session.Id, strength, since, cancellationToken);
    }

    private async Task<FactorTicket?> FindTotpAsync(Account account, Session session, string? ticket, CancellationToken cancellationToken) =>
        await tickets.FindAsync(TicketKinds.Totp, ticket, cancellationToken) is { } found && found.AccountId == account.Id && found.SessionId == session.Id && found.Stamp == account.SecurityStamp ? found : null;

    private AuthenticatorKey Describe(Account account, byte[] secret) => Authenticator.Describe(options.Value.Issuer ?? "Identity", account.Email, secret);

    private LifecycleEvent Added(Account account, string kind)
    {
        var told = events.OfUser(EventTypes.UserFactorAdded, account);
        told.Data["factor"] = kind;
        return told;
    }
}
