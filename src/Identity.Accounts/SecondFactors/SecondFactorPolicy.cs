// NIST SP 800-63B-4 §2.2 (two factors), OWASP ASVS 5.0 §6.3.3: when a second factor is due, and which will do.
using System.Security.Cryptography;
using System.Text;
using Identity.Accounts.PushSignIn;
using Identity.Accounts.Registration;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.SecondFactors;

/// <summary>A sign-in of which the first factor is proven.</summary>
/// <param name="Ticket">Carries it, encrypted: no session exists yet.</param>
/// <param name="Methods">What will finish it, the best first; empty: nothing that the account has.</param>
/// <param name="Enrols">The account has no factor and must have one: a new one finishes it (/signin/add-factor, <see cref="FirstFactor"/>).</param>
public sealed record HalfSignIn(string Ticket, IReadOnlyList<string> Methods, bool Enrols = false);

/// <summary>Says whether a second factor is due.</summary>
public sealed class SecondFactorPolicy(ISecondFactorStore factors, IFactorProofStore proofs, FactorTickets tickets, IOptions<SecondFactorOptions> options, TimeProvider timeProvider, PushSignIns? push = null)
{
    private static readonly string[] Order = [FactorKinds.Passkey, FactorKinds.Push, FactorKinds.Totp, FactorKinds.Sms, FactorKinds.Email, FactorKinds.RecoveryCode];

    /// <summary>
    /// Null where what is proven is enough. Whoever has enrolled a factor needs it at every sign-in, but for browsers that they had
    /// remembered; the roles of SecondFactors:RequiredForRoles need one in any case, and so do sign-ins that answer with tokens of a client of
    /// SecondFactors:RequiredForClients. At pages the authorization request asks for what its client wants.
    /// </summary>
    /// <param name="account">As it was read before its credentials were.</param>
    /// <param name="amr">What is proven.</param>
    /// <param name="channel">The channel of the code that proved it.</param>
    /// <param name="caller">Its browser may be remembered.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="state">Of an external sign-in: where it is kept.</param>
    public async Task<HalfSignIn?> FindDueAsync(Account account, IReadOnlyList<string> amr, string? channel, Caller caller, CancellationToken cancellationToken, string? state = null)
    {
        // A provider that is trusted to sign people in is trusted to say that it asked them for two factors.
        var enrolled = await factors.ListAsync(account.Id, cancellationToken);
        var required = IsRequired(account) || (caller is { TakesTokens: true, ClientId: { } client } && RequiredBy(client) is not null);
        if ((enrolled.Count == 0 && !required) || AuthenticationContexts.Of(amr) != AuthenticationContexts.SingleFactor || await IsRememberedAsync(account, caller, cancellationToken))
        {
            return null;
        }

        var methods = await MethodsAsync(account, enrolled, channel, cancellationToken);

        // Only where there is no factor at all: one that cannot be used now (its mailbox was the first) is not got round by a new one.
        var enrols = enrolled.Count == 0 && methods.Count == 0;
        return new(tickets.Create(enrols ? TicketKinds.Enrolment : TicketKinds.SignIn, account, caller.SessionId, amr, channel, state), methods, enrols);
    }

    /// <summary>The same half sign-in, and what was proven and is to be done besides. Null: the ticket is worth nothing any more.</summary>
    internal async Task<HalfSignIn?> WithAsync(HalfSignIn half, IReadOnlyList<string> amr, string state, CancellationToken cancellationToken) =>
        await tickets.FindAsync(half.Enrols ? TicketKinds.Enrolment : TicketKinds.SignIn, half.Ticket, cancellationToken) is { } ticket
            ? half with { Ticket = tickets.Write(ticket with { Amr = [.. ticket.Amr.Union(amr, StringComparer.Ordinal)], State = state }) }
            : null;

    /// <summary>For somebody who is signed in and must prove more (acr_values, an essential acr, a client of SecondFactors:RequiredForClients).</summary>
    public async Task<HalfSignIn> BeginStepUpAsync(Account account, Sessions.Session session, CancellationToken cancellationToken)
    {
        // A session that began with a code by mail or SMS has used up the mailbox or the phone.
        var channel = session.Amr.Contains(AuthenticationMethods.Password, StringComparer.Ordinal) ? null
            : session.Amr.Contains(AuthenticationMethods.Sms, StringComparer.Ordinal) && !session.Amr.Contains(AuthenticationMethods.MultiFactor, StringComparer.Ordinal) ? FactorKinds.Sms
            : FactorKinds.Email;
        return new(tickets.Create(TicketKinds.SignIn, account, session.Id, session.Amr, channel), await MethodsAsync(account, channel, cancellationToken));
    }

    /// <summary>What finishes a half-done sign-in; null: the ticket is worth nothing any more.</summary>
    public async Task<(Account Account, IReadOnlyList<string> Methods)?> ReadAsync(string? ticket, IAccountStore accounts, CancellationToken cancellationToken)
    {
        var found = await FindAsync(ticket, accounts, cancellationToken);
        return found is null ? null : (found.Value.Account, await MethodsAsync(found.Value.Account, found.Value.Ticket.Channel, cancellationToken));
    }

