// WebAuthn Level 3 §7.1 and §7.2 by ASP.NET Core Identity; challenges are ours: encrypted, five minutes, one use.
using System.Data.Common;
using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using System.Text.Json;
using Identity.Accounts.Data;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts.SecondFactors;

/// <summary>A challenge.</summary>
/// <param name="Ticket">Comes back with the answer.</param>
/// <param name="Options">What <c>parseCreationOptionsFromJSON</c> or <c>parseRequestOptionsFromJSON</c> takes.</param>
public sealed record PasskeyChallenge(string Ticket, string Options);

/// <summary>A passkey that proved its owner.</summary>
public sealed record UsedPasskey(Account Account, IReadOnlyList<string> Amr);

/// <summary>The public part of a passkey, as it is stored.</summary>
internal sealed record StoredPasskey(byte[] CredentialId, byte[] PublicKey, string[] Transports, bool IsUserVerified, bool IsBackupEligible, bool IsBackedUp)
{
    public static StoredPasskey Of(UserPasskeyInfo passkey) => new(passkey.CredentialId, passkey.PublicKey, passkey.Transports ?? [], passkey.IsUserVerified, passkey.IsBackupEligible, passkey.IsBackedUp);

    public static StoredPasskey Of(SecondFactor factor) => JsonSerializer.Deserialize<StoredPasskey>(factor.Data)!;

    public static string Slot(byte[] credentialId) => "passkey:" + System.Buffers.Text.Base64Url.EncodeToString(SHA256.HashData(credentialId));

    public UserPasskeyInfo ToInfo(SecondFactor factor) =>
        new(CredentialId, PublicKey, factor.CreatedAt, checked((uint)factor.Counter), Transports, IsUserVerified, IsBackupEligible, IsBackedUp, attestationObject: [], clientDataJson: []) { Name = factor.Name };
}

/// <summary>
/// Challenges and their answers. Every passkey verifies its user (PIN, finger, face), so it is two factors by itself and signs in alone.
/// </summary>
public sealed class Passkeys(IPasskeyHandler<Account> handler, ISecondFactorStore factors, IAccountStore accounts, FactorTickets tickets, TimeProvider timeProvider)
{
    // The handler asks the request for nothing but its host, and that is set (IdentityPasskeyOptions.ServerDomain and ValidateOrigin).
    private static HttpContext NoRequest => new DefaultHttpContext();

    /// <summary>For a new passkey of somebody who is signed in.</summary>
    internal async Task<PasskeyChallenge> BeginCreationAsync(Account account, string sessionId)
    {
        var name = string.Join(' ', new[] { account.FirstName, account.LastName }.Where(part => !string.IsNullOrEmpty(part)));
        var options = await handler.MakeCreationOptionsAsync(
            new PasskeyUserEntity { Id = account.Id.ToString("D", CultureInfo.InvariantCulture), Name = account.Email, DisplayName = name.Length == 0 ? account.Email : name },
            NoRequest);
        return new(tickets.Create(TicketKinds.PasskeyCreation, account, sessionId, state: options.AttestationState), options.CreationOptionsJson);
    }

    /// <summary>The new passkey; null: the answer is not to a live challenge of this session, or not a sound one.</summary>
    internal async Task<UserPasskeyInfo?> FinishCreationAsync(Account account, string sessionId, string ticket, string credential, CancellationToken cancellationToken)
    {
        if (await tickets.FindAsync(TicketKinds.PasskeyCreation, ticket, cancellationToken) is not { State: { } state } found
            || found.AccountId != account.Id || found.SessionId != sessionId || found.Stamp != account.SecurityStamp
            || !IsCredential(credential)
            || !await tickets.TrySpendAsync(found, cancellationToken))
        {
            return null;
        }

        var result = await handler.PerformAttestationAsync(new PasskeyAttestationContext { CredentialJson = credential, HttpContext = NoRequest, AttestationState = state });
        ThrowOutage(result.Failure);
        return result.Succeeded ? result.Passkey : null;
    }

    /// <param name="account">Whose passkeys are asked for; null: any that the browser has for us.</param>
    public async Task<PasskeyChallenge> BeginRequestAsync(Account? account)
    {
        var options = await handler.MakeRequestOptionsAsync(account, NoRequest);
        return new(tickets.Create(TicketKinds.PasskeyRequest, account, state: options.AssertionState), options.RequestOptionsJson);
    }

    /// <summary>Whose passkey answered the challenge; null: none, or not soundly. The challenge is used up either way.</summary>
    public async Task<UsedPasskey?> TryAsync(string ticket, string credential, Account? expected, CancellationToken cancellationToken)
    {
        if (await tickets.FindAsync(TicketKinds.PasskeyRequest, ticket, cancellationToken) is not { State: { } state } found
            || found.AccountId != expected?.Id
            || !IsCredential(credential)
            || !await tickets.TrySpendAsync(found, cancellationToken))
        {
            return null;
        }

        var result = await handler.PerformAssertionAsync(new PasskeyAssertionContext { CredentialJson = credential, HttpContext = NoRequest, AssertionState = state });
        ThrowOutage(result.Failure);
        if (!result.Succeeded || await factors.FindBySlotAsync(StoredPasskey.Slot(result.Passkey.CredentialId), cancellationToken) is not { } factor || factor.AccountId != result.User.Id)
        {
            return null;
        }

        // WebAuthn §6.1.1: a counter that does not rise betrays a copy. Synchronised passkeys leave it at zero.
        var now = timeProvider.GetUtcNow();
        if (result.Passkey.SignCount == 0)
        {
            await factors.TouchAsync(factor.Id, now, cancellationToken);
        }
        else if (!await factors.TryRaiseAsync(factor.Id, result.Passkey.SignCount, now, cancellationToken))
        {
            return null;
        }

        // As stored by now: the handler's copy was read before the signature was checked.
        return await accounts.FindAsync(factor.AccountId, cancellationToken) is { } account ? new(account, Amr(result.Passkey)) : null;
    }

    internal static IReadOnlyList<string> Amr(UserPasskeyInfo passkey) =>
        [passkey.IsBackupEligible ? AuthenticationMethods.SoftwareKey : AuthenticationMethods.HardwareKey, AuthenticationMethods.MultiFactor];

    // The handler makes a failed passkey of whatever goes wrong; that a store is away says nothing about the passkey.
    private static void ThrowOutage(Exception? failure)
    {
        for (var cause = failure; cause is not null; cause = cause.InnerException)
        {
            if (cause is StoreUnavailableException or DbException or TimeoutException or OperationCanceledException)
            {
                ExceptionDispatchInfo.Throw(cause);
            }
        }
    }

    // The handler throws for what is no JSON object at all.
    private static bool IsCredential(string json)
    {
        if (json.Length is 0 or > 32 * 1024)
        {
            return false;
        }

        try
        {
            using var document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
