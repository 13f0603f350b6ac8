// RFC 5321 and RFC 5890 (mailboxes), ITU-T E.164 (numbers), UAX #15 and #44 (text): what members of an account may be, and the one form they are kept in.
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Registration;
using Microsoft.Extensions.Options;
using PhoneNumbers;

namespace Identity.Accounts;

/// <summary>
/// The rules for what people enter, for every door alike: route, page, queue, import, admin. Each reads what was typed and gives the one
/// form that is stored and looked up; null: it is none.
/// </summary>
public sealed partial class AccountRules(IOptions<AccountsOptions> options)
{
    /// <summary>Digits of a one-time code.</summary>
    public const int CodeDigits = 6;

    public const int LongestPersonName = 100;

    public const int LongestRole = 64;

    /// <summary>Characters of a phone number as somebody writes it: with spaces, brackets and dashes.</summary>
    public const int LongestWrittenPhoneNumber = 64;

    public const int MostRoles = 50;

    /// <summary>Of a one-time code.</summary>
    public const int LongestPurpose = 64;

    /// <summary>Bytes of JSON.</summary>
    public const int MetadataLimit = 16 * 1024;

    public const string EmailRule = "must be an email";

    public const string UserNameRule = "must be 3 to 64 letters, digits, dots, dashes or underscores";

    public const string UserNameIsNumberRule = "must not be one that can be taken for a phone number";

    public const string PhoneNumberRule = "must be a phone number in E.164 form, such as +4915112345678";

    public const string PersonNameRule = "must not contain control characters";

    public const string MetadataRule = "must not be larger than 16384 bytes";

    public const string RoleRule = "must be 1 to 64 letters, digits, spaces, dots, colons, dashes or underscores";

    public const string PurposeRule = "must be 1 to 64 letters, digits, dots, dashes or underscores, and none of this server's own";

    public const string RolesExistRule = "each value in roles must be the name of a role that exists";

    private static readonly PhoneNumberUtil Phones = PhoneNumberUtil.GetInstance();

    /// <summary>The address without what copying put around it, in NFC, its domain in ASCII where it was not.</summary>
    public static string? Email(string? text) => EmailAddress.Normalize(text);

    /// <summary>
    /// Whether two addresses are written alike but for capitals of ASCII. Letters that differ otherwise may be equal once normalized, as a long s is an S in capitals:
    /// no two accounts have such addresses, and they are different mailboxes all the same.
    /// </summary>
    internal static bool IsSameMailbox(string one, string other) =>
        one.Length == other.Length && one.Zip(other).All(pair => pair.First == pair.Second || (char.IsAsciiLetter(pair.First) && (pair.First ^ pair.Second) == 0x20));

    /// <summary>3 to 64 letters, digits, dots, dashes and underscores, in NFC. No '@', so that no user name can be taken for somebody's address.</summary>
    public static string? UserName(string? text) =>
        text is { Length: <= 256 } && text.WithoutEdges().ToNormalForm(NormalizationForm.FormC) is var name && UserNames().IsMatch(name) ? name : null;

    /// <summary>
    /// Whether a user name reads as a number that somebody can have: nobody is to choose such a one, as it would stand in for that person.
    /// A staff number, of fewer than the eight digits that the shortest mobile numbers have, is a name as any other.
    /// </summary>
    public bool IsPhoneNumber(string userName) => Phone(userName) is { NationalNumber: >= 10_000_000 };

    /// <summary>A first or last name.</summary>
    public static string? PersonName(string? text) => text is { Length: <= LongestPersonName } && !text.Any(char.IsControl) ? text : null;

    /// <summary>The name of a role, as tokens carry it.</summary>
    public static bool IsRole(string text) => Roles().IsMatch(text);

    /// <summary>What a one-time code may be asked for by others: a name of theirs, or one that means something here, but none that only this server uses.</summary>
    public static bool IsPurpose(string text) => Purposes().IsMatch(text) && !OneTimeCodePurposes.IsOurs(text);

    public static bool FitsMetadata(JsonObject metadata)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        return Encoding.UTF8.GetByteCount(metadata.ToJsonString()) <= MetadataLimit;
    }

    /// <summary>
    /// The six digits of a code, as people enter it: decimal digits of any script; spaces, hyphens and invisible marks are dropped.
    /// Anything else is no code, which nobody has guessed with.
    /// </summary>
    public static string? Code(string? text)
    {
        if (text is null or { Length: > 64 })
        {
            return null;
        }

        var digits = new StringBuilder(CodeDigits);
        foreach (var rune in text.EnumerateRunes())
        {
            if (DecimalDigit(rune) is { } digit)
            {
                digits.Append(digit);
            }
            else if (!IsFiller(rune))
            {
                return null;
            }
        }

        return digits.Length == CodeDigits ? digits.ToString() : null;
    }

    /// <summary>E.164. A number without country code is one of DEFAULT_REGION, where that is set; 00 stands for + everywhere.</summary>
    public string? PhoneNumber(string? text) => Phone(text) is { } number ? Phones.Format(number, PhoneNumberFormat.E164) : null;

    private PhoneNumber? Phone(string? text)
    {
        if (text is null or { Length: > LongestWrittenPhoneNumber } || Dialled(text) is not { } dialled)
        {
            return null;
        }

        var international = dialled[0] == '+' ? dialled : dialled.StartsWith("00", StringComparison.Ordinal) ? "+" + dialled[2..] : null;
        if (international is null && options.Value.DefaultRegion is null)
        {
            return null;
        }

        try
        {
            var number = Phones.Parse(international ?? dialled, international is null ? options.Value.DefaultRegion : "ZZ");
            return Phones.IsPossibleNumberWithReason(number) == PhoneNumberUtil.ValidationResult.IS_POSSIBLE ? number : null;
        }
        catch (NumberParseException)
        {
            return null;
        }
    }

    /// <summary>Whether the region is one that national numbers can be of.</summary>
    internal static bool IsRegion(string region) => Phones.GetSupportedRegions().Contains(region);

    // Digits, with a + in front or not; null where there is anything that nobody writes into a number.
    private static string? Dialled(string text)
    {
        var dialled = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (DecimalDigit(rune) is { } digit)
            {
                dialled.Append(digit);
            }
            else if (rune.Value is '+' or 0xFF0B)
            {
                if (dialled.Length > 0)
                {
                    return null;
                }

                dialled.Append('+');
            }
            else if (!IsFiller(rune) && rune.Value is not ('(' or ')' or '.' or '/'))
            {
                return null;
            }
        }

        return dialled.Length > 2 ? dialled.ToString() : null;
    }

    private static int? DecimalDigit(Rune rune) => Rune.GetUnicodeCategory(rune) == UnicodeCategory.DecimalDigitNumber ? (int)Rune.GetNumericValue(rune) : null;

    // Spaces of every width, hyphens and dashes, U+200B and its like.
    private static bool IsFiller(Rune rune) =>
        Rune.IsWhiteSpace(rune) || Rune.GetUnicodeCategory(rune) is UnicodeCategory.DashPunctuation or UnicodeCategory.Format;

    [GeneratedRegex(@"^[\p{L}\p{Nd}._-]{3,64}\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex UserNames();

    [GeneratedRegex(@"^[A-Za-z0-9._-]{1,64}\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Purposes();

    [GeneratedRegex(@"^[\p{L}\p{Nd}](?:[\p{L}\p{Nd} ._:-]{0,62}[\p{L}\p{Nd}])?\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Roles();
}
