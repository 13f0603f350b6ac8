// NIST SP 800-63B-4 §3.2.2, OWASP ASVS 5.0 §6.3.1: guesses at any factor count together, in parallel too.
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Passwords;
using Identity.Accounts.PushSignIn;
using Identity.Accounts.RateLimits;
using Identity.Accounts.SignIn;
using Identity.Accounts.Texts;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.SecondFactors;

/// <summary>What somebody brings to prove a factor.</summary>
public abstract record FactorProof
{
    private FactorProof()
    {
    }

    /// <param name="Method">totp, email, sms or recovery_code; null: by its look, ten letters and digits are a recovery code, six digits the authenticator's where there is one.</param>
    /// <param name="Value">As it was typed.</param>
    public sealed record Code(string? Method, string Value) : FactorProof;

    /// <param name="Ticket">Given out with the challenge.</param>
    /// <param name="Credential">The browser's PublicKeyCredential as JSON (WebAuthn Level 3 §5.1, toJSON).</param>
    public sealed record Passkey(string Ticket, string Credential) : FactorProof;

    /// <summary>What a device answered that was asked before.</summary>
    public sealed record Push : FactorProof
    {
        /// <summary>Who asked it.</summary>
        internal string Binding { get; init; } = "";
    }
}

/// <summary>What trying a factor came to.</summary>
public abstract record FactorTrial
{
    private FactorTrial()
    {
    }

    /// <param name="Kind">What was proven.</param>
    /// <param name="Amr">RFC 8176.</param>
    public sealed record Proven(string Kind, IReadOnlyList<string> Amr) : FactorTrial
    {
        public int Strength => FactorKinds.Strength(Kind);
    }

    /// <summary>Wrong, used, not enrolled, and of a locked account alike.</summary>
    public sealed record Refused : FactorTrial;

    /// <summary>A device has not said yes: how that stands. Nothing is counted: a no was when it was said.</summary>
    public sealed record Unanswered(PushAnswer Answer) : FactorTrial;

    public sealed record RateLimited(TimeSpan RetryAfter) : FactorTrial;
}

