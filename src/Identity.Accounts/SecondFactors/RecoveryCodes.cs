// NIST SP 800-63B-4 §3.1.2 (look-up secrets): for whoever has lost everything else.
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.SecondFactors;

/// <summary>Ten codes of 50 random bits, shown once, kept as keyed hashes, each worth one use.</summary>
public sealed class RecoveryCodes(IOptions<AccountsOptions> options)
{
    /// <summary>How many there are in a set.</summary>
    public const int Count = 10;

    private const int Length = 10;

    // Crockford's: nobody mistakes an O for a zero, nor an I or L for a one.
    private const string Alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

    public static IReadOnlyList<string> New()
    {
        var codes = new HashSet<string>(StringComparer.Ordinal);
        while (codes.Count < Count)
        {
            var code = RandomNumberGenerator.GetString(Alphabet, Length);
            codes.Add(code[..5] + "-" + code[5..]);
        }

        return [.. codes];
    }

    /// <summary>As people type it: any case, spaces and hyphens anywhere, letters that look like digits. Null: no recovery code.</summary>
    public static string? Normalize(string text)
    {
        var code = new StringBuilder(Length);
        foreach (var letter in text.Where(letter => !char.IsWhiteSpace(letter) && letter is not ('-' or '\u2010' or '\u2011' or '\u2013')))
        {
            var lower = char.ToLowerInvariant(letter) switch { 'o' => '0', 'i' or 'l' => '1', var other => other };
            if (code.Length == Length || !Alphabet.Contains(lower, StringComparison.Ordinal))
            {
                return null;
            }

            code.Append(lower);
        }

        return code.Length == Length ? code.ToString() : null;
    }

    public string Hash(Guid accountId, string normalized) => System.Buffers.Text.Base64Url.EncodeToString(
        HMACSHA256.HashData(options.Value.OneTimeCodeKey, Encoding.UTF8.GetBytes($"recovery.v1|{accountId:N}|{normalized}")));
}
