// NIST SP 800-63B-4 §3.1.1.2: length and a blocklist; no composition rules.
using System.Globalization;
using System.Text;
using Identity.Accounts.Texts;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.Passwords;

/// <summary>What a new password must be. Also ASP.NET Core Identity's validator, so that its UserManager asks the same.</summary>
public sealed class PasswordPolicy(IOptions<AccountsOptions> options) : IPasswordValidator<Account>
{
    // Digits of the number that a count may begin with.
    private const int LongestCount = 3;

    private static readonly HashSet<string> Common = ReadCommon();

    /// <summary>What is wrong, each as the end of a sentence that begins with the member's name; none: it will do.</summary>
    /// <param name="password">The new password.</param>
    /// <param name="context">What an attacker tries first: the address, the user name, the person's names.</param>
    public IReadOnlyList<string> FindProblems(string password, IEnumerable<string?> context)
    {
        if (HalfPairs(password))
        {
            // Nobody types half a surrogate pair, and it has no normal form.
            return [AccountTexts.PasswordCommon];
        }

        var length = password.EnumerateRunes().Count();
        var settings = options.Value;
        if (length < settings.MinimumPasswordLength)
        {
            return [AccountTexts.PasswordTooShort(settings.MinimumPasswordLength)];
        }

        if (length > settings.MaximumPasswordLength)
        {
            return [AccountTexts.PasswordTooLong(settings.MaximumPasswordLength)];
        }

        var plain = password.ToNormalForm(NormalizationForm.FormKC).Trim().ToLowerInvariant();
        if (Common.Contains(plain) || Common.Contains(plain.TrimEnd('!', '.', '?', '1', '2', '3')) || IsRun(plain) || IsRun(plain.TrimEnd('!', '.', '?')))
        {
            return [AccountTexts.PasswordCommon];
        }

        return context.SelectMany(Parts).Any(part => plain == part || plain == part + part || plain.Trim('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '!') == part)
            ? [AccountTexts.PasswordFromContext]
            : [];
    }

    internal bool IsTooShort(string password) => password.EnumerateRunes().Count() < options.Value.MinimumPasswordLength;

    public Task<IdentityResult> ValidateAsync(UserManager<Account> manager, Account user, string? password)
    {
        var problems = FindProblems(password ?? "", [user.Email, user.UserName, user.FirstName, user.LastName]);
        return Task.FromResult(problems.Count == 0 ? IdentityResult.Success : IdentityResult.Failed([.. problems.Select(problem => new IdentityError { Code = "Password", Description = problem })]));
    }

    private static IEnumerable<string> Parts(string? value)
    {
        if (value is not { Length: >= 3 })
        {
            yield break;
        }

        var plain = value.ToLowerInvariant();
        yield return plain;
        var at = plain.IndexOf('@', StringComparison.Ordinal);
        if (at >= 3)
        {
            yield return plain[..at];
        }
    }

    private static bool HalfPairs(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogate(text[i]) && !(char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[++i])))
            {
                return true;
            }
        }

        return false;
    }

    // aaaaaaaa, hgfedcba, 7890123: one step all the way, across 9 and 0 too. 12345678910: counted, up or down.
    private static bool IsRun(string text) => text.Length >= 2 && (IsOneStep(text) || IsCounted(text));

    private static bool IsOneStep(string text)
    {
        var step = Step(text[0], text[1]);
        if (Math.Abs(step) > 1)
        {
            return false;
        }

        for (var i = 2; i < text.Length; i++)
        {
            if (Step(text[i - 1], text[i]) != step)
            {
                return false;
            }
        }

        return true;
    }

    private static int Step(char from, char to) => (from, to) switch
    {
        ('9', '0') => 1,
        ('0', '9') => -1,
        _ => to - from,
    };

    private static bool IsCounted(string text)
    {
        if (!text.All(char.IsAsciiDigit))
        {
            return false;
        }

        for (var length = 1; length <= Math.Min(LongestCount, text.Length - 1); length++)
        {
            var first = int.Parse(text.AsSpan(0, length), NumberStyles.None, CultureInfo.InvariantCulture);
            if (CountsFrom(text, first, 1) || CountsFrom(text, first, -1))
            {
                return true;
            }
        }

        return false;
    }

    private static bool CountsFrom(string text, int first, int step)
    {
        var counted = new StringBuilder(text.Length + LongestCount + 1);
        for (var number = first; number >= 0 && counted.Length < text.Length; number += step)
        {
            counted.Append(CultureInfo.InvariantCulture, $"{number}");
        }

        return counted.Length >= text.Length && counted.ToString(0, text.Length) == text;
    }

    private static HashSet<string> ReadCommon()
    {
        using var stream = typeof(PasswordPolicy).Assembly.GetManifestResourceStream("Identity.Accounts.Passwords.common-passwords.txt")!;
        using var reader = new StreamReader(stream);
        var words = new HashSet<string>(StringComparer.Ordinal);
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0 && line[0] != '#')
            {
                words.Add(line);
            }
        }

        return words;
    }
}
