// NIST SP 800-63B-4 §3.1.3 and §3.2.2, OWASP ASVS 5.0 §6.3.8: sign-in by a device instead of the password; who exists and who allows it does not show.
using System.Globalization;
using System.Security.Cryptography;
using Identity.Accounts.Delivery;
using Identity.Accounts.RateLimits;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.SignIn;
using Identity.Accounts.Texts;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.PushSignIn;

/// <summary>What came of asking for a phone.</summary>
public abstract record PhoneAsked
{
    private PhoneAsked()
    {
    }

    /// <summary>Whether anybody is asked at all is not told.</summary>
    /// <param name="Ticket">For the browser; it names no account.</param>
    public sealed record Asked(string Ticket) : PhoneAsked;

    public sealed record RateLimited(TimeSpan RetryAfter) : PhoneAsked;
}

/// <summary>
/// Asks a person's devices to let them in. An account that is none, is locked, has no device, does not allow it or was asked too often gets the same page
/// for the same minute, after the same work; a no looks like no answer.
/// </summary>
public sealed class PhoneSignIn(
    AccountLookup lookup,
    ISecondFactorStore factors,
    IAccountStore accounts,
    FactorTickets tickets,
    PushSignIns requests,
    SecondFactorSignIn signIn,
    Lockout lockout,
    DeliveryQueue delivery,
    IRateLimiter limiter,
    IOptions<PushSignInOptions> options,
    IOptions<AccountsOptions> accountsOptions,
    TimeProvider timeProvider)
{
    /// <summary>Whether the sign-in page offers it.</summary>
    public bool IsOffered => requests.IsAvailable && options.Value.AllowWithoutPassword;

    public async Task<PhoneAsked> AskAsync(string login, string? clientName, Caller caller, CancellationToken cancellationToken)
    {
        var lease = await limiter.AcquireAsync("sign_in", caller.From, accountsOptions.Value.SignInsPerAddress, TimeSpan.FromMinutes(1), cancellationToken);
        if (!lease.Allowed)
        {
            return new PhoneAsked.RateLimited(lease.RetryAfter);
        }

        // The same questions for everybody, so that none is answered sooner.
        var account = await lookup.FindAsync(LoginKind.Any, login, cancellationToken);
        var decoy = requests.DecoyOf(login);
        var factor = await factors.FindBySlotAsync(FactorEnrolment.ChannelSlot(FactorKinds.Push, account?.Id ?? decoy), cancellationToken);
        var canAsk = await requests.CanAskAsync(account?.Id ?? decoy, cancellationToken);
        var isAllowed = IsOffered && canAsk && FactorKinds.IsAlone(factor) && account is { IsActive: true } && !await lockout.KeepsOutAsync(account, caller, cancellationToken) && (account.EmailVerified || !accountsOptions.Value.RequireVerifiedEmail);

        var key = Guid.NewGuid();
        var question = new PushQuestion(isAllowed ? account!.Id : decoy, isAllowed ? account!.SecurityStamp : decoy.ToString("N"), PushSignIns.PhoneBinding(key), IsAlone: true, clientName, Languages.Of(account));
        var (asked, requestId) = await requests.AskAsync(question, caller, cancellationToken);
        var shown = asked is PushAsked.Asked { Prompt: var prompt } ? prompt : new PushPrompt(PushAnswer.Waiting, RandomNumberGenerator.GetInt32(10, 100).ToString(CultureInfo.InvariantCulture), timeProvider.GetUtcNow() + options.Value.Lifetime);
        if (isAllowed && requestId is { } id)
        {
            // After the page's answer: writing to devices takes as long as there are devices.
            delivery.Post("push", new PersonalMessage(account!.Id.ToString("N"), AccountTexts.In(Languages.Of(account), "PushSignInTitle"), AccountTexts.In(Languages.Of(account), "PushSignInText"), OpensAccount: true, SignIn: new(id, shown.ExpiresAt)));
        }

        return new PhoneAsked.Asked(tickets.Create(TicketKinds.Phone, account: null, state: string.Create(CultureInfo.InvariantCulture, $"{key:N} {shown.Number} {shown.ExpiresAt.ToUnixTimeMilliseconds()}")));
    }

    /// <summary>Waiting, approved or expired, and no more than that; null: there is no such sign-in any more.</summary>
    public async Task<PushPrompt?> ReadAsync(string? ticket, CancellationToken cancellationToken)
    {
        if (await FindAsync(ticket, cancellationToken) is not var (_, key, number, expiresAt))
        {
            return null;
        }

        var answer = (await requests.ReadAsync(PushSignIns.PhoneBinding(key), cancellationToken)).Answer;
        return new(answer == PushAnswer.Approved ? answer : timeProvider.GetUtcNow() < expiresAt ? PushAnswer.Waiting : PushAnswer.Expired, number, expiresAt);
    }

    /// <summary>Goes on where a device said yes.</summary>
    public async Task<SecondStep> FinishAsync(string? ticket, Caller caller, CancellationToken cancellationToken)
    {
        if (await FindAsync(ticket, cancellationToken) is not var (found, key, _, _) || await ReadAsync(ticket, cancellationToken) is not { } prompt)
        {
            return new SecondStep.Expired();
        }

        if (prompt.Answer != PushAnswer.Approved)
        {
            return new SecondStep.Unanswered(prompt.Answer);
        }

        // The yes is used up, so from here on hanging up stops nothing.
        if (await requests.TryUseAsync(PushSignIns.PhoneBinding(key), cancellationToken) is not var (accountId, stamp)
            || !await tickets.TrySpendAsync(found, CancellationToken.None)
            || await accounts.FindAsync(accountId, CancellationToken.None) is not { } account
            || account.SecurityStamp != stamp)
        {
            return new SecondStep.Expired();
        }

        return await signIn.WithPhoneAsync(account, caller);
    }

    private async Task<(FactorTicket Ticket, Guid Key, string Number, DateTimeOffset ExpiresAt)?> FindAsync(string? ticket, CancellationToken cancellationToken) =>
        await tickets.FindAsync(TicketKinds.Phone, ticket, cancellationToken) is { State: { } state } found && state.Split(' ') is [var key, var number, var expiresAt]
            ? (found, Guid.ParseExact(key, "N"), number, DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(expiresAt, CultureInfo.InvariantCulture)))
            : null;
}
