namespace Identity.Accounts.Audit;

/// <summary>Writes audit records.</summary>
public sealed class AuditTrail(IAuditLog log, TimeProvider timeProvider)
{
    public Task WriteAsync(string action, string outcome, Guid? accountId, Caller caller, string? sessionId, CancellationToken cancellationToken)
    {
        AuditMetrics.Count(action, outcome);
        var now = timeProvider.GetUtcNow();
        return log.WriteAsync(
            new AuditRecord(Guid.CreateVersion7(now), now, action, outcome, accountId, caller.ActorId, caller.ClientId, sessionId, caller.Ip, caller.UserAgent),
            cancellationToken);
    }
}
