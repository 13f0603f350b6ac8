// Sudhodanan and Paverd, "Pre-hijacked accounts" (USENIX Security 2022): registering somebody's address first is worth nothing.

namespace Identity.Accounts.Profile;

/// <summary>What hangs on an account and is kept elsewhere: consents and grants of applications, second factors, ways in through other providers.</summary>
public interface IGrantedAccess
{
    /// <summary>Takes all of it back.</summary>
    Task ForgetAsync(Guid accountId, CancellationToken cancellationToken);

    /// <summary>
    /// Takes back what may be a stranger's where all of it was added after the mailbox had been proven by somebody, and told to it: all, but for what
    /// opens nothing by itself and has stood for as long as the link of its notice worked.
    /// </summary>
    Task ForgetDoubtfulAsync(Guid accountId, CancellationToken cancellationToken) => ForgetAsync(accountId, cancellationToken);

    /// <summary>
    /// Takes back what was added to the account while the link of the notice that told of it works. What has stood for longer is the owner's,
    /// and so is what needs no such notice, as it lets nobody in.
    /// </summary>
    Task ForgetRecentAsync(Guid accountId, Caller caller, CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>An account's claim before its mailbox took it.</summary>
/// <param name="KeepsRecord">Names, profile and metadata stay: only what whoever registered the address set by themselves goes.</param>
/// <param name="WasBare">It was <see cref="AccountClaim.ProvenBare"/>.</param>
public readonly record struct ClaimBefore(bool KeepsRecord, bool WasBare);

/// <summary>
/// Proofs belong to whoever brought them. Somebody who proves an address for the first time by its mailbox alone, without the password or
/// session of whoever registered it, gets an account with nothing of theirs in it.
/// </summary>
public sealed class OwnerClaim(IMetadataStore metadata, IEnumerable<IGrantedAccess> grants)
{
    /// <summary>What decides what goes, as it is before the account is taken.</summary>
    public static ClaimBefore Before(Account account)
    {
        ArgumentNullException.ThrowIfNull(account);
        return new(account.EmailVerified || account.Claim != AccountClaim.Unproven, account.Claim == AccountClaim.ProvenBare);
    }

    /// <summary>
    /// Notes on the account that its mailbox was proven alone, and drops what somebody else may have set; the caller stores it, and ends
    /// sessions, password and devices with it. False: everything on it is the owner's already.
    /// </summary>
    public static bool Take(Account account)
    {
        if (account.Claim == AccountClaim.Settled)
        {
            return false;
        }

        if (!Before(account).KeepsRecord)
        {
            (account.UserName, account.NormalizedUserName, account.PhoneNumber) = (null, null, null);
            (account.FirstName, account.LastName, account.Profile) = (null, null, []);
        }

        account.PhoneNumberVerified = false;
        (account.PendingEmail, account.PendingPhoneNumber) = (null, null);
        (account.EmailVerified, account.Claim) = (true, AccountClaim.Settled);
        return true;
    }

    /// <summary>
    /// What is kept beside an account that is not settled, before it is taken; and <see cref="ForgetRestAsync"/> once more when it is: once it is settled nobody asks again for what
    /// a process that ended in between left undone.
    /// </summary>
    /// <param name="account">Before <see cref="Take"/>.</param>
    /// <param name="before">What <see cref="Before"/> said of it.</param>
    public Task ForgetAheadAsync(Account account, ClaimBefore before)
    {
        ArgumentNullException.ThrowIfNull(account);
        return account.Claim == AccountClaim.Settled ? Task.CompletedTask : ForgetRestAsync(account.Id, before, CancellationToken.None);
    }

    /// <summary>What is kept beside the account, after the account itself is stored.</summary>
    /// <param name="accountId">Whose.</param>
    /// <param name="before">What <see cref="Before"/> said of the account.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task ForgetRestAsync(Guid accountId, ClaimBefore before, CancellationToken cancellationToken)
    {
        foreach (var grant in grants)
        {
            await (before.WasBare ? grant.ForgetDoubtfulAsync(accountId, cancellationToken) : grant.ForgetAsync(accountId, cancellationToken));
        }

        if (!before.KeepsRecord && await metadata.FindAsync(accountId, cancellationToken) is { Count: > 0 } document)
        {
            var nothing = new System.Text.Json.Nodes.JsonObject();
            foreach (var (name, _) in document)
            {
                nothing[name] = null;
            }

            await metadata.MergeAsync(accountId, nothing, cancellationToken);
        }
    }
}
