namespace Identity.Accounts.Passwords;

/// <summary>What may be brought along as a password hash.</summary>
public static class BroughtHashes
{
    /// <summary>Why a hash cannot be taken, as the end of a sentence that begins with the member's name; null: it can be checked at sign-in.</summary>
    public static string? FindProblem(string hash)
    {
        ArgumentNullException.ThrowIfNull(hash);
        return BroughtHash.FindProblem(hash);
    }
}