/// <summary>Tries factors.</summary>
public sealed class FactorProver(
    ISecondFactorStore factors,
    IAccountStore accounts,
    ICredentialStore credentials,
    Authenticator authenticator,
    RecoveryCodes recoveryCodes,
    OneTimeCodeService codes,
    ProvenAddress provenAddress,
    Passkeys passkeys,
    PasswordHashing hashing,
    SecondFactorPolicy policy,
    FactorNotices notices,
    Lockout lockout,
    AuditTrail audit,
    IRateLimiter limiter,
    IOptions<SecondFactorOptions> options,
    TimeProvider timeProvider,
    PushSignIns? push = null)
{
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(15);

    /// <summary>Tries a second factor. A right one is used up, whatever becomes of what it was for.</summary>
    public async Task<FactorTrial> TryAsync(Account account, FactorProof proof, string? firstChannel, Caller caller, CancellationToken cancellationToken)
    {
        if (proof is FactorProof.Push waiting && await ReadPushAsync(waiting.Binding, cancellationToken) is { Answer: not PushAnswer.Approved and var answer })
        {
            return new FactorTrial.Unanswered(answer);
        }

        if (await CountAsync(account, cancellationToken) is { } limited)
        {
            return limited;
        }

        var methods = await policy.MethodsAsync(account, firstChannel, cancellationToken);
        var proven = await KeepsOutAsync(account, proof, caller, cancellationToken) ? null : proof switch
        {
            FactorProof.Passkey passkey => await TryPasskeyAsync(account, passkey, cancellationToken),
            FactorProof.Push asked when methods.Contains(FactorKinds.Push, StringComparer.Ordinal) => await TryPushAsync(account, asked, cancellationToken),
            FactorProof.Code code when Method(code, methods) is { } method && methods.Contains(method, StringComparer.Ordinal) => await TryCodeAsync(account, method, code.Value, cancellationToken),
            _ => null,
        };
        if (proven is null && proof is FactorProof.Push)
        {
            // Another went on with the yes, or the account is locked: nothing was guessed.
            return new FactorTrial.Unanswered(PushAnswer.Expired);
        }

        if (proven is null)
        {
            await lockout.CountAsync(await accounts.FindAsync(account.Id, cancellationToken), caller, cancellationToken);
            await audit.WriteAsync("second_factor", "refused", account.Id, caller, caller.SessionId, cancellationToken);
            return new FactorTrial.Refused();
        }

        await audit.WriteAsync("second_factor", proven.Kind, account.Id, caller, caller.SessionId, CancellationToken.None);
        return proven;
    }

    /// <summary>Asks the account's devices; null: it has no such way.</summary>
    /// <param name="account">Whose.</param>
    /// <param name="binding">Who may go on with the answer.</param>
    /// <param name="firstChannel">The channel of the code that was the first factor.</param>
    /// <param name="clientName">The application, as the device shows it.</param>
    /// <param name="caller">From where, as the device shows it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    internal async Task<PushAsked?> AskPushAsync(Account account, string binding, string? firstChannel, string? clientName, Caller caller, CancellationToken cancellationToken) =>
        push is not null && (await policy.MethodsAsync(account, firstChannel, cancellationToken)).Contains(FactorKinds.Push, StringComparer.Ordinal)
            ? (await push.AskAsync(new PushQuestion(account.Id, account.SecurityStamp, binding, IsAlone: false, clientName, Languages.Of(account)), caller, cancellationToken)).Asked
            : null;

    internal Task<PushPrompt> ReadPushAsync(string binding, CancellationToken cancellationToken) =>
        push is null ? Task.FromResult(PushPrompt.None) : push.ReadAsync(binding, cancellationToken);

    /// <summary>Tries the password again, of somebody who is signed in.</summary>
    public async Task<FactorTrial?> TryPasswordAsync(Account account, string password, Caller caller, CancellationToken cancellationToken)
    {
        if (await CountAsync(account, cancellationToken) is { } limited)
        {
            return limited;
        }

        var stored = await credentials.FindAsync(account.Id, cancellationToken);
        if (await hashing.VerifyAsync(stored?.PasswordHash, password, cancellationToken) == PasswordVerificationResult.Failed || await KeepsOutAsync(account, proof: null, caller, cancellationToken))
        {
            await lockout.CountAsync(await accounts.FindAsync(account.Id, cancellationToken), caller, cancellationToken);
            await audit.WriteAsync("reauthentication", "wrong_password", account.Id, caller, caller.SessionId, cancellationToken);
            return new FactorTrial.Refused();
        }

        await audit.WriteAsync("reauthentication", "success", account.Id, caller, caller.SessionId, CancellationToken.None);
        return null;
    }

    /// <summary>Sends a code to an enrolled mailbox or number; null: this account has no such way.</summary>
    public async Task<GeneratedCode?> SendCodeAsync(Account account, string channel, string? firstChannel, Caller caller, CancellationToken cancellationToken) =>
        channel is FactorKinds.Email or FactorKinds.Sms && (await policy.MethodsAsync(account, firstChannel, cancellationToken)).Contains(channel, StringComparer.Ordinal)
            ? await codes.GenerateAsync(new CodeRecipient(account.Id, null, null), channel, OneTimeCodePurposes.SecondFactor(channel), caller, cancellationToken)
            : null;

    // Before it is known whether it is right: fifty at once get no more guesses than one after the other.
    private async Task<FactorTrial.RateLimited?> CountAsync(Account account, CancellationToken cancellationToken)
    {
        var lease = await limiter.AcquireAsync("second_factor:" + account.Id.ToString("N"), options.Value.AttemptsPerAccount, Window, cancellationToken);
        return lease.Allowed ? null : new FactorTrial.RateLimited(lease.RetryAfter);
    }

    // A lock is for what can be guessed: a passkey's signature cannot.
    private async Task<bool> KeepsOutAsync(Account account, FactorProof? proof, Caller caller, CancellationToken cancellationToken) =>
        await accounts.FindAsync(account.Id, cancellationToken) is not { IsActive: true } current
        || (proof is FactorProof.Passkey ? lockout.IsDecided(current) : await lockout.KeepsOutAsync(current, caller, cancellationToken));

    private static string? Method(FactorProof.Code code, IReadOnlyList<string> methods) =>
        code.Method
        ?? (RecoveryCodes.Normalize(code.Value) is not null ? FactorKinds.RecoveryCode
            : methods.FirstOrDefault(method => method is FactorKinds.Totp or FactorKinds.Sms or FactorKinds.Email));

    private async Task<FactorTrial.Proven?> TryPasskeyAsync(Account account, FactorProof.Passkey proof, CancellationToken cancellationToken) =>
        await passkeys.TryAsync(proof.Ticket, proof.Credential, account, cancellationToken) is { } used && used.Account.Id == account.Id
            ? new(FactorKinds.Passkey, used.Amr)
            : null;

    private async Task<FactorTrial.Proven?> TryPushAsync(Account account, FactorProof.Push asked, CancellationToken cancellationToken)
    {
        if (push is null || await push.TryUseAsync(asked.Binding, cancellationToken) is not var (accountId, stamp) || accountId != account.Id || stamp != account.SecurityStamp)
        {
            return null;
        }

        if (await factors.FindBySlotAsync(FactorEnrolment.ChannelSlot(FactorKinds.Push, account.Id), CancellationToken.None) is { } factor)
        {
            await factors.TouchAsync(factor.Id, timeProvider.GetUtcNow(), CancellationToken.None);
        }

        return new(FactorKinds.Push, [AuthenticationMethods.Key, AuthenticationMethods.MultiFactor]);
    }

    private async Task<FactorTrial.Proven?> TryCodeAsync(Account account, string method, string value, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        switch (method)
        {
            case FactorKinds.Totp when await factors.FindBySlotAsync(Authenticator.Slot(account.Id), cancellationToken) is { } factor
                && AccountRules.Code(value) is { } digits
                && authenticator.Match(account.Id, factor.Data, digits, now) is { } step
                && await factors.TryRaiseAsync(factor.Id, step, now, cancellationToken):
                return new(method, [AuthenticationMethods.OneTimeCode, AuthenticationMethods.MultiFactor]);
            case FactorKinds.RecoveryCode when RecoveryCodes.Normalize(value) is { } code
                && await factors.TryUseRecoveryCodeAsync(account.Id, recoveryCodes.Hash(account.Id, code), now, left => notices.RecoveryCodeUsed(account, left), cancellationToken):
                return new(method, [AuthenticationMethods.OneTimeCode, AuthenticationMethods.MultiFactor]);
            case FactorKinds.Email or FactorKinds.Sms when AccountRules.Code(value) is { } digits
                && await codes.TryUseAsync(account, OneTimeCodePurposes.SecondFactor(method), digits, cancellationToken):
                if (await factors.FindBySlotAsync(FactorEnrolment.ChannelSlot(method, account.Id), CancellationToken.None) is { } channel)
                {
                    await factors.TouchAsync(channel.Id, now, CancellationToken.None);
                }

                if (method == FactorKinds.Email)
                {
                    // Whoever gets here has proven something else before: password and mailbox are one person's.
                    await provenAddress.SettleAsync(account);
                }

                return new(method, method == FactorKinds.Sms
                    ? [AuthenticationMethods.OneTimeCode, AuthenticationMethods.Sms, AuthenticationMethods.MultiFactor]
                    : [AuthenticationMethods.OneTimeCode, AuthenticationMethods.MultiFactor]);
            default:
                return null;
        }
    }
}
