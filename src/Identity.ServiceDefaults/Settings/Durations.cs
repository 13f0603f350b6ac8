using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Identity.ServiceDefaults.Settings;

/// <summary>Durations as settings write them: <c>30s</c>, <c>15m</c>, <c>1h</c>, <c>7d</c>, or whole seconds.</summary>
public static class Durations
{
    public const string Expected = "expected a positive duration such as 30s, 15m, 1h, 7d, or whole seconds";

    // Ten years: beyond it a duration is a typing error, and arithmetic with DateTimeOffset stays safe.
    private const long MaximumSeconds = 3650L * 24 * 60 * 60;

    /// <summary>False for anything else, for zero, and for more than ten years.</summary>
    public static bool TryParse(string? text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        text = text?.Trim();
        if (string.IsNullOrEmpty(text))
        {
            return false;
        }

        var (digits, factor) = text[^1] switch
        {
            's' => (text[..^1], 1L),
            'm' => (text[..^1], 60L),
            'h' => (text[..^1], 60L * 60),
            'd' => (text[..^1], 24L * 60 * 60),
            _ => (text, 1L),
        };
        if (!long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count == 0 || count > MaximumSeconds / factor)
        {
            return false;
        }

        duration = TimeSpan.FromSeconds(count * factor);
        return true;
    }

    /// <summary>Likewise for sections, where 0 turns some things off, and where .NET's <c>d.hh:mm:ss</c> is taken too. None is negative. A bare number is none: .NET would take it for days, and the settings above for seconds.</summary>
    public static bool TryParseOrZero(string text, out TimeSpan duration)
    {
        ArgumentNullException.ThrowIfNull(text);
        duration = TimeSpan.Zero;
        if (text.Contains(':', StringComparison.Ordinal))
        {
            return TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out duration) && duration >= TimeSpan.Zero && duration.TotalSeconds <= MaximumSeconds;
        }

        var number = text.TrimEnd('s', 'm', 'h', 'd');
        return number == "0" ? text.Length <= 2 : number.Length < text.Length && TryParse(text, out duration);
    }

    /// <summary>The setting <paramref name="name"/>, or <paramref name="defaultValue"/> where it is unset or empty; a bad one adds its line to <paramref name="problems"/>.</summary>
    public static TimeSpan Read(IConfiguration configuration, string name, TimeSpan defaultValue, ICollection<string> problems)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(problems);
        if (Setting.Text(configuration, name) is not { } text)
        {
            return defaultValue;
        }

        if (TryParse(text, out var duration))
        {
            return duration;
        }

        problems.Add($"{name}: {Expected}.");
        return defaultValue;
    }
}
