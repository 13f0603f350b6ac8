// OWASP ASVS 5.0 §6.6: what is half proven is carried by the client, encrypted, for minutes, and worth one use.
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.DataProtection;

namespace Identity.Accounts.SecondFactors;

/// <summary>What a ticket is for. One of a kind is worth nothing in the place of another.</summary>
internal static class TicketKinds
{
    public const string SignIn = "sign_in";

    /// <summary>A sign-in that only a new factor finishes.</summary>
    public const string Enrolment = "enrolment";
    public const string Totp = "totp_enrolment";
    public const string PasskeyCreation = "passkey_creation";
    public const string PasskeyRequest = "passkey_request";

    /// <summary>A device was asked to sign somebody in without the password; it names nobody.</summary>
    public const string Phone = "phone";
}

/// <summary>Something begun.</summary>
/// <param name="Id">What is noted as spent.</param>
/// <param name="Kind">One of <see cref="TicketKinds"/>.</param>
/// <param name="AccountId">Whose; null: nobody is known yet (sign-in by passkey).</param>
/// <param name="ExpiresAt">Its end.</param>
/// <param name="Stamp">The account's security stamp at the time: after a change of the password it is worth nothing.</param>
/// <param name="SessionId">The session that began it, where one did.</param>
/// <param name="Amr">What is proven already.</param>
/// <param name="Channel">The channel of the code that was the first factor: it is no second one.</param>
/// <param name="State">What is to be remembered: a secret, a challenge, where an external sign-in is kept.</param>
internal sealed record FactorTicket(Guid Id, string Kind, Guid? AccountId, DateTimeOffset ExpiresAt, string? Stamp, string? SessionId, IReadOnlyList<string> Amr, string? Channel, string? State);

/// <summary>Writes and reads tickets.</summary>
public sealed class FactorTickets(IDataProtectionProvider protection, IFactorProofStore proofs, TimeProvider timeProvider)
{
    /// <summary>Life of a ticket.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);

    /// <summary>Life of a sign-in that a new factor finishes: an app has to be installed first, perhaps.</summary>
    public static readonly TimeSpan EnrolmentLifetime = FactorEnrolment.Fresh;

    private const int Longest = 8192;
    private readonly IDataProtector _protector = protection.CreateProtector("identity.factor-ticket.v1");

    internal string Create(string kind, Account? account, string? sessionId = null, IReadOnlyList<string>? amr = null, string? channel = null, string? state = null)
    {
        var now = timeProvider.GetUtcNow();
        return Write(new FactorTicket(Guid.CreateVersion7(now), kind, account?.Id, now + (kind == TicketKinds.Enrolment ? EnrolmentLifetime : Lifetime), account?.SecurityStamp, sessionId, amr ?? [], channel, state));
    }

    internal string Write(FactorTicket ticket) => _protector.Protect(JsonSerializer.Serialize(ticket));

    /// <summary>Null: not ours, of another kind, expired, or spent.</summary>
    internal async Task<FactorTicket?> FindAsync(string kind, string? text, CancellationToken cancellationToken)
    {
        if (text is not { Length: > 0 and <= Longest })
        {
            return null;
        }

        FactorTicket? ticket;
        try
        {
            ticket = JsonSerializer.Deserialize<FactorTicket>(_protector.Unprotect(text));
        }
        catch (Exception exception) when (exception is CryptographicException or JsonException)
        {
            return null;
        }

        return ticket is not null && ticket.Kind == kind && ticket.ExpiresAt > timeProvider.GetUtcNow() && !await proofs.IsSpentAsync(ticket.Id, cancellationToken) ? ticket : null;
    }

    /// <summary>True for exactly one caller.</summary>
    internal Task<bool> TrySpendAsync(FactorTicket ticket, CancellationToken cancellationToken) => proofs.TrySpendAsync(ticket.Id, ticket.ExpiresAt, cancellationToken);
}
