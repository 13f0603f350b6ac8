// Sudhodanan and Paverd, "Pre-hijacked accounts" (USENIX Security 2022): registering somebody's address first is worth nothing.

namespace Identity.Accounts.Profile;

/// <summary>What hangs on an account and is kept elsewhere: consents and grants of applications, second factors, ways in through other providers.</summary>
public interface IGrantedAccess
{
    /// <summary>Takes all of it back.</summary>
    Task ForgetAsync(Guid accountId, CancellationToken cancellationToken);

    /// <summary>
    /// Takes back what was added to the account while the link of the notice that told of it works. What has stood for longer is the owner's,
    /// and so is what needs no such notice, as it lets nobody in.
    /// </summary>
    Task ForgetRecentAsync(Guid accountId, Caller caller, CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>
/// Proofs belong to whoever brought them. Somebody who proves an address for the first time by its mailbox alone, without the password or
/// session of whoever registered it, gets an account with nothing of theirs in it.
/// </summary>
public sealed class OwnerClaim(IMetadataStore metadata, IEnumerable<IGrantedAccess> grants)
{
    /// <summary>Whether names, profile and metadata stay when the account is taken: only what whoever registered the address set by themselves goes.</summary>
    public static bool KeepsRecord(Account account) => account.EmailVerified || account.Claim != AccountClaim.Unproven;

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

        if (!KeepsRecord(account))
        {
            (account.UserName, account.NormalizedUserName, account.PhoneNumber) = (null, null, null);
            (account.FirstName, account.LastName, account.Profile) = (null, null, []);
        }

        account.PhoneNumberVerified = false;
        (account.PendingEmail, account.PendingPhoneNumber) = (null, null);
        (account.EmailVerified, account.Claim) = (true, AccountClaim.Settled);
        return true;
    }

    /// <summary>What is kept beside the account, after the account itself is stored.</summary>
    /// <param name="accountId">Whose.</param>
    /// <param name="keepsRecord">What <see cref="KeepsRecord"/> said of the account before: metadata stays then.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task ForgetRestAsync(Guid accountId, bool keepsRecord, CancellationToken cancellationToken)
    {
        foreach (var grant in grants)
        {
            await grant.ForgetAsync(accountId, cancellationToken);
        }

        if (!keepsRecord && await metadata.FindAsync(accountId, cancellationToken) is { Count: > 0 } document)
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
