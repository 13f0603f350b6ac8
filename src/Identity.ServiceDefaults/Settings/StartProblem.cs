using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Identity.ServiceDefaults.Settings;

/// <summary>What ended a start, as the operator is told.</summary>
public static partial class StartProblem
{
    /// <summary>A line for each thing that the operator can mend; null: it is something else, and its stack trace is wanted.</summary>
    public static string? Lines(Exception exception) => exception switch
    {
        StartFailureException failure => failure.Message,
        OptionsValidationException invalid => Join(invalid.Failures),
        // Several sections at once.
        AggregateException { InnerExceptions: { Count: > 0 } all } when all.Select(Lines).ToArray() is var lines && Array.TrueForAll(lines, line => line is not null) => Join(lines!),
        // appsettings.json, which .NET reads before anything of ours.
        InvalidDataException { InnerException: FormatException unread } => (exception.Message + " " + (unread.InnerException ?? unread).Message).ReplaceLineEndings(" "),
        // The binder's, of a section of .NET's own.
        InvalidOperationException when Unconverted().Match(exception.Message) is { Success: true } found => $"{found.Groups["path"].Value}: expected a value of type {found.Groups["type"].Value}.",
        _ => null,
    };

    /// <summary>Levels of logs are read by .NET itself, which throws at a word that is none.</summary>
    public static void CheckLogging(IConfiguration configuration, ICollection<string> problems)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(problems);
        var logging = configuration.GetSection("Logging");
        foreach (var levels in logging.GetChildren().Select(provider => provider.GetSection("LogLevel")).Prepend(logging.GetSection("LogLevel")))
        {
            foreach (var level in levels.GetChildren().Where(level => !string.IsNullOrEmpty(level.Value) && !Enum.TryParse<LogLevel>(level.Value, ignoreCase: true, out _)))
            {
                problems.Add($"{level.Path}: expected one of {string.Join(", ", Enum.GetNames<LogLevel>())}.");
            }
        }
    }

    private static string Join(IEnumerable<string> lines) => string.Join(Environment.NewLine, lines.SelectMany(line => line.Split(Environment.NewLine)).Distinct(StringComparer.Ordinal));

    [GeneratedRegex(@"^Failed to convert configuration value .* at '(?<path>[^']+)' to type '(?:\w+\.)*(?<type>\w+)'\.$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.Singleline, 1000)]
    private static partial Regex Unconverted();
}
