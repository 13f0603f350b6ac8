using System.CommandLine;
using System.Data.Common;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Mail;
using Identity.OAuth.Storage;
using Identity.Server.Hosting;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;
using Spectre.Console;

namespace Identity.Server.CommandLine;

/// <summary>What keeps a command from being done, in one line for the operator: how to mend it, and no secret.</summary>
internal sealed class RefusedException(string message) : Exception(message);

/// <summary>The one command of this process: what it is told, where it writes to, and the server's services without the server.</summary>
internal sealed class CommandRun
{
    private static readonly JsonSerializerOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Who acts, in the audit trail.</summary>
    public static Caller Operator { get; } = new(Ip: null, UserAgent: null, ActorId: "command-line");

    public Option<bool> Json { get; } = new("--json") { Description = "Answer in JSON, for scripts.", Recursive = true };

    public string[] Settings { get; init; } = [];

    public TextWriter Output { get; init; } = TextWriter.Null;

    public TextWriter Error { get; init; } = TextWriter.Null;

    public TextReader Input { get; init; } = TextReader.Null;

    /// <summary>Whether somebody watches: progress is drawn for them alone.</summary>
    public bool IsTerminal { get; init; }

    /// <summary>Whether lines may be as long as they are: nothing is broken at the edge of a screen.</summary>
    public bool IsWide { get; init; }

    public Action<WebApplicationBuilder>? Configure { get; init; }

    public bool IsJson { get; private set; }

    /// <summary>A command that works on stores that are ready (<see cref="StoreInspection.OpenStoresAsync"/>).</summary>
    public Command Command(string name, string description, IEnumerable<Symbol> symbols, Func<IServiceProvider, ParseResult, CancellationToken, Task<int>> work) =>
        Bare(name, description, symbols, async (services, parsed, cancellationToken) =>
        {
            services.GetRequiredService<IStartupValidator>().Validate();
            await services.OpenStoresAsync(cancellationToken);
            var code = await work(services, parsed, cancellationToken);

            // Nothing runs in the background that would send them.
            var unsent = await services.GetRequiredService<DeliveryQueue>().SendWaitingAsync(cancellationToken);
            if (unsent > 0)
            {
                await Error.WriteLineAsync("It is done, but the person could not be told of it: the message was not sent (see: identity check).");
            }

            if (await services.GetRequiredService<MailDelivery>().SendWrittenAsync(cancellationToken) > 0)
            {
                await Error.WriteLineAsync("It is done, but the person could not be told of it yet: the mail was not sent, and the server tries again for days (see: identity check).");
            }

            return code;
        });

    /// <summary>A command that looks after the stores itself.</summary>
    public Command Bare(string name, string description, IEnumerable<Symbol> symbols, Func<IServiceProvider, ParseResult, CancellationToken, Task<int>> work) =>
        Make(name, description, symbols, work, mapsEndpoints: false);

    /// <summary>A command that tells what a start would refuse: it maps the endpoints too, among which settings may not take an address.</summary>
    public Command Check(string description, IEnumerable<Symbol> symbols, Func<IServiceProvider, ParseResult, CancellationToken, Task<int>> work) =>
        Make("check", description, symbols, work, mapsEndpoints: true);

