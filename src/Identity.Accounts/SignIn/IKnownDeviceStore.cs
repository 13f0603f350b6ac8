namespace Identity.Accounts.SignIn;

/// <summary>Which devices an account has signed in with. Failures are counted by an atomic statement.</summary>
public interface IKnownDeviceStore
{
    Task<bool> IsKnownAsync(Guid accountId, string key, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Known until <paramref name="until"/>, failures back to 0.</summary>
    Task RememberAsync(Guid accountId, string key, DateTimeOffset until, CancellationToken cancellationToken);

    /// <summary>Counts a failure; the <paramref name="limit"/>th makes the device a stranger. False where it is one already: the failure is the account's.</summary>
    Task<bool> TryCountFailureAsync(Guid accountId, string key, int limit, DateTimeOffset now, CancellationToken cancellationToken);

    Task ForgetAllAsync(Guid accountId, CancellationToken cancellationToken);
}
