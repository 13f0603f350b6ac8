// The wire contract, Settings: a value that cannot be used stops the start with one line that names it and says what is expected.
using System.Collections;
using System.ComponentModel;
using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Configuration;

namespace Identity.ServiceDefaults.Settings;

/// <summary>
/// Reads a section into its options class. .NET's own binder throws at the first value that it cannot convert, takes a bare number for days
/// and repeats values that may be secret; here each such value is a line, and keeps its default meanwhile.
/// </summary>
public static class SectionValues
{
    /// <summary>Sets what the section says, and gives a line for each value that cannot be used. Empty values are unset ones, as Compose files pass them.</summary>
    public static IReadOnlyList<string> Bind(IConfigurationSection section, object options)
    {
        ArgumentNullException.ThrowIfNull(section);
        ArgumentNullException.ThrowIfNull(options);
        var problems = new List<string>();
        var values = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        Read(section, options.GetType(), values, problems);
        new ConfigurationBuilder().AddInMemoryCollection(values).Build().GetSection(section.Path).Bind(options);
        return problems;
    }

    /// <summary>The lines alone.</summary>
    public static IReadOnlyList<string> FindProblems(IConfigurationSection section, Type type)
    {
        ArgumentNullException.ThrowIfNull(section);
        var problems = new List<string>();
        Read(section, type, new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase), problems);
        return problems;
    }

    private static void Read(IConfigurationSection section, Type type, Dictionary<string, string?> values, List<string> problems)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type == typeof(string) || type == typeof(object))
        {
            if (section.Value is { } text)
            {
                values[section.Path] = text;
            }
        }
        else if (type.IsValueType || type == typeof(Uri))
        {
            ReadValue(section, type, values, problems);
        }
        else if (Elements(type) is var (elements, named))
        {
            ReadMany(section, elements, named, values, problems);
        }
        else
        {
            // A whole section is no setting, and a variable of such a name may be anybody's.
            if (!string.IsNullOrWhiteSpace(section.Value) && section.Path.Contains(ConfigurationPath.KeyDelimiter, StringComparison.Ordinal))
            {
                problems.Add(OneByOne(section, type.GetProperties()[0].Name));
            }

            foreach (var child in section.GetChildren())
            {
                if (type.GetProperty(child.Key, BindingFlags.Public | BindingFlags.Instance | BindingFlags.IgnoreCase) is { } member)
                {
                    Read(child, member.PropertyType, values, problems);
                }
                else if (!child.IsBlank())
                {
                    problems.Add(Unknown(child, type));
                }
            }
        }
    }

    /// <summary>A list of simple values may be written as one, with commas: .NET's binder would leave the list empty, and whoever wrote <c>RequiredForRoles=admin</c> would believe it in force.</summary>
    private static void ReadMany(IConfigurationSection section, Type elements, bool named, Dictionary<string, string?> values, List<string> problems)
    {
        var entries = section.GetChildren().ToArray();
        if (string.IsNullOrWhiteSpace(section.Value))
        {
            foreach (var entry in entries.Where(entry => named || elements != typeof(string) || !string.IsNullOrWhiteSpace(entry.Value)))
            {
                Read(entry, elements, values, problems);
            }
        }
        else if (named || !IsSimple(elements))
        {
            problems.Add(OneByOne(section, (named ? "NAME" : "0") + (IsSimple(elements) ? "" : ":" + elements.GetProperties()[0].Name)));
        }
        else if (entries.Length > 0)
        {
            problems.Add($"{section.Path}: expected either one value with commas, or entries such as {section.Path}:{entries[0].Key}, and not both.");
        }
        else
        {
            var parts = section.Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            var split = new ConfigurationBuilder().AddInMemoryCollection(parts.Select((part, i) => KeyValuePair.Create(ConfigurationPath.Combine(section.Path, i.ToString(CultureInfo.InvariantCulture)), (string?)part))).Build();
            foreach (var entry in split.GetSection(section.Path).GetChildren())
            {
                Read(entry, elements, values, problems);
            }
        }
    }

    /// <summary>Left alone, a misspelt limit or demand would be believed to be in force.</summary>
    private static string Unknown(IConfigurationSection section, Type type)
    {
        var nearest = type.GetProperties().Select(member => member.Name)
            .MaxBy(name => name.ToUpperInvariant().AsSpan().CommonPrefixLength(section.Key.ToUpperInvariant()) - (Math.Abs(name.Length - section.Key.Length) / 100d))!;
        return $"{section.Path}: expected a setting that exists, such as {ConfigurationPath.Combine(section.Path[..^(section.Key.Length + 1)], nearest)}.";
    }

    // Compose files pass what is unset as empty values.
    private static bool IsBlank(this IConfigurationSection section) => string.IsNullOrWhiteSpace(section.Value) && section.GetChildren().All(IsBlank);

    private static string OneByOne(IConfigurationSection section, string example) => $"{section.Path}: expected what is in it one by one, such as {section.Path}:{example}.";

    private static bool IsSimple(Type type) => type == typeof(string) || type.IsValueType || type == typeof(Uri);

    private static void ReadValue(IConfigurationSection section, Type type, Dictionary<string, string?> values, List<string> problems)
    {
        if (section.Value?.Trim() is not { Length: > 0 } text)
        {
            return;
        }

        if (Convert(text, type) is { } value)
        {
            values[section.Path] = value;
        }
        else
        {
            // The value is not repeated: nobody knows what was put there by mistake.
            problems.Add($"{section.Path}: expected {Expected(type)}.");
        }
    }

    /// <summary>The value as the binder reads it; null: it is none.</summary>
    private static string? Convert(string text, Type type)
    {
        if (type == typeof(TimeSpan))
        {
            return Durations.TryParseOrZero(text, out var duration) ? duration.ToString("c", CultureInfo.InvariantCulture) : null;
        }

        try
        {
            return TypeDescriptor.GetConverter(type).ConvertFromInvariantString(text) is { } converted && (!type.IsEnum || Enum.IsDefined(type, converted)) ? text : null;
        }
        catch (Exception exception) when (exception is FormatException or ArgumentException or NotSupportedException or OverflowException)
        {
            return null;
        }
    }

    private static string Expected(Type type) =>
        type == typeof(TimeSpan) ? "a duration such as 30s, 15m, 1h, 7d or 00:15:00"
        : type == typeof(bool) ? "true or false"
        : type.IsEnum ? "one of " + string.Join(", ", Enum.GetNames(type))
        : type == typeof(Uri) ? "an address"
        : "a number" + (type == typeof(int) || type == typeof(long) ? " without a fraction" : "");

    // Lists, and dictionaries by their values.
    private static (Type Type, bool AreNamed)? Elements(Type type)
    {
        if (type.IsArray)
        {
            return (type.GetElementType()!, false);
        }

        var shapes = type.GetInterfaces().Append(type).Where(shape => shape.IsGenericType).ToArray();
        if (shapes.FirstOrDefault(shape => shape.GetGenericTypeDefinition() == typeof(IDictionary<,>) || shape.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>)) is { } dictionary)
        {
            return (dictionary.GetGenericArguments()[1], true);
        }

        return typeof(IEnumerable).IsAssignableFrom(type) && shapes.FirstOrDefault(shape => shape.GetGenericTypeDefinition() == typeof(IEnumerable<>)) is { } list ? (list.GetGenericArguments()[0], false) : null;
    }
}
