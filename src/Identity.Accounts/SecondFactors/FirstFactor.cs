// NIST SP 800-63B-4 §4.1.1 (binding at enrolment), OWASP ASVS 5.0 §6.3.3: a sign-in that only a new factor finishes, without a page.
namespace Identity.Accounts.SecondFactors;

/// <summary>What adding the first factor came to.</summary>
/// <param name="Step">Whether the sign-in is finished by it.</param>
/// <param name="RecoveryCodes">To be shown this once; null: none were made.</param>
public sealed record FirstFactorStep(SecondStep Step, IReadOnlyList<string>? RecoveryCodes);

/// <summary>
/// Adds the factor that an account must have and has not yet, for whoever holds the ticket of its half-done sign-in, and finishes the sign-in with it.
/// The ticket opens nothing else, and this only while the account has no factor.
/// </summary>
public sealed class FirstFactor(SecondFactorSignIn signIn, FactorEnrolment enrolment)
{
    /// <summary>The ways to get one without being signed in. Codes by e-mail and SMS are none: whoever has them as the first factor proves nothing more with them.</summary>
    public static IReadOnlyList<string> Kinds { get; } = [FactorKinds.Passkey, FactorKinds.Totp];

    /// <summary>Null: the ticket is none of such a sign-in, or not any more.</summary>
    public async Task<(string Ticket, AuthenticatorKey Key)?> BeginTotpAsync(string? ticket, CancellationToken cancellationToken) =>
        await signIn.FindEnrolmentAsync(ticket, cancellationToken) is var (account, session) ? await enrolment.BeginTotpAsync(account, session, cancellationToken) : null;

    /// <summary>Null: the ticket is none of such a sign-in, or not any more.</summary>
    public async Task<PasskeyChallenge?> BeginPasskeyAsync(string? ticket, CancellationToken cancellationToken) =>
        await signIn.FindEnrolmentAsync(ticket, cancellationToken) is var (account, session) ? await enrolment.BeginPasskeyAsync(account, session, cancellationToken) : null;

    /// <param name="ticket">Of the half-done sign-in.</param>
    /// <param name="totp">The ticket of <see cref="BeginTotpAsync"/>, where a code of the app is brought.</param>
    /// <param name="proof">The new factor's first answer.</param>
    /// <param name="name">What a passkey is called.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null: the ticket is none of such a sign-in, or not any more.</returns>
    public async Task<FirstFactorStep?> FinishAsync(string? ticket, string? totp, FactorProof proof, string name, Caller caller, CancellationToken cancellationToken)
    {
        if (await signIn.FindEnrolmentAsync(ticket, cancellationToken) is not var (account, session))
        {
            return null;
        }

        var change = proof switch
        {
            FactorProof.Passkey passkey => await enrolment.ConfirmPasskeyAsync(account, session, passkey.Ticket, passkey.Credential, name, caller, cancellationToken),
            FactorProof.Code code when totp is not null => await enrolment.ConfirmTotpAsync(account, session, totp, code.Value, caller, cancellationToken),
            _ => null,
        };

        // The factor is there, so from here on hanging up stops nothing.
        return change switch
        {
            FactorChange.Done done => new(await signIn.FinishEnrolmentAsync(ticket, done, caller, CancellationToken.None), done.RecoveryCodes),
            FactorChange.Refused => new(new SecondStep.Refused(), RecoveryCodes: null),
            _ => null,
        };
    }
}
