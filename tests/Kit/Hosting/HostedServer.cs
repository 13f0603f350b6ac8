using System.Globalization;
using System.Text.RegularExpressions;
using Identity.Accounts;
using Identity.Accounts.Registration;
using Identity.OAuth.Keys;
using Identity.Server.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Identity.Tests.Kit.Hosting;

/// <summary>The real server in this process: on a free port of localhost, with a SQLite file in a directory of its own, and quick password hashes.</summary>
public sealed partial class HostedServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly string _directory;

    private HostedServer(WebApplication app, string directory, int port)
    {
        (_app, _directory) = (app, directory);
        Url = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://localhost:{port}"));
    }

    public Uri Url { get; }

    public IServiceProvider Services => _app.Services;

    public string OutboxDirectory => Path.Combine(_directory, "outbox");

    /// <param name="clients">Content of CLIENTS_FILE; null: none.</param>
    /// <param name="resources">Content of RESOURCES_FILE; null: none.</param>
    /// <param name="time">The server's clock; null: the machine's.</param>
    /// <param name="settings">More settings by name.</param>
    /// <param name="services">Puts in what a test brings along.</param>
    public static async Task<HostedServer> StartAsync(string? clients = null, string? resources = null, TimeProvider? time = null, IReadOnlyDictionary<string, string>? settings = null, Action<IServiceCollection>? services = null)
    {
        var directory = Directory.CreateTempSubdirectory("identity-test-").FullName;
        var port = Ports.Free();
        var all = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["environment"] = "Development",
            ["PORT"] = port.ToString(CultureInfo.InvariantCulture),
            ["DATA_DIR"] = directory,
            ["ADMIN_EMAIL"] = "admin@example.com",
            ["ADMIN_PASSWORD"] = "correct horse battery staple",
            ["Accounts:PasswordHashIterations"] = "1000",
            ["Accounts:SignInsPerAddress"] = "100000",
            // A watched file is an inotify instance, of which a person has 128.
            ["hostBuilder:reloadConfigOnChange"] = "false",
            ["Accounts:RegistrationsPerAddress"] = "100000",
            ["Accounts:OneTimeCodesPerAddress"] = "100000",
            ["Accounts:WrongPasswordDelay"] = "00:00:00",
            ["Accounts:ResetGuessesPerAccount"] = "100000",
        };
        foreach (var (name, content) in new[] { ("CLIENTS_FILE", clients), ("RESOURCES_FILE", resources) })
        {
            if (content is not null)
            {
                all[name] = Path.Combine(directory, name + ".json");
                await File.WriteAllTextAsync(all[name], content);
            }
        }

        foreach (var (name, value) in settings ?? new Dictionary<string, string>(StringComparer.Ordinal))
        {
            all[name] = value;
        }

        if (!all.ContainsKey("DB_PROVIDER") && !all.ContainsKey("DB_HOST"))
        {
            EmptyDatabase.PutInto(all["DATA_DIR"]);
        }

        var app = ServerHost.Compose([.. all.SelectMany(pair => new[] { "--" + pair.Key, pair.Value })], builder =>
        {
            builder.Services.AddSingleton<PrivateKeySource>(QuickKeys.Generate);
            if (time is not null)
            {
                builder.Services.RemoveAll<TimeProvider>();
                builder.Services.AddSingleton(time);
            }

            services?.Invoke(builder.Services);
        });
        await ServerHost.InitializeAsync(app);
        await app.StartAsync();
        return new HostedServer(app, directory, port);
    }

    /// <summary>An account with this address and password.</summary>
    public async Task<Account> RegisterAsync(string email, string password, string? firstName = null, string? lastName = null)
    {
        var result = await Services.GetRequiredService<RegistrationService>().RegisterAsync(new NewAccount(email, password, FirstName: firstName, LastName: lastName), conceal: false, new Caller(null, null), CancellationToken.None);
        return Assert.IsType<RegistrationResult.Created>(result).Account;
    }

    /// <summary>The code in the newest mail to an address. Mail is handed over behind the answer, so it may take a moment.</summary>
    public Task<string> ReadCodeAsync(string email, string? not = null) => ReadCodeAsync("*.eml", "To: " + email, "\r\n\r\n", not);

    /// <summary>The ticket of the "this wasn't me" link in the newest mail to an address with these words in it.</summary>
    public async Task<string> ReadTicketAsync(string email, string words, string? not = null)
    {
        for (var attempt = 0; attempt < 1800; attempt++)
        {
            foreach (var file in (Directory.Exists(OutboxDirectory) ? Directory.GetFiles(OutboxDirectory, "*.eml") : []).OrderDescending(StringComparer.Ordinal))
            {
                var text = await File.ReadAllTextAsync(file);
                if (text.Contains("To: " + email, StringComparison.OrdinalIgnoreCase) && text.Contains(words, StringComparison.Ordinal) && Ticket().Match(text) is { Success: true } match && match.Groups["ticket"].Value != not)
                {
                    return match.Groups["ticket"].Value;
                }
            }

            await Task.Delay(50);
        }

        throw new InvalidOperationException($"Nothing with a link: {email}, {words}.");
    }

    /// <summary>The code in the newest SMS to a number.</summary>
    public Task<string> ReadSmsCodeAsync(string phoneNumber) => ReadCodeAsync("*.json", $"\"{phoneNumber}\"", "\"text\"", not: null);

    private async Task<string> ReadCodeAsync(string files, string recipient, string before, string? not)
    {
        for (var attempt = 0; attempt < 1800; attempt++)
        {
            foreach (var file in (Directory.Exists(OutboxDirectory) ? Directory.GetFiles(OutboxDirectory, files) : []).OrderDescending(StringComparer.Ordinal))
            {
                var text = await File.ReadAllTextAsync(file);
                if (text.Contains(recipient, StringComparison.OrdinalIgnoreCase) && Code().Match(text[text.IndexOf(before, StringComparison.Ordinal)..]) is { Success: true } match)
                {
                    if (match.Value != not)
                    {
                        return match.Value;
                    }

                    // The newest is the one that is known: what is older is no newer code, and the next is still to come.
                    break;
                }
            }

            await Task.Delay(50);
        }

        throw new InvalidOperationException($"Nothing with a code: {recipient}.");
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        try
        {
            Directory.Delete(_directory, recursive: true);
        }
        catch (IOException)
        {
            // The database may be held a moment longer; the directory is a temporary one.
        }
    }

    [GeneratedRegex(@"\b\d{6}\b")]
    private static partial Regex Code();

    [GeneratedRegex(@"/not-me\?ticket=(?<ticket>[\w-]+)")]
    private static partial Regex Ticket();
}
