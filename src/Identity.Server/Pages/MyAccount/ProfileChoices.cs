// OpenID Connect Core §5.1 (locale, zoneinfo, address): what there is to choose from, told in the person's language.
using System.Collections.Concurrent;
using System.Globalization;
using Identity.Accounts.Texts;

namespace Identity.Server.Pages.MyAccount;

/// <summary>One thing to choose.</summary>
/// <param name="Value">As the profile keeps it.</param>
/// <param name="Name">As people read it.</param>
public sealed record Choice(string Value, string Name);

/// <summary>Languages, time zones and countries with their names in the language of the page, each list made once a language. Names are ICU's.</summary>
public sealed class ProfileChoices(TimeProvider time)
{
    private static readonly (string Country, string Zone)[] s_zones = ReadZones();

    private readonly ConcurrentDictionary<string, Lists> _lists = new(StringComparer.Ordinal);

    private sealed record Lists(IReadOnlyList<Choice> Languages, IReadOnlyList<Choice> Countries, IReadOnlyList<(string Zone, string Name)> Zones);

    /// <summary>Languages by name, those that this service speaks first.</summary>
    /// <param name="current">What the profile has now; it is among them, whatever it is.</param>
    public IReadOnlyList<Choice> LanguageChoices(string? current)
    {
        var known = Current.Languages;
        return current is null || known.Any(choice => choice.Value == current) ? known : [new Choice(current, NameOfLanguage(current)), .. known];
    }

    /// <summary>Zones by country and place, with how far they are from UTC today.</summary>
    /// <param name="current">As above.</param>
    public IReadOnlyList<Choice> ZoneChoices(string? current)
    {
        var now = time.GetUtcNow();
        var known = Current.Zones.Select(zone => new Choice(zone.Zone, zone.Name + Offset(zone.Zone, now))).ToList();
        return current is null || known.Exists(choice => choice.Value == current) ? known : [new Choice(current, current + Offset(current, now)), .. known];
    }

    /// <summary>Names of countries: the claim is a name, not a code.</summary>
    public IReadOnlyList<Choice> CountryChoices() => Current.Countries;

    /// <summary>
    /// A zone by its IANA name; null: there is none. Not in another spelling: .NET looks for a file, finds Europe//Berlin too, and keeps each spelling for ever.
    /// </summary>
    public static TimeZoneInfo? FindZone(string zone)
    {
        ArgumentNullException.ThrowIfNull(zone);
        return !zone.Contains("//", StringComparison.Ordinal) && TimeZoneInfo.TryFindSystemTimeZoneById(zone, out var found) ? found : null;
    }

    private Lists Current => _lists.GetOrAdd(CultureInfo.CurrentUICulture.TwoLetterISOLanguageName, _ => Make());

    private static Lists Make()
    {
        var spoken = Languages.All.Select(language => new Choice(language, NameOfLanguage(language))).ToList();
        var others = CultureInfo.GetCultures(CultureTypes.NeutralCultures)
            .Where(culture => culture.Name.Length == 2 && !Languages.All.Contains(culture.Name, StringComparer.Ordinal))
            .Select(culture => new Choice(culture.Name, NameOfLanguage(culture.Name)));
        var countries = s_zones.Select(row => row.Country).Distinct(StringComparer.Ordinal).ToDictionary(code => code, NameOfCountry, StringComparer.Ordinal);
        return new Lists(
            [.. Sorted(spoken), .. Sorted(others)],
            [.. Sorted(countries.Select(country => new Choice(country.Key, country.Value)))],
            [.. Sorted(s_zones.Select(row => new Choice(row.Zone, countries[row.Country] + " – " + Place(row.Zone)))).Select(choice => (choice.Value, choice.Name)), ("UTC", "UTC")]);
    }

    private static IEnumerable<Choice> Sorted(IEnumerable<Choice> choices) => choices.OrderBy(choice => choice.Name, StringComparer.Create(CultureInfo.CurrentUICulture, ignoreCase: true));

    // Only a tag that there is: what a profile says may be anybody's invention, and .NET keeps for ever what it was asked for.
    private static string NameOfLanguage(string tag) =>
        Languages.Named(tag) is { } culture && culture.Name.Equals(tag, StringComparison.OrdinalIgnoreCase) ? CultureInfo.CurrentUICulture.TextInfo.ToTitleCase(culture.DisplayName) : tag;

    // .NET tells a region's name in the language of that region; in that of the page it is only to be had as part of a culture's: "English (Germany)".
    private static string NameOfCountry(string code)
    {
        var name = new CultureInfo("en-" + code, useUserOverride: false).DisplayName;
        var (begin, end) = (name.IndexOf('(', StringComparison.Ordinal), name.LastIndexOf(')'));
        return begin > 0 && end > begin ? name[(begin + 1)..end].Replace('[', '(').Replace(']', ')') : code;
    }

    // America/Argentina/Buenos_Aires: the place is the last part.
    private static string Place(string zone) => zone[(zone.LastIndexOf('/') + 1)..].Replace('_', ' ');

    private static string Offset(string zone, DateTimeOffset now)
    {
        if (FindZone(zone) is not { } found)
        {
            return "";
        }

        var offset = found.GetUtcOffset(now);
        return string.Create(CultureInfo.InvariantCulture, $" (\u2066UTC{(offset < TimeSpan.Zero ? '−' : '+')}{Math.Abs(offset.Hours)}:{Math.Abs(offset.Minutes):00}\u2069)");
    }

    private static (string Country, string Zone)[] ReadZones()
    {
        using var reader = new StreamReader(typeof(ProfileChoices).Assembly.GetManifestResourceStream("Identity.Server.Pages.MyAccount.zones.tsv")!);
        return [.. reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Where(line => line[0] != '#').Select(line => line.Split('\t')).Select(parts => (parts[0], parts[1])).Where(row => TimeZoneInfo.TryFindSystemTimeZoneById(row.Item2, out _))];
    }
}
