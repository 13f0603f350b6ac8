// NIST SP 800-63B-4 §3.1.3: six digits, five minutes, five guesses, one success, bound to account, channel, destination and purpose.
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.Accounts.Profile;
using Identity.Accounts.RateLimits;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;
using Identity.Accounts.Texts;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.OneTimeCodes;

/// <summary>Makes, delivers and checks one-time codes. Unknown recipients get the same answers, after the same work.</summary>
public sealed class OneTimeCodeService(
    AccountLookup lookup,
    AccountRules rules,
    IAccountStore accounts,
    IOneTimeCodeStore store,
    SessionService sessions,
    Lockout lockout,
    KnownDevices devices,
    OwnerClaim claim,
    AccessNotices notices,
    ICredentialStore credentials,
    ILookupNormalizer normalizer,
    SecondFactorPolicy secondFactors,
    LifecycleEvents events,
    AuditTrail audit,
    DeliveryQueue delivery,
    MailComposer mail,
    IRateLimiter limiter,
    IOptions<AccountsOptions> options,
    TimeProvider timeProvider) : ICodeIssuer
{
    private const string NewEmail = OneTimeCodePurposes.NewEmail;
    private const string NewPhone = OneTimeCodePurposes.NewPhone;

    private static readonly TimeSpan LimitWindow = TimeSpan.FromMinutes(15);
    private static readonly Caller s_queue = new(Ip: null, UserAgent: null, ActorId: "otp_requests");

    /// <param name="recipient">Whom it is for.</param>
    /// <param name="channel">Null: what fits the recipient.</param>
    /// <param name="purpose">What it is for; a code of one purpose is worth nothing under another.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<GeneratedCode> GenerateAsync(CodeRecipient recipient, string? channel, string purpose, Caller caller, CancellationToken cancellationToken)
    {
        if (Channel(recipient, channel) is not { } chosen)
        {
            return new GeneratedCode.ChannelUnavailable();
        }

        var account = await FindAsync(recipient, purpose, cancellationToken);
        if (await CountAsync(recipient, account, caller, cancellationToken) is { } wait)
        {
            return new GeneratedCode.RateLimited(wait);
        }

        var made = await MakeAsync(recipient, account, chosen, purpose, caller, cancellationToken);
        if (made.Message is not null)
        {
            delivery.Post(chosen, made.Message);
        }

        return new GeneratedCode.Sent(made.Id, chosen, made.MaskedDestination, made.ExpiresAt, options.Value.OneTimeCodeLifetime);
    }

    /// <summary>
    /// Whether a person may be sent codes for a change that they proved: counted apart from what anybody can ask for in their name. Null: they may.
    /// </summary>
    /// <param name="accountId">Whose.</param>
    /// <param name="codes">How many: all, or the change is not to be made.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<TimeSpan?> AdmitChangeAsync(Guid accountId, int codes, Caller caller, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(caller);
        for (var code = 0; code < codes; code++)
        {
            if (await CountByAddressAsync(caller, cancellationToken) is { } wait)
            {
                return wait;
            }

            var lease = await limiter.AcquireAsync("change_for:" + accountId.ToString("N"), options.Value.OneTimeCodesPerAccount, LimitWindow, cancellationToken);
            if (!lease.Allowed)
            {
                return lease.RetryAfter;
            }
        }

        return null;
    }

    /// <summary>Sends the code of an admitted change to the address or number that waits for it.</summary>
    public async Task SendChangeCodeAsync(Account account, bool isEmail, Caller caller, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(account);
        var (recipient, channel) = (new CodeRecipient(account.Id, null, null), isEmail ? "email" : "sms");
        if (delivery.Has(channel) && (await MakeAsync(recipient, account, channel, OneTimeCodePurposes.Verification, caller, cancellationToken)).Message is { } message)
        {
            delivery.Post(channel, message);
        }
    }

    public async Task<CodeIssue.Refused?> AdmitAsync(CodeRequest request, CancellationToken cancellationToken)
    {
        var recipient = Recipient(request);
        if (Channel(recipient, request.Channel) is null)
        {
            return NoChannel;
        }

        var account = await FindAsync(recipient, request.Purpose, cancellationToken);
        if (account is null && Unreadable(recipient) is { } problem)
        {
            return new(problem, IsUnreadable: true);
        }

        return await CountAsync(recipient, account, s_queue, cancellationToken) is { } wait
            ? new(FormattableString.Invariant($"Too many codes were asked for. Try again in {Math.Ceiling(wait.TotalSeconds)} seconds."), IsPassing: true)
            : null;
    }

    public async Task<CodeIssue> IssueAsync(CodeRequest request, Func<CodeRequestAnswer, CancellationToken, Task<bool>> beforeDelivery, CancellationToken cancellationToken)
    {
        var recipient = Recipient(request);
        if (Channel(recipient, request.Channel) is not { } chosen)
        {
            return NoChannel;
        }

        var made = await MakeAsync(recipient, await FindAsync(recipient, request.Purpose, cancellationToken), chosen, request.Purpose, s_queue, cancellationToken);
        var answer = new CodeRequestAnswer(made.Id, chosen, made.MaskedDestination, made.ExpiresAt);
        if (!await beforeDelivery(answer, cancellationToken))
        {
            return new CodeIssue.Withheld();
        }

        if (made.Message is not null)
        {
            try
            {
                await delivery.SendAsync(chosen, made.Message, cancellationToken);
            }
            catch (MessageRefusedException)
            {
                return new CodeIssue.Undeliverable();
            }
        }

        return new CodeIssue.Sent(answer);
    }

    /// <summary>Tries a code by its id; <paramref name="purpose"/>, where given, must be the one it was made for.</summary>
    public async Task<TriedCode> VerifyAsync(Guid id, string? purpose, string code, Caller caller, CancellationToken cancellationToken) =>
        await LimitAsync(caller, cancellationToken) is { } limited ? limited
        : await VerifyAsync(await store.FindAsync(id, cancellationToken), purpose, code, caller, cancellationToken);

    /// <summary>Tries the newest code of this recipient and purpose.</summary>
    public async Task<TriedCode> VerifyAsync(CodeRecipient recipient, string purpose, string code, Caller caller, CancellationToken cancellationToken)
    {
        if (await LimitAsync(caller, cancellationToken) is { } limited)
        {
            return limited;
        }

        // An account may wait for a new address and a new number at once: a code that was not said to be of one is tried for each.
        var account = await FindAsync(recipient, purpose, cancellationToken);
        TriedCode tried = new TriedCode.Invalid();
        if (purpose == OneTimeCodePurposes.Verification && account is not null)
        {
            foreach (var channel in WaitingChannels(recipient, account))
            {
                if (tried is not TriedCode.Verified && await store.FindLatestAsync(account.Id, OneTimeCodePurposes.Stored(purpose, channel), cancellationToken) is { } waiting)
                {
                    tried = await VerifyAsync(waiting, purpose, code, caller, cancellationToken);
                }
            }
        }

        return tried is TriedCode.Verified ? tried
            : await VerifyAsync(await store.FindLatestAsync(account?.Id ?? Guid.Empty, purpose, cancellationToken), purpose, code, caller, cancellationToken);
    }

    /// <summary>Uses a code up without acting on it, for callers that have work of their own to do with it (password reset).</summary>
    internal async Task<bool> TryUseAsync(Account? account, string purpose, string code, CancellationToken cancellationToken)
    {
        if (AccountRules.Code(code) is not { } digits)
        {
            return false;
        }

        var stored = await store.FindLatestAsync(account?.Id ?? Guid.Empty, purpose, cancellationToken);
        stored = stored is not null && MayServe(purpose, stored.Channel) ? stored : null;
        var used = await store.TryUseAsync(stored?.Id ?? Guid.Empty, Hash(stored?.Id ?? Guid.Empty, stored?.AccountId, stored?.Channel, Destination(account, stored?.Channel), purpose, digits), options.Value.OneTimeCodeGuesses, timeProvider.GetUtcNow(), cancellationToken);
        return used && account is not null && stored!.AccountId == account.Id;
    }

    private async Task<TriedCode> VerifyAsync(OneTimeCode? stored, string? purpose, string code, Caller caller, CancellationToken cancellationToken)
    {
        if (AccountRules.Code(code) is not { } digits)
        {
            // Nothing was guessed: whatever is stored, a guess is not spent on it.
            await audit.WriteAsync("otp_verify", "no_code", stored?.AccountId, caller, sessionId: null, cancellationToken);
            return new TriedCode.Invalid();
        }

        var known = stored is not null && (purpose is null || OneTimeCodePurposes.Stored(purpose, stored.Channel) == stored.Purpose) && !OneTimeCodePurposes.IsSecondFactor(stored.Purpose);
        var account = await accounts.FindAsync((known ? stored!.AccountId : null) ?? Guid.Empty, cancellationToken);
        var open = account is { IsActive: true } && !await lockout.KeepsOutAsync(account, caller, cancellationToken) && (stored!.Purpose != OneTimeCodePurposes.Login || MaySignIn(account, stored.Channel));

        // A guess that could not succeed spends none, but asks the store all the same: closed and unknown accounts must not answer sooner.
        var right = await store.TryUseAsync(
            open ? stored!.Id : Guid.Empty,
            Hash(stored?.Id ?? Guid.Empty, stored?.AccountId, stored?.Channel, Destination(account, stored?.Channel), stored?.Purpose ?? "", digits),
            options.Value.OneTimeCodeGuesses,
            timeProvider.GetUtcNow(),
            cancellationToken);
        if (!right)
        {
            if ((purpose ?? stored?.Purpose) is OneTimeCodePurposes.Login or OneTimeCodePurposes.PasswordReset)
            {
                await lockout.CountAsync(open ? account : null, caller, cancellationToken);
            }

            await audit.WriteAsync("otp_verify", "invalid", account?.Id, caller, sessionId: null, cancellationToken);
            return new TriedCode.Invalid();
        }

        // The code is used up: what it was for is done even if the caller hangs up.
        return await ActAsync(account!, stored!, caller);
    }

    private async Task<TriedCode> ActAsync(Account account, OneTimeCode code, Caller caller)
    {
        // A code on a device proves that the device is at hand, and nothing of an address.
        var isTakenOver = false;
        if (code.Purpose == OneTimeCodePurposes.Verification && code.Channel != "push")
        {
            // Who registered the address as well, in vain, and reads its mail is its owner: whoever has the account is somebody else.
            (account, isTakenOver) = caller.FoundTaken(account) ? await TakeAsync(account, code.Channel, caller) : (account, false);
            account = await MarkVerifiedAsync(account, code.Channel, caller.Brings(account));
        }
        else if (code.Channel is NewEmail or NewPhone)
        {
            if (await PutInForceAsync(account, code.Channel == NewEmail, caller) is not { } changed)
            {
                return new TriedCode.Invalid();
            }

            account = changed;
        }

        Session? session = null;
        if (code.Purpose == OneTimeCodePurposes.Login)
        {
            (account, isTakenOver) = await TakeAsync(account, code.Channel, caller);
            if (await secondFactors.FindDueAsync(account, [AuthenticationMethods.OneTimeCode], code.Channel, caller, CancellationToken.None) is { } half)
            {
                await audit.WriteAsync("sign_in", "second_factor_due", account.Id, caller, sessionId: null, CancellationToken.None);
                return half.Methods.Count == 0 && !half.Enrols ? new TriedCode.Invalid() : new TriedCode.SecondFactorDue(account, half);
            }

            await accounts.RecordSignInAsync(account.Id, timeProvider.GetUtcNow(), CancellationToken.None);
            if (await sessions.StartAsync(account, ["otp"], caller, CancellationToken.None) is not { } started)
            {
                await audit.WriteAsync("sign_in", "changed_meanwhile", account.Id, caller, sessionId: null, CancellationToken.None);
                return new TriedCode.Invalid();
            }

            (session, account) = started;
            await devices.RememberAsync(account.Id, caller, CancellationToken.None);
            await audit.WriteAsync("sign_in", "success", account.Id, caller, session.Id, CancellationToken.None);
        }

        await audit.WriteAsync("otp_verify", "success", account.Id, caller, session?.Id, CancellationToken.None);
        return new TriedCode.Verified(account, session) { IsTakenOver = isTakenOver };
    }

    private async Task<TriedCode?> LimitAsync(Caller caller, CancellationToken cancellationToken)
    {
        var lease = await limiter.AcquireAsync("otp_verify", caller.From, options.Value.SignInsPerAddress, TimeSpan.FromMinutes(1), cancellationToken);
        return lease.Allowed ? null : new TriedCode.RateLimited(lease.RetryAfter);
    }

    /// <summary>By what is in force; for a verification also by the address or number that waits for one.</summary>
    private async Task<Account?> FindAsync(CodeRecipient recipient, string purpose, CancellationToken cancellationToken)
    {
        var account = await lookup.FindAsync(recipient, cancellationToken);
        if (account is not null || purpose != OneTimeCodePurposes.Verification || recipient.AccountId is not null)
        {
            return account;
        }

        var (email, phone) = (AccountRules.Email(recipient.Email), rules.PhoneNumber(recipient.PhoneNumber));
        return email is null && phone is null ? null : await accounts.FindByPendingAsync(email, phone, cancellationToken);
    }

    private static IEnumerable<string> WaitingChannels(CodeRecipient recipient, Account account)
    {
        if (account.PendingEmail is not null && recipient.PhoneNumber is null)
        {
            yield return NewEmail;
        }

        if (account.PendingPhoneNumber is not null && recipient.Email is null)
        {
            yield return NewPhone;
        }
    }

    // A verification is of the address that waits for it, unless the one in force was named.
    private string StoredChannel(CodeRecipient recipient, Account? account, string channel, string purpose) =>
        account is null || purpose != OneTimeCodePurposes.Verification ? channel
        : channel == "email" && account.PendingEmail is { } email && (recipient.AccountId is not null || AccountRules.Email(recipient.Email) == email) ? NewEmail
        : channel == "sms" && account.PendingPhoneNumber is { } phone && (recipient.AccountId is not null || rules.PhoneNumber(recipient.PhoneNumber) == phone) ? NewPhone
        : channel;

    /// <summary>The address or number that waited takes the place of the old one, which is told; null where it was taken or replaced meanwhile.</summary>
    private async Task<Account?> PutInForceAsync(Account account, bool isEmail, Caller caller)
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
    private async Task<(Account Account, bool IsTakenOver)> TakeAsync(Account account, string channel, Caller caller)
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

    /// <summary>A code to the account's address was right for somebody who had proven it otherwise too: what is on it is theirs, and so is the address.</summary>
    internal async Task SettleAsync(Account account)
    {
        if (account.Claim != AccountClaim.Settled)
        {
            await MarkVerifiedAsync(account, "email", isBrought: true);
        }
    }

    private async Task<Account> MarkVerifiedAsync(Account account, string channel, bool isBrought)
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

    private static CodeIssue.Refused NoChannel => new("This channel is not available.");

    private static CodeRecipient Recipient(CodeRequest request) =>
        new(request.AccountId, request.AccountId is null ? request.Email : null, request.AccountId is null && request.Email is null ? request.PhoneNumber : null);

    // Nobody can have it, so to say so tells of nobody; to answer as if it were sent would hide a mistake, such as a national number without DEFAULT_REGION.
    private string? Unreadable(CodeRecipient recipient) =>
        recipient.Email is not null && AccountRules.Email(recipient.Email) is null ? "email " + AccountRules.EmailRule
        : recipient.PhoneNumber is not null && rules.PhoneNumber(recipient.PhoneNumber) is null ? "phoneNumber " + AccountRules.PhoneNumberRule
        : null;

    private string Named(CodeRecipient recipient) =>
        recipient.AccountId?.ToString("N")
        ?? (AccountRules.Email(recipient.Email) ?? recipient.Email?.Trim())?.ToUpperInvariant()
        ?? rules.PhoneNumber(recipient.PhoneNumber)
        ?? recipient.PhoneNumber?.Trim()
        ?? "";

    /// <summary>Null where one more code may be made; else how long until then.</summary>
    private async Task<TimeSpan?> CountAsync(CodeRecipient recipient, Account? account, Caller caller, CancellationToken cancellationToken)
    {
        var settings = options.Value;
        if (await CountByAddressAsync(caller, cancellationToken) is { } wait)
        {
            return wait;
        }

        // Counted by account where there is one, so that naming it three ways does not triple the limit; by name where there is none.
        // Not by purpose: those are the callers' to make up, and each code is a message in somebody's inbox.
        var perAccount = await limiter.AcquireAsync("otp_for:" + (account?.Id.ToString("N") ?? Named(recipient)), settings.OneTimeCodesPerAccount, LimitWindow, cancellationToken);
        if (perAccount.Allowed)
        {
            return null;
        }

        // Asked for unknown ones too: else the clock would tell who exists.
        var isKnown = await devices.IsKnownAsync(account?.Id ?? Guid.Empty, caller, cancellationToken);
        if (account is null || !(isKnown || caller.AccountId == account.Id))
        {
            return perAccount.RetryAfter;
        }

        // Strangers may have asked for all of these: the account's own sessions and devices have as many more.
        var own = await limiter.AcquireAsync("otp_own:" + account.Id.ToString("N"), settings.OneTimeCodesPerAccount, LimitWindow, cancellationToken);
        return own.Allowed ? null : own.RetryAfter;
    }

    private async Task<TimeSpan?> CountByAddressAsync(Caller caller, CancellationToken cancellationToken)
    {
        var perAddress = await limiter.AcquireAsync("otp", caller.From, options.Value.OneTimeCodesPerAddress, LimitWindow, cancellationToken);
        return perAddress.Allowed ? null : perAddress.RetryAfter;
    }

    private sealed record Made(Guid Id, string MaskedDestination, DateTimeOffset ExpiresAt, PersonalMessage? Message);

    private async Task<Made> MakeAsync(CodeRecipient recipient, Account? account, string channel, string purpose, Caller caller, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var id = Guid.CreateVersion7(now);
        var expiresAt = now + options.Value.OneTimeCodeLifetime;
        var code = RandomNumberGenerator.GetInt32(1_000_000).ToString("D6", CultureInfo.InvariantCulture);
        var kept = StoredChannel(recipient, account, channel, purpose);
        var storedPurpose = OneTimeCodePurposes.Stored(purpose, kept);
        var destination = Destination(account, kept);
        await store.ReplaceAsync(new OneTimeCode(id, account?.Id, kept, storedPurpose, Hash(id, account?.Id, kept, destination, storedPurpose, code), now, expiresAt), cancellationToken);
        await audit.WriteAsync("otp_generate", account is null ? "unknown_user" : destination is null ? "no_destination" : "success", account?.Id, caller, sessionId: null, cancellationToken);

        var usable = account is { IsActive: true } && destination is not null && MayServe(purpose, channel) && (purpose != OneTimeCodePurposes.Login || MaySignIn(account, channel));
        return new(id, Mask(recipient, channel, destination, Named(recipient), isInside: caller == s_queue || (account is not null && caller.AccountId == account.Id)), expiresAt, usable ? Message(id, destination!, account!, channel, purpose, code, expiresAt, caller) : null);
    }

    private string? Channel(CodeRecipient recipient, string? asked)
    {
        var channel = asked ?? (recipient.PhoneNumber is not null ? "sms" : "email");
        return delivery.Has(channel) ? channel : null;
    }

    // Keyed, so that a leaked table of six digit codes is not a table of codes.
    // The destination is part of it: a code that was sent to one address proves nothing about another that the account has by now.
    private byte[] Hash(Guid id, Guid? accountId, string? channel, string? destination, string purpose, string code) =>
        HMACSHA256.HashData(options.Value.OneTimeCodeKey, Encoding.UTF8.GetBytes($"otp.v2|{id:N}|{accountId:N}|{channel}|{destination?.ToUpperInvariant()}|{purpose}|{code}"));

    // Push goes to all of an account's devices, whichever those are by then.
    private static string? Destination(Account? account, string? channel) => channel switch
    {
        "email" => account?.Email,
        "push" => account?.Id.ToString("N"),
        NewEmail => account?.PendingEmail,
        NewPhone => account?.PendingPhoneNumber,
        _ => account?.PhoneNumber,
    };

    // A new password is the mailbox's to set: a number or a device may be somebody else's. A second factor is the one that it was sent to.
    private static bool MayServe(string purpose, string channel) =>
        purpose == OneTimeCodePurposes.PasswordReset ? channel == "email"
        : !OneTimeCodePurposes.IsSecondFactor(purpose) || purpose == OneTimeCodePurposes.SecondFactor(channel);

    // An address proves itself by its code, and what others set before is dropped then. A number must be known to be the person's own.
    private bool MaySignIn(Account account, string channel) =>
        options.Value.AllowCodeSignIn
        && (channel == "email" || ((channel == "push" || account.PhoneNumberVerified) && (account.EmailVerified || !options.Value.RequireVerifiedEmail)));

    /// <summary>The same shape for an unknown recipient: from what was named, or made up from it by a keyed hash, always alike.</summary>
    private string Mask(CodeRecipient recipient, string channel, string? destination, string named, bool isInside)
    {
        // How many devices there are, and whether any, is nobody's business; nor is a number or address that whoever asks did not name.
        var isNamed = recipient.AccountId is not null || channel != "email" == (recipient.PhoneNumber is not null);
        if (channel == "push" || !(isNamed || isInside))
        {
            return "***";
        }

        if (channel == "email" && (AccountRules.Email(recipient.Email) ?? recipient.Email?.Trim() ?? destination) is { } email)
        {
            // What cannot be an address is nobody's, and tells nothing.
            var at = email.LastIndexOf('@');
            return at > 0 && at + 1 < email.Length && !char.IsSurrogate(email[0]) && !char.IsSurrogate(email[at + 1]) ? $"{email[0]}***@{email[at + 1]}***{email[Math.Max(at + 2, email.LastIndexOf('.'))..]}" : "***";
        }

        if (channel != "email" && (rules.PhoneNumber(recipient.PhoneNumber) ?? recipient.PhoneNumber ?? destination) is { Length: > 4 } phone)
        {
            return string.Concat(phone.AsSpan(0, Math.Min(3, phone.Length - 4)), "*****", phone.AsSpan(phone.Length - 2));
        }

        var hash = HMACSHA256.HashData(options.Value.OneTimeCodeKey, Encoding.UTF8.GetBytes("mask|" + channel + "|" + named));
        return channel == "email"
            ? $"{(char)('a' + (hash[0] % 26))}***@{(char)('a' + (hash[1] % 26))}***.com"
            : $"+{10 + (hash[0] % 89)}*****{hash[1] % 100:D2}";
    }

    private PersonalMessage Message(Guid id, string to, Account account, string channel, string purpose, string code, DateTimeOffset expiresAt, Caller caller) =>
        Message(id, to, account, channel, purpose, code, caller) with { ExpiresAt = expiresAt };

    private PersonalMessage Message(Guid id, string to, Account account, string channel, string purpose, string code, Caller caller)
    {
        var minutes = (int)Math.Ceiling(options.Value.OneTimeCodeLifetime.TotalMinutes);
        var culture = Languages.Of(account);
        var name = purpose switch
        {
            OneTimeCodePurposes.Verification => "Code.Verification",
            OneTimeCodePurposes.Login => "Code.Login",
            _ when OneTimeCodePurposes.IsSecondFactor(purpose) => "Code.Login",
            OneTimeCodePurposes.PasswordReset => "Code.Reset",
            _ => "Code.Other",
        };
        switch (channel)
        {
            case "email":
                var content = new MailContent(AccountTexts.In(culture, "Code.Subject", mail.BrandName), AccountTexts.In(culture, name + ".Lead"))
                {
                    Code = code,
                    AfterCode = AccountTexts.In(culture, "Code.Works", minutes) + "\n" + AccountTexts.In(culture, name + ".Beware"),
                    App = caller.ClientName,
                };
                return mail.Compose(to, account, content, culture, id);
            case "push":
                return new(to, AccountTexts.In(culture, "Code.Title"), AccountTexts.In(culture, name + ".Short", code, minutes), Id: id, OpensAccount: purpose == OneTimeCodePurposes.Login);
            default:
                // An SMS has no subject: who it is from stands before it.
                return new(to, null, mail.BrandName + ": " + AccountTexts.In(culture, name + ".Short", code, minutes), Id: id);
        }
    }
}