    /// <summary>Whether the account has no second factor at all.</summary>
    internal async Task<bool> HasNoneAsync(Guid accountId, CancellationToken cancellationToken) => (await factors.ListAsync(accountId, cancellationToken)).Count == 0;

    /// <summary>Whether the account must have a second factor whatever it has enrolled.</summary>
    public bool IsRequired(Account account) => options.Value.RequiredForRoles.Any(role => account.Roles.Contains(role, StringComparer.Ordinal));

    /// <summary>
    /// How strong a proof the session still owes before the codes of a second step go to another address or number: as one that adds such a
    /// factor. Null: none, as it has proven it lately or no code goes there.
    /// </summary>
    /// <param name="account">As it is.</param>
    /// <param name="channels">What would move: email, sms.</param>
    /// <param name="sessionId">Null: there is no session that could have proven anything.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<int?> FindNeedToMoveAsync(Account account, IReadOnlyCollection<string> channels, string? sessionId, CancellationToken cancellationToken)
    {
        var strength = (await MethodsAsync(account, firstChannel: null, cancellationToken)).Where(channels.Contains).Select(FactorKinds.Strength).DefaultIfEmpty().Max();
        return strength == 0 || (sessionId is not null && await proofs.HasProofAsync(sessionId, strength, timeProvider.GetUtcNow() - FactorEnrolment.Fresh, cancellationToken)) ? null : strength;
    }

    /// <summary>The class that a client's people must reach; null: any.</summary>
    public string? RequiredBy(string clientId) => options.Value.RequiredForClients.Contains(clientId) ? AuthenticationContexts.MultiFactor : null;

    /// <summary>The ways that the account has, the best first.</summary>
    /// <param name="account">Whose.</param>
    /// <param name="firstChannel">A code by this channel was the first factor.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IReadOnlyList<string>> MethodsAsync(Account account, string? firstChannel, CancellationToken cancellationToken) =>
        await MethodsAsync(account, await factors.ListAsync(account.Id, cancellationToken), firstChannel, cancellationToken);

    internal Task<(FactorTicket Ticket, Account Account)?> FindAsync(string? text, IAccountStore accounts, CancellationToken cancellationToken) => FindAsync(TicketKinds.SignIn, text, accounts, cancellationToken);

    /// <summary>A sign-in that a new factor finishes: while the account has none.</summary>
    internal async Task<(FactorTicket Ticket, Account Account)?> FindEnrolmentAsync(string? text, IAccountStore accounts, CancellationToken cancellationToken) =>
        await FindAsync(TicketKinds.Enrolment, text, accounts, cancellationToken) is { } found && (await factors.ListAsync(found.Account.Id, cancellationToken)).Count == 0 ? found : null;

    private async Task<(FactorTicket Ticket, Account Account)?> FindAsync(string kind, string? text, IAccountStore accounts, CancellationToken cancellationToken) =>
        await tickets.FindAsync(kind, text, cancellationToken) is { AccountId: { } id } ticket
        && await accounts.FindAsync(id, cancellationToken) is { IsActive: true } account
        && account.SecurityStamp == ticket.Stamp
            ? (ticket, account)
            : null;

    /// <summary>SHA-256 in base64url: what is stored of a remembered browser's token.</summary>
    internal static string Hash(string token) => System.Buffers.Text.Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(token)));

    private async Task<IReadOnlyList<string>> MethodsAsync(Account account, IReadOnlyList<SecondFactor> enrolled, string? firstChannel, CancellationToken cancellationToken)
    {
        var methods = enrolled.Select(factor => factor.Kind)
            .Where(kind => kind switch
            {
                FactorKinds.Email => account.EmailVerified,
                FactorKinds.Sms => account.PhoneNumberVerified && account.PhoneNumber is not null,
                _ => true,
            })
            .ToHashSet(StringComparer.Ordinal);
        if (methods.Contains(FactorKinds.Push) && (push is null || !await push.CanAskAsync(account.Id, cancellationToken)))
        {
            // No device has a key any more: recovery codes are for that.
            methods.Remove(FactorKinds.Push);
        }

        if (enrolled.Count > 0 && await factors.CountRecoveryCodesAsync(account.Id, cancellationToken) > 0)
        {
            methods.Add(FactorKinds.RecoveryCode);
        }

        // A role that needs one and has none: the mailbox will have to do, or nobody could ever enrol a better one.
        if (enrolled.Count == 0 && IsRequired(account) && !EmailAddress.LeadsNowhere(account.Email))
        {
            methods.Add(FactorKinds.Email);
        }

        // Twice the same mailbox is one factor.
        return [.. Order.Where(kind => methods.Contains(kind) && kind != firstChannel)];
    }

    private async Task<bool> IsRememberedAsync(Account account, Caller caller, CancellationToken cancellationToken)
    {
        foreach (var token in options.Value.RememberedBrowserDays == 0 ? [] : caller.RememberedTokens ?? [])
        {
            if (await proofs.TryUseRememberedAsync(account.Id, Hash(token), account.SecurityStamp, timeProvider.GetUtcNow(), cancellationToken))
            {
                return true;
            }
        }

        return false;
    }
}
