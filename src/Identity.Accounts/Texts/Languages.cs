// RFC 5646 (language tags), RFC 4647 §3.4 (lookup): which languages there are texts in, and which of them a person reads.
using System.Collections.Frozen;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Identity.Accounts.Texts;

/// <summary>The languages that every text is written in; a test holds that none lacks a text.</summary>
public static class Languages
{
    private const int LongestTag = 20;
    private static readonly AsyncLocal<CultureInfo?> s_asked = new();

    // .NET makes a culture of any tag that is well formed (de-u-co-abcdefgh), and keeps each for ever: strangers write tags. Those that there are it lists.
    private static readonly FrozenSet<string> s_names = CultureInfo.GetCultures(CultureTypes.AllCultures).Select(culture => culture.Name).Where(name => name.Length > 0).ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    /// <summary>The first is spoken to whoever asks for none of them.</summary>
    public static IReadOnlyList<string> All { get; } = ["en", "de", "fr", "es", "ar"];

    /// <summary>
    /// What the request asks for where its answers are not written in it: those of /api/identity are for programs, and stay English. Null: as
    /// <see cref="CultureInfo.CurrentUICulture"/> says, in which pages are written.
    /// </summary>
    public static CultureInfo? Asked
    {
        get => s_asked.Value;
        set => s_asked.Value = value;
    }

    /// <summary>The culture of a tag (de-AT) whose language there are texts in; null: there are none.</summary>
    public static CultureInfo? Find(string? tag)
    {
        if (tag is not { Length: > 0 and <= LongestTag })
        {
            return null;
        }

        var language = tag.Split('-', 2)[0].ToLowerInvariant();
        return !All.Contains(language, StringComparer.Ordinal) ? null : Named(tag) ?? CultureInfo.GetCultureInfo(language);
    }

    /// <summary>The culture of the longest beginning of a tag that names one; null: none does.</summary>
    public static CultureInfo? Named(string tag)
    {
        ArgumentNullException.ThrowIfNull(tag);
        for (var length = tag.Length; length > 0; length = tag.LastIndexOf('-', length - 1))
        {
            if (s_names.TryGetValue(tag[..length], out var name))
            {
                return CultureInfo.GetCultureInfo(name);
            }
        }

        return null;
    }

    /// <summary>For messages to a person: the language of the account where its <c>locale</c> names one that there is, else that of the request that caused the message.</summary>
    /// <param name="account">Null: nobody is known.</param>
    public static CultureInfo Of(Account? account) =>
        Find(account?.Profile["locale"] is JsonValue value && value.TryGetValue<string>(out var locale) ? locale : null)
        ?? Asked
        ?? Find(CultureInfo.CurrentUICulture.Name)
        ?? CultureInfo.GetCultureInfo(All[0]);
}
