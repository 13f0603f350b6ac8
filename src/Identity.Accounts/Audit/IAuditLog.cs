namespace Identity.Accounts.Audit;

/// <summary>Who did what, when, from where, and how it ended. Never a secret.</summary>
/// <param name="Id">UUIDv7.</param>
/// <param name="Time">When.</param>
/// <param name="Action">sign_in, register, password_change, password_reset, otp_generate, otp_verify, role_change, update, deactivate, sign_out, …</param>
/// <param name="Outcome">success, or a short reason such as wrong_password, locked, unknown_user.</param>
/// <param name="AccountId">Whom it is about; null for an unknown user.</param>
/// <param name="ActorId">Who did it, where that is somebody else: an account id or a client id.</param>
/// <param name="ClientId">The client it came through.</param>
/// <param name="SessionId">The session it led to or came from.</param>
/// <param name="Ip">From where.</param>
/// <param name="UserAgent">At most 400 characters.</param>
public sealed record AuditRecord(
    Guid Id,
    DateTimeOffset Time,
    string Action,
    string Outcome,
    Guid? AccountId,
    string? ActorId,
    string? ClientId,
    string? SessionId,
    string? Ip,
    string? UserAgent);

/// <summary>The audit trail.</summary>
public interface IAuditLog
{
    Task WriteAsync(AuditRecord record, CancellationToken cancellationToken);

    /// <summary>Newest first.</summary>
    Task<IReadOnlyList<AuditRecord>> ListAsync(Guid? accountId, int limit, CancellationToken cancellationToken);
}
