using System.CommandLine;
using System.Text.RegularExpressions;

namespace Identity.Server.CommandLine;

/// <summary>
/// What an operator does beside running the server, in the server's own program, with its settings and by its rules. The first word decides:
/// a command is run, everything else is the host's.
/// </summary>
public static partial class IdentityCommands
{
    /// <summary>Done.</summary>
    public const int Done = 0;

    /// <summary>Refused or failed; a line on standard error says why.</summary>
    public const int Failed = 1;

    /// <summary>The command line is not understood.</summary>
    public const int Usage = 2;

    private static readonly string[] s_questions = ["--help", "-h", "-?", "--version"];

    /// <summary>Whether a word that is no setting comes first: a command, or one that is misspelt, which had better not start a server. Settings alone start it.</summary>
    public static bool IsAsked(IReadOnlyList<string> args)
    {
        ArgumentNullException.ThrowIfNull(args);
        return args.Count > 0 && (s_questions.Contains(args[0], StringComparer.Ordinal) || (args[0] is [not ('-' or '/'), ..] && !args[0].Contains('=', StringComparison.Ordinal)));
    }

    /// <summary>Runs one command; never the web host or what works in the background.</summary>
    /// <param name="args">The command, its options, and settings as <c>--NAME value</c>.</param>
    /// <param name="output">For what was asked for; null: standard output.</param>
    /// <param name="error">For refusals and progress; null: standard error.</param>
    /// <param name="input">For passwords and documents; null: standard input.</param>
    /// <param name="configure">Last word on services and settings: tests put theirs in here.</param>
    /// <returns><see cref="Done"/>, <see cref="Failed"/> or <see cref="Usage"/>.</returns>
    public static async Task<int> RunAsync(string[] args, TextWriter? output = null, TextWriter? error = null, TextReader? input = null, Action<WebApplicationBuilder>? configure = null)
    {
        var (words, settings) = Split(args);
        var run = new CommandRun { Settings = settings, Output = output ?? Console.Out, Error = error ?? Console.Error, Input = input ?? Console.In, IsTerminal = error is null && !Console.IsErrorRedirected, IsWide = output is not null || Console.IsOutputRedirected, Configure = configure };
        var parsed = Root(run).Parse(words);
        if (parsed.Errors.Count > 0)
        {
            foreach (var problem in parsed.Errors)
            {
                await run.Error.WriteLineAsync(problem.Message);
            }

            return Usage;
        }

        return await parsed.InvokeAsync(new InvocationConfiguration { Output = run.Output, Error = run.Error, EnableDefaultExceptionHandler = false });
    }

    /// <summary>Settings are what is written as environment variables are (<c>--DATA_DIR /data</c>), holds a colon (<c>--OAuth:KeyRotation 30.00:00:00</c>), or is the host's <c>--environment</c>.</summary>
    private static (string[] Words, string[] Settings) Split(string[] args)
    {
        var (words, settings) = (new List<string>(), new List<string>());
        for (var i = 0; i < args.Length; i++)
        {
            if (!Setting().IsMatch(args[i]))
            {
                words.Add(args[i]);
                continue;
            }

            settings.Add(args[i]);
            if (!args[i].Contains('=', StringComparison.Ordinal) && i + 1 < args.Length)
            {
                settings.Add(args[++i]);
            }
        }

        return ([.. words], [.. settings]);
    }

    private static RootCommand Root(CommandRun run)
    {
        var root = new RootCommand("The identity service. Without a command the server starts. Settings are read as the server reads them, and may be given as --NAME value.");
        root.Options.Add(run.Json);
        foreach (var command in (Command[])[MigrateCommand.Make(run), CheckCommand.Make(run), FederationCommands.Make(run), UserCommands.Make(run), ClientCommands.Make(run), KeyCommands.Make(run), CredentialCommand.Make(run), .. TransferCommands.Make(run)])
        {
            root.Subcommands.Add(command);
        }

        return root;
    }

    [GeneratedRegex(@"^--(?:[A-Z][A-Z0-9_]*|[A-Za-z][A-Za-z0-9]*:[^=\s]+|environment)(?:=.*)?\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.Singleline, 1000)]
    private static partial Regex Setting();
}
