// NIST SP 800-63B-4 §3.1.3: six digits, five minutes, five guesses, one success, bound to account, channel, destination and purpose.
using Identity.Accounts.Audit;
using Identity.Accounts.Delivery;
using Identity.Accounts.SignIn;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.OneTimeCodes;

/// <summary>Sends one-time codes and tries them, for pages and routes. Unknown recipients get the same answers, after the same work.</summary>
public sealed class OneTimeCodeService(
    CodeRecipients recipients,
    CodeLimits limits,
    CodeMaker maker,
    CodeBinding binding,
    ProvenAddress proven,
    CodeSignIn signIn,
    IAccountStore accounts,
    IOneTimeCodeStore store,
    Lockout lockout,
    AuditTrail audit,
    DeliveryQueue delivery,
    IOptions<AccountsOptions> options,
    TimeProvider timeProvider)
{
    /// <param name="recipient">Whom it is for.</param>
    /// <param name="channel">Null: what fits the recipient.</param>
    /// <param name="purpose">What it is for; a code of one purpose is worth nothing under another.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<GeneratedCode> GenerateAsync(CodeRecipient recipient, string? channel, string purpose, Caller caller, CancellationToken cancellationToken)
    {
        if (maker.Channel(recipient, channel) is not { } chosen)
        {
            return new GeneratedCode.ChannelUnavailable();
        }

        var account = await recipients.FindAsync(recipient, purpose, caller.AccountId, cancellationToken);
        if (await limits.CountAsync(recipient, account, purpose, caller, cancellationToken) is { } wait)
        {
            return new GeneratedCode.RateLimited(wait);
        }

        var made = await maker.MakeAsync(recipient, account, chosen, purpose, caller, byService: false, cancellationToken);
        if (made.Message is not null)
        {
            delivery.Post(chosen, made.Message);
        }

        return new GeneratedCode.Sent(made.Id, chosen, made.MaskedDestination, made.ExpiresAt, options.Value.OneTimeCodeLifetime);
    }

    /// <summary>Sends the code of a change that <see cref="CodeLimits.CountChangeAsync"/> let through to the address or number that waits for it.</summary>
    internal async Task SendChangeCodeAsync(Account account, bool isEmail, Caller caller, CancellationToken cancellationToken)
    {
        var (recipient, channel) = (new CodeRecipient(account.Id, null, null), isEmail ? "email" : "sms");
        if (delivery.Has(channel) && (await maker.MakeAsync(recipient, account, channel, OneTimeCodePurposes.Verification, caller, byService: false, cancellationToken)).Message is { } message)
        {
            delivery.Post(channel, message);
        }
    }

    /// <summary>Tries a code by its id; <paramref name="purpose"/>, where given, must be the one it was made for.</summary>
    public async Task<TriedCode> VerifyAsync(Guid id, string? purpose, string code, Caller caller, CancellationToken cancellationToken) =>
        await limits.CountTryAsync(caller, cancellationToken) is { } wait ? new TriedCode.RateLimited(wait)
        : await VerifyAsync(await store.FindAsync(id, cancellationToken), purpose, code, caller, cancellationToken);

    /// <summary>Tries the newest code of this recipient and purpose.</summary>
    /// <param name="recipient">Whose.</param>
    /// <param name="purpose">What it was made for.</param>
    /// <param name="code">As it was typed.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="sentTo">Where it has to have gone, one of <see cref="CodeDestinations"/>, for who acts on what it proves; null: anywhere. One that went elsewhere is not tried.</param>
    public async Task<TriedCode> VerifyAsync(CodeRecipient recipient, string purpose, string code, Caller caller, CancellationToken cancellationToken, IReadOnlyCollection<string>? sentTo = null)
    {
        if (await limits.CountTryAsync(caller, cancellationToken) is { } wait)
        {
            return new TriedCode.RateLimited(wait);
        }

        var account = await recipients.FindAsync(recipient, purpose, caller.AccountId, cancellationToken);
        TriedCode tried = new TriedCode.Invalid();
        if (purpose == OneTimeCodePurposes.Verification && account is not null)
        {
            foreach (var channel in CodeRecipients.WaitingChannels(recipient, account).Where(channel => sentTo?.Contains(channel, StringComparer.Ordinal) != false))
            {
                if (tried is not TriedCode.Verified && await store.FindLatestAsync(account.Id, OneTimeCodePurposes.Stored(purpose, channel), cancellationToken) is { } waiting)
                {
                    tried = await VerifyAsync(waiting, purpose, code, caller, cancellationToken, sentTo);
                }
            }
        }

        return tried is TriedCode.Verified ? tried
            : await VerifyAsync(await store.FindLatestAsync(account?.Id ?? Guid.Empty, purpose, cancellationToken), purpose, code, caller, cancellationToken, sentTo);
    }

    /// <summary>Uses a code up without acting on it, for callers that have work of their own to do with it (password reset, second factor).</summary>
    internal async Task<bool> TryUseAsync(Account? account, string purpose, string code, CancellationToken cancellationToken)
    {
        if (AccountRules.Code(code) is not { } digits)
        {
            return false;
        }

        var stored = await store.FindLatestAsync(account?.Id ?? Guid.Empty, purpose, cancellationToken);
        stored = stored is not null && CodeBinding.MayServe(purpose, stored.Channel) ? stored : null;
        var used = await TryUseAsync(stored?.Id, binding.Hash(stored, account, purpose, digits), cancellationToken);
        return used && account is not null && stored!.AccountId == account.Id;
    }

    private async Task<TriedCode> VerifyAsync(OneTimeCode? stored, string? purpose, string code, Caller caller, CancellationToken cancellationToken, IReadOnlyCollection<string>? sentTo = null)
    {
        if (AccountRules.Code(code) is not { } digits)
        {
            // Nothing was guessed: whatever is stored, a guess is not spent on it.
            await audit.WriteAsync("otp_verify", "no_code", stored?.AccountId, caller, sessionId: null, cancellationToken);
            return new TriedCode.Invalid();
        }

        var known = stored is not null && (purpose is null || OneTimeCodePurposes.Stored(purpose, stored.Channel) == stored.Purpose) && !OneTimeCodePurposes.IsSecondFactor(stored.Purpose)
            && sentTo?.Contains(stored.Channel, StringComparer.Ordinal) != false;
        var account = await accounts.FindAsync((known ? stored!.AccountId : null) ?? Guid.Empty, cancellationToken);
        var open = account is { IsActive: true } && !await lockout.KeepsOutAsync(account, caller, cancellationToken) && (stored!.Purpose != OneTimeCodePurposes.Login || binding.MaySignIn(account, stored.Channel));

        // A guess that could not succeed spends none, but asks the store all the same: closed and unknown accounts must not answer sooner.
        if (!await TryUseAsync(open ? stored!.Id : null, binding.Hash(stored, account, stored?.Purpose ?? "", digits), cancellationToken))
        {
            if ((purpose ?? stored?.Purpose) is OneTimeCodePurposes.Login or OneTimeCodePurposes.PasswordReset)
            {
                await lockout.CountAsync(open ? account : null, caller, cancellationToken);
            }

            await audit.WriteAsync("otp_verify", "invalid", account?.Id, caller, sessionId: null, cancellationToken);
            return new TriedCode.Invalid();
        }

        // The code is used up: what it was for is done even if the caller hangs up.
        var done = await ActAsync(account!, stored!, caller);
        if (done is TriedCode.Verified { Account: var verified, Session: var session })
        {
            await audit.WriteAsync("otp_verify", "success", verified.Id, caller, session?.Id, CancellationToken.None);
        }

        return done;
    }

    private Task<bool> TryUseAsync(Guid? id, byte[] hash, CancellationToken cancellationToken) =>
        store.TryUseAsync(id ?? Guid.Empty, hash, options.Value.OneTimeCodeGuesses, timeProvider.GetUtcNow(), cancellationToken);

    private async Task<TriedCode> ActAsync(Account account, OneTimeCode code, Caller caller)
    {
        switch (code)
        {
            case { Purpose: OneTimeCodePurposes.Login }:
                return await signIn.StartAsync(account, code.Channel, caller);

            // A code on a device proves that the device is at hand, and nothing of an address.
            case { Purpose: OneTimeCodePurposes.Verification, Channel: not "push" }:
                // Who registered the address as well, in vain, and reads its mail is its owner: whoever has the account is somebody else.
                (account, var isTakenOver) = caller.FoundTaken(account) ? await proven.TakeAsync(account, code.Channel, caller) : (account, false);
                account = await proven.MarkVerifiedAsync(account, code.Channel, caller.Brings(account));
                return new TriedCode.Verified(account, Session: null) { IsTakenOver = isTakenOver };
            case { Channel: OneTimeCodePurposes.NewEmail or OneTimeCodePurposes.NewPhone }:
                return await proven.PutInForceAsync(account, code.Channel == OneTimeCodePurposes.NewEmail, caller) is { } changed ? new TriedCode.Verified(changed, Session: null) : new TriedCode.Invalid();
            default:
                return new TriedCode.Verified(account, Session: null);
        }
    }
}
