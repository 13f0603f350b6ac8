namespace Identity.Accounts.Sessions;

/// <summary>Ends sign-in sessions, with their cookies, refresh families and access tokens.</summary>
public interface ISessionEnding
{
    /// <summary>Ending a session again does nothing.</summary>
    Task EndAsync(string sessionId, string reason, Caller caller, CancellationToken cancellationToken);

    /// <summary>Ends all sessions of the account.</summary>
    Task EndAllAsync(Guid accountId, string reason, Caller caller, CancellationToken cancellationToken);

    /// <summary>All but one, which goes on; the browsers that need no second factor are forgotten.</summary>
    Task EndOthersAsync(Guid accountId, string? exceptSessionId, string reason, Caller caller, CancellationToken cancellationToken);
}
