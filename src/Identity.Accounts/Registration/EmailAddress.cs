// RFC 5321 §4.1.2, RFC 6531: the mailbox of a person, as it is typed.
using System.Diagnostics.CodeAnalysis;
using System.Net.Mail;
using System.Text.RegularExpressions;

namespace Identity.Accounts.Registration;

/// <summary>What counts as an e-mail address, on every way in. That it exists, only the code that is sent there proves.</summary>
public static partial class EmailAddress
{
    /// <summary>RFC 5321 §4.5.3.1.3: 256 with its angle brackets.</summary>
    public const int MaximumLength = 254;

    /// <summary>
    /// One address and nothing around it: without quoted local parts and address literals, which no mailbox of a person has, and without
    /// what would make it two (comma, semicolon), a display name, or a header of its own.
    /// </summary>
    public static bool IsWellFormed([NotNullWhen(true)] string? text) =>
        text is { Length: <= MaximumLength }
        && Mailbox().IsMatch(text)
        && MailAddress.TryCreate(text, out var address)
        && string.Equals(address.Address, text, StringComparison.Ordinal);

    [GeneratedRegex(@"^[^\s@""(),:;<>\[\]\\\p{C}]{1,64}@[^\s@""(),:;<>\[\]\\\p{C}]{1,253}\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Mailbox();
}
