// Wheeler, "zxcvbn: Low-Budget Password Strength Estimation" (USENIX Security 2016), by zxcvbn-core; NIST SP 800-63B-4 §3.1.1.2 (guidance such as a meter).
using Zxcvbn;
using Zxcvbn.Matcher;

namespace Identity.Accounts.Passwords;

/// <summary>What a guesser would begin with.</summary>
public enum PasswordWeakness
{
    None,

    /// <summary>Refused by <see cref="PasswordPolicy"/>, whatever else it is.</summary>
    Refused,

    /// <summary>Known passwords, words and names.</summary>
    Words,

    /// <summary>The person's own names or address.</summary>
    Own,

    /// <summary>Neighbours on the keyboard.</summary>
    Keyboard,

    /// <summary>abc, 321, aaa: what follows from what is before.</summary>
    Pattern,

    /// <summary>Dates and years.</summary>
    Date,

    TooShort,
}

/// <summary>How hard a password is to guess.</summary>
/// <param name="Score">0 (at once) to 4 (hardly).</param>
/// <param name="Weakness">Why, where it is below 3.</param>
public sealed record StrengthEstimate(int Score, PasswordWeakness Weakness);

/// <summary>Advises; what may be a password is <see cref="PasswordPolicy"/>'s to say. What it is shown it neither keeps nor tells.</summary>
public sealed class PasswordStrength(PasswordPolicy policy)
{
    // What is longer is judged by its beginning: the work grows with the square, and the score has reached its end by then.
    private const int Longest = 64;

    /// <param name="password">As typed so far.</param>
    /// <param name="context">The person's address and names, which guessers try too.</param>
    public StrengthEstimate Estimate(string password, IReadOnlyCollection<string?> context)
    {
        ArgumentNullException.ThrowIfNull(password);
        ArgumentNullException.ThrowIfNull(context);
        if (policy.IsTooShort(password))
        {
            return new(0, PasswordWeakness.TooShort);
        }

        if (policy.FindProblems(password, context).Count > 0)
        {
            return new(0, PasswordWeakness.Refused);
        }

        var own = context.Where(word => !string.IsNullOrWhiteSpace(word)).SelectMany(word => word!.Split('@', '.', ' ', '-')).Where(word => word.Length >= 3).Distinct(StringComparer.OrdinalIgnoreCase).Take(20);
        var result = Zxcvbn.Zxcvbn.MatchPassword(password.Length > Longest ? password[..Longest] : password, own);
        return new(result.Score, result.Score >= 3 ? PasswordWeakness.None : Weakness(result));
    }

    private static PasswordWeakness Weakness(Result result) =>
        result.MatchSequence.Where(match => match.Pattern != "bruteforce").MaxBy(match => match.Token.Length) switch
        {
            null => PasswordWeakness.None,
            DictionaryMatch { DictionaryName: "user_inputs" } => PasswordWeakness.Own,
            { Pattern: "dictionary" } => PasswordWeakness.Words,
            { Pattern: "spatial" } => PasswordWeakness.Keyboard,
            { Pattern: "date" or "year" } => PasswordWeakness.Date,
            _ => PasswordWeakness.Pattern,
        };
}