    private Command Make(string name, string description, IEnumerable<Symbol> symbols, Func<IServiceProvider, ParseResult, CancellationToken, Task<int>> work, bool mapsEndpoints)
    {
        var command = new Command(name, description);
        foreach (var symbol in symbols)
        {
            switch (symbol)
            {
                case Argument argument:
                    command.Arguments.Add(argument);
                    break;
                case Option option:
                    command.Options.Add(option);
                    break;
                default:
                    throw new ArgumentException("Neither an argument nor an option.", nameof(symbols));
            }
        }

        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, work, mapsEndpoints, cancellationToken));
        return command;
    }

    /// <summary>A name for commands of one kind.</summary>
    public static Command Group(string name, string description, params IEnumerable<Command> commands)
    {
        var group = new Command(name, description);
        foreach (var command in commands)
        {
            group.Subcommands.Add(command);
        }

        return group;
    }

    /// <summary>In JSON where that was asked for, else as text.</summary>
    public Task WriteAsync(JsonNode json, string text) => Output.WriteLineAsync(IsJson ? json.ToJsonString(s_json) : Plain(text));

    /// <summary>One value of several, on a line.</summary>
    public Task WriteJsonAsync(JsonNode json) => Output.WriteLineAsync(json.ToJsonString(s_json));

    /// <summary>An array in JSON, or a table.</summary>
    public async Task WriteTableAsync(IReadOnlyList<string> columns, IReadOnlyList<(JsonObject Json, string[] Cells)> rows)
    {
        if (IsJson)
        {
            await WriteJsonAsync(new JsonArray([.. rows.Select(row => row.Json)]));
            return;
        }

        var table = new Table { Border = TableBorder.None };
        foreach (var column in columns)
        {
            table.AddColumn(new TableColumn(new Spectre.Console.Text(column)) { NoWrap = true, Padding = new Padding(0, 0, 2, 0) });
        }

        foreach (var (_, cells) in rows)
        {
            table.AddRow(cells.Select(cell => new Spectre.Console.Text(Plain(cell))));
        }

        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Output), Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Interactive = InteractionSupport.No });
        if (IsWide)
        {
            console.Profile.Width = 10_000;
        }

        console.Write(table);
    }

    /// <summary>Long work, with a bar where somebody watches and the whole is known, else a count.</summary>
    public async Task<T> WatchAsync<T>(string what, long? total, Func<Action<long>, Task<T>> work)
    {
        if (!IsTerminal || IsJson)
        {
            return await work(_ => { });
        }

        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Error) });
        return await console.Progress()
            .Columns(total is null ? [new TaskDescriptionColumn(), new SpinnerColumn()] : [new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()])
            .StartAsync(async context =>
            {
                var task = context.AddTask(what, maxValue: Math.Max(1, total ?? 1));
                task.IsIndeterminate = total is null;
                return await work(count =>
                {
                    task.Description = total is null ? $"{what}: {count}" : what;
                    task.Value = total is null ? 0 : count;
                });
            });
    }

    /// <summary>The first line of standard input.</summary>
    public async Task<string> ReadLineAsync(CancellationToken cancellationToken) =>
        await Input.ReadLineAsync(cancellationToken) is { Length: > 0 } line ? line : throw new RefusedException("Expected one line on standard input; it is empty.");

    // Names come from strangers: no character of theirs may steer the terminal.
    private static string Plain(string text) => text.Any(character => char.IsControl(character) && character != '\n') ? new StringBuilder().AppendJoin("", text.Select(character => char.IsControl(character) && character != '\n' ? ' ' : character)).ToString() : text;

    private async Task<int> RunAsync(ParseResult parsed, Func<IServiceProvider, ParseResult, CancellationToken, Task<int>> work, bool mapsEndpoints, CancellationToken cancellationToken)
    {
        IsJson = parsed.GetValue(Json);
        string problem;
        try
        {
            await using var app = ServerHost.Compose(Settings, builder =>
            {
                // What went wrong is told in one line; a log would bury it.
                builder.Configuration.AddInMemoryCollection([new("Logging:Console:LogLevel:Default", "None")]);
                builder.Services.PostConfigure<ConsoleLoggerOptions>(options => options.LogToStandardErrorThreshold = LogLevel.Trace);
                Configure?.Invoke(builder);
            });
            if (mapsEndpoints)
            {
                ServerHost.Map(app);
            }

            return await work(app.Services, parsed, cancellationToken);
        }
        catch (Exception exception) when (StartProblem.Lines(exception) is { } lines)
        {
            problem = lines;
        }
        catch (Exception exception) when (exception is RefusedException or NotArrivedException or CopyRefusedException)
        {
            problem = exception.Message;
        }
        catch (StoreUnavailableException outage)
        {
            problem = outage.Message;
        }
        catch (Exception exception) when (exception is DbException or IOException or UnauthorizedAccessException || StoreOutage.Is(exception))
        {
            problem = exception.GetBaseException().Message.ReplaceLineEndings(" ");
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            problem = "Stopped.";
        }

        await Error.WriteLineAsync(problem);
        return IdentityCommands.Failed;
    }
}
