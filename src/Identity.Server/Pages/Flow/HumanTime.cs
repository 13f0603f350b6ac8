using System.Globalization;
using Microsoft.Extensions.Localization;

namespace Identity.Server.Pages.Flow;

/// <summary>Times as people say them, in their language.</summary>
public static class HumanTime
{
    /// <summary>"just now", "5 minutes ago", "3 days ago", then the date.</summary>
    public static string Ago(IStringLocalizer texts, DateTimeOffset now, DateTimeOffset then)
    {
        var span = now - then;
        return span switch
        {
            { TotalMinutes: < 1 } => texts["Time.JustNow"],
            { TotalHours: < 1 } => texts["Time.Ago", Count(texts, "Minute", (int)span.TotalMinutes)],
            { TotalDays: < 1 } => texts["Time.Ago", Count(texts, "Hour", (int)span.TotalHours)],
            { TotalDays: < 30 } => texts["Time.Ago", Count(texts, "DayAgo", (int)span.TotalDays)],
            _ => texts["Time.On", Date(then)],
        };
    }

    /// <summary>"30 seconds", "5 minutes", "2 hours": rounded up, so that nobody comes back too early.</summary>
    public static string Length(IStringLocalizer texts, TimeSpan span)
    {
        var seconds = Math.Max(1, (int)Math.Ceiling(span.TotalSeconds));
        return seconds switch
        {
            < 60 => Count(texts, "Second", seconds),
            <= 90 * 60 => Count(texts, "Minute", (seconds + 59) / 60),
            _ => Count(texts, "Hour", (seconds + 3599) / 3600),
        };
    }

    /// <summary>"14 days", as it stands after "after"; in languages without cases after "for" too.</summary>
    public static string Days(IStringLocalizer texts, TimeSpan span) => Count(texts, "DayAgo", (int)Math.Ceiling(span.TotalDays));

    public static string Date(DateTimeOffset time) => time.UtcDateTime.ToString("D", CultureInfo.CurrentCulture);

    private static string Count(IStringLocalizer texts, string unit, int count) =>
        texts[$"Time.{unit}.{PluralForm(CultureInfo.CurrentUICulture, count)}", count.ToString("N0", CultureInfo.CurrentCulture)];

    // Unicode CLDR, cardinal plural rules, of the languages there are texts in.
    private static string PluralForm(CultureInfo culture, int count) => culture.TwoLetterISOLanguageName == "ar"
        ? count switch
        {
            1 => "One",
            2 => "Two",
            _ when count % 100 is >= 3 and <= 10 => "Few",
            _ when count % 100 >= 11 => "Many",
            _ => "Other",
        }
        : count == 1 ? "One" : "Other";
}
