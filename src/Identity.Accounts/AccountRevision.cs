// Optimistic concurrency: read, change, write under the version that was read, and again when somebody else was first.
using Identity.Accounts.Events;
using Identity.Accounts.Sessions;

namespace Identity.Accounts;

/// <summary>What is written with an account that was just changed in memory.</summary>
internal sealed record AccountRevision(IReadOnlyList<LifecycleEvent> Events, AccountConsequences Consequences);

/// <summary>What a revision came to.</summary>
/// <param name="Account">As it was last read or written.</param>
/// <param name="Outcome">Null: there was nothing to revise.</param>
/// <param name="Ended">The sessions that ended with it.</param>
internal sealed record RevisedAccount(Account Account, AccountWrite? Outcome, IReadOnlyList<Session> Ended)
{
    public bool IsDone => Outcome == AccountWrite.Done;
}

/// <summary>
/// For what is decided and has to happen whoever else changes the account meanwhile: the code is used up, the link taken, the password proven.
/// Where a conflict is an answer, as to an If-Match, the caller asks the store itself.
/// </summary>
internal static class AccountRevisions
{
    private const int Attempts = 20;

    /// <param name="accounts">Where it is.</param>
    /// <param name="account">As it was read.</param>
    /// <param name="revise">Changes the account it is given, which is read anew each time, and says what goes with that; null: there is nothing to do, any more.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<RevisedAccount> ReviseAsync(this IAccountStore accounts, Account account, Func<Account, ValueTask<AccountRevision?>> revise, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (await revise(account) is not { } revision)
            {
                return new(account, Outcome: null, []);
            }

            var (outcome, ended) = await accounts.UpdateAsync(account, account.Version, revision.Events, revision.Consequences, cancellationToken);
            if (outcome is not (AccountWrite.Conflict or AccountWrite.PasswordConflict))
            {
                return new(account, outcome, ended);
            }

            if (await accounts.FindAsync(account.Id, cancellationToken) is not { } current)
            {
                return new(account, AccountWrite.NotFound, []);
            }

            account = current;
        }

        throw new InvalidOperationException("An account could not be revised: others changed it twenty times meanwhile.");
    }
}
