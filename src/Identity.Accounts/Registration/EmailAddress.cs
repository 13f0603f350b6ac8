// RFC 5321 §4.1.2, RFC 6531, RFC 5891 §5 (IDNA): the mailbox of a person, as it is typed and as it is kept.
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net.Mail;
using System.Text;
using System.Text.RegularExpressions;

namespace Identity.Accounts.Registration;

/// <summary>What counts as an e-mail address, on every way in. That it exists, only the code that is sent there proves.</summary>
public static partial class EmailAddress
{
    /// <summary>RFC 2606 §2: the end of an address that leads nowhere, of somebody whose provider knows none of theirs.</summary>
    public const string Nowhere = ".invalid";

    /// <summary>RFC 5321 §4.5.3.1.3: 256 with its angle brackets.</summary>
    public const int MaximumLength = 254;

    /// <summary>No mail reaches it.</summary>
    public static bool LeadsNowhere(string email)
    {
        ArgumentNullException.ThrowIfNull(email);
        return email.EndsWith(Nowhere, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>
    /// One address and nothing around it: without quoted local parts and address literals, which no mailbox of a person has, and without
    /// what would make it two (comma, semicolon), a display name, or a header of its own.
    /// </summary>
    public static bool IsWellFormed([NotNullWhen(true)] string? text) =>
        text is { Length: <= MaximumLength }
        && Mailbox().IsMatch(text)
        && MailAddress.TryCreate(text, out var address)
        && string.Equals(address.Address, text, StringComparison.Ordinal);

    /// <summary>
    /// The one form of an address, for every way in: without white space and invisible marks around it, in NFC, and its domain in ASCII (IDNA)
    /// where it was not. Null: it is none.
    /// </summary>
    public static string? Normalize(string? text)
    {
        if (text is null or { Length: > 4 * MaximumLength })
        {
            return null;
        }

        var address = text.WithoutEdges().ToNormalForm(NormalizationForm.FormC);
        var at = address.LastIndexOf('@');
        if (at > 0 && !Ascii.IsValid(address.AsSpan(at)))
        {
            try
            {
                address = string.Concat(address.AsSpan(0, at + 1), new IdnMapping { UseStd3AsciiRules = true }.GetAscii(address, at + 1));
            }
            catch (ArgumentException)
            {
                return null;
            }
        }

        return IsWellFormed(address) ? address : null;
    }

    [GeneratedRegex(@"^[^\s@""(),:;<>\[\]\\\p{C}]{1,64}@[^\s@""(),:;<>\[\]\\\p{C}]{1,253}\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Mailbox();
}
