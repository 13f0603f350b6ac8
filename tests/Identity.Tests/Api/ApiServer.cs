using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Identity.Accounts.Delivery;
using Identity.OAuth.Keys;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

[assembly: AssemblyFixture(typeof(Identity.Tests.Api.ApiServer))]

namespace Identity.Tests.Api;

/// <summary>A server on an SQLite file of its own, with the contract's settings, a clock that tests move, and captured messages and logs.</summary>
public class ApiServer : WebApplicationFactory<Program>, IAsyncLifetime
{
    public const string AdminEmail = "admin@example.com";
    public const string Password = "a sound pass phrase 7";
    public const string Issuer = "http://localhost:8016";
    public const string ApiAudience = Issuer + "/api/identity";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("identity-api-test-");
    private readonly Dictionary<string, string> _settings;
    private readonly Action<IServiceCollection>? _services;
    private readonly bool _isReal;

    public ApiServer()
        : this([])
    {
    }

    /// <param name="settings">Beside the usual ones.</param>
    /// <param name="services">Replacements.</param>
    /// <param name="isReal">The machine's clock, and messages as files under data/outbox.</param>
    internal ApiServer(Dictionary<string, string> settings, Action<IServiceCollection>? services = null, bool isReal = false)
    {
        (_settings, _services, _isReal) = (settings, services, isReal);
        File.WriteAllText(System.IO.Path.Combine(_directory.FullName, "clients.json"), """
            [
              {"client_id":"reader","client_secret":"reader-secret-of-at-least-32-characters","grant_types":["client_credentials"],"scope":"identity.users.read"},
              {"client_id":"writer","client_secret":"writer-secret-of-at-least-32-characters","grant_types":["client_credentials"],"scope":"identity.users.read identity.users.write"},
              {"client_id":"exporter","client_secret":"exporter-secret-of-at-least-32-characters","grant_types":["client_credentials"],"scope":"identity.users.read identity.users.export"},
              {"client_id":"orders","client_secret":"orders-secret-of-at-least-32-characters","grant_types":["client_credentials"],"scope":"orders.read","introspects":["*"]},
              {"client_id":"web","client_secret":"web-secret-of-at-least-32-characters-long","grant_types":["authorization_code","refresh_token"],"redirect_uris":["https://client.example/cb"],"scope":"openid identity.users.read"}
            ]
            """);
        File.WriteAllText(System.IO.Path.Combine(_directory.FullName, "resources.json"), """[{"resource":"https://orders.example/api","scopes_supported":["orders.read"]}]""");
    }

    public string DirectoryPath => _directory.FullName;

    public FakeTimeProvider Time { get; } = new();

    public CapturedMessages Messages { get; } = new();

    public CapturedLogs Logs { get; } = new();

    public HttpClient Http { get; private set; } = null!;

    public virtual ValueTask InitializeAsync()
    {
        Http = CreateClient(new WebApplicationFactoryClientOptions { AllowAutoRedirect = false, BaseAddress = new Uri(_settings.GetValueOrDefault("PUBLIC_URL", Issuer)) });
        return ValueTask.CompletedTask;
    }

    public static async Task<ApiServer> StartAsync(Dictionary<string, string> settings, Action<IServiceCollection>? services = null, bool isReal = false)
    {
        var server = new ApiServer(settings, services, isReal);
        await server.InitializeAsync();
        return server;
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
        _directory.Delete(recursive: true);
    }

    public Task<Answer> PostAsync(string path, object? body, string? token = null, string? ip = null) => SendAsync(HttpMethod.Post, path, body, token, ip: ip);

    public Task<Answer> GetAsync(string path, string? token = null) => SendAsync(HttpMethod.Get, path, body: null, token);

    public Task<Answer> PutAsync(string path, object body, string? token = null, string? ifMatch = null) => SendAsync(HttpMethod.Put, path, body, token, ifMatch);

    /// <param name="method">As it is.</param>
    /// <param name="path">Below /api/identity, or absolute where it begins with a slash.</param>
    /// <param name="body">Serialized, unless it is a string (sent as it is) or content.</param>
    /// <param name="token">Sent as Bearer.</param>
    /// <param name="ifMatch">If-Match.</param>
    /// <param name="ip">The caller's address.</param>
    public async Task<Answer> SendAsync(HttpMethod method, string path, object? body, string? token = null, string? ifMatch = null, string? ip = null)
    {
        using var request = new HttpRequestMessage(method, path.StartsWith('/') ? path : "/api/identity/" + path);
        request.Content = body switch
        {
            null => null,
            HttpContent content => content,
            string text => new StringContent(text, Encoding.UTF8, "application/json"),
            _ => new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json"),
        };
        if (token is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        if (ifMatch is not null)
        {
            request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        }

        if (ip is not null)
        {
            request.Headers.Add(CallerAddress.Header, ip);
        }

        using var response = await Http.SendAsync(request, TestContext.Current.CancellationToken);
        return await Answer.ReadAsync(response);
    }

    /// <summary>A form to a standard endpoint, as a client with a secret.</summary>
    public async Task<Answer> FormAsync(string path, string? client, params (string Name, string Value)[] fields)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path);
        request.Content = new FormUrlEncodedContent(fields.Select(field => KeyValuePair.Create(field.Name, field.Value)));
        if (client is not null)
        {
            var secret = client == "web" ? "web-secret-of-at-least-32-characters-long" : client + "-secret-of-at-least-32-characters";
            request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{client}:{secret}")));
        }

        using var response = await Http.SendAsync(request, TestContext.Current.CancellationToken);
        return await Answer.ReadAsync(response);
    }

    /// <summary>A token of the client itself.</summary>
    public async Task<string> ServiceTokenAsync(string client, string scope)
    {
        var answer = await FormAsync("/connect/token", client, ("grant_type", "client_credentials"), ("scope", scope));
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Text);
        return answer.Value("access_token");
    }

    public async Task<Person> RegisterAsync(string? email = null, string password = Password)
    {
        email ??= $"p{Guid.NewGuid():N}@example.com";
        var answer = await PostAsync("register", new { email, password });
        Assert.True(answer.Status == HttpStatusCode.Created, answer.Text);
        return new Person(answer.Value("id"), email, password);
    }

    public async Task<Tokens> LoginAsync(string email, string password = Password)
    {
        var answer = await PostAsync("login", new { email, password });
        Assert.True(answer.Status is HttpStatusCode.OK or HttpStatusCode.Created, answer.Text);
        return Tokens.Of(answer);
    }

    public async Task<(Person Person, Tokens Tokens)> SignedInAsync()
    {
        var person = await RegisterAsync();
        return (person, await LoginAsync(person.Email));
    }

    /// <summary>A role that may be given from now on.</summary>
    public async Task RoleAsync(string name)
    {
        var answer = await PutAsync("roles/" + Uri.EscapeDataString(name), new { }, (await AdminAsync()).Access);
        Assert.True(answer.Status is HttpStatusCode.OK or HttpStatusCode.Created, answer.Text);
    }

    public Task<Tokens> AdminAsync() => LoginAsync(AdminEmail);

    public async Task<bool> IsActiveAtIntrospectionAsync(string token)
    {
        var answer = await FormAsync("/connect/introspect", "orders", ("token", token));
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Text);
        return (bool)answer.Json["active"]!;
    }

    protected override void ConfigureWebHost(IWebHostBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.UseEnvironment("Development");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["DATA_DIR"] = System.IO.Path.Combine(_directory.FullName, "data"),
            ["PUBLIC_URL"] = Issuer,
            ["ADMIN_EMAIL"] = AdminEmail,
            ["ADMIN_PASSWORD"] = Password,
            ["CLIENTS_FILE"] = System.IO.Path.Combine(_directory.FullName, "clients.json"),
            ["RESOURCES_FILE"] = System.IO.Path.Combine(_directory.FullName, "resources.json"),
            ["Accounts:PasswordHashIterations"] = "1000",
            ["Accounts:OneTimeCodesPerAddress"] = "100000",
            ["Accounts:SignInsPerAddress"] = "100000",
            ["Accounts:RegistrationsPerAddress"] = "100000",
            ["Accounts:WrongPasswordDelay"] = "00:00:00",
        };
        foreach (var (name, value) in _settings)
        {
            settings[name] = value;
        }

        if (!settings.ContainsKey("DB_PROVIDER") && !settings.ContainsKey("DB_HOST"))
        {
            EmptyDatabase.PutInto(settings["DATA_DIR"]);
        }

        foreach (var (name, value) in settings)
        {
            builder.UseSetting(name, value);
        }

        builder.ConfigureLogging(logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(Logs).AddFilter<ConsoleLoggerProvider>(_ => false));
        builder.ConfigureTestServices(services =>
        {
            services.AddSingleton<IStartupFilter, CallerAddress>();
            services.AddSingleton<PrivateKeySource>(QuickKeys.Generate);
            if (!_isReal)
            {
                services.AddSingleton<TimeProvider>(Time);
                services.RemoveAll<IMessageSender>();
                services.AddSingleton<IMessageSender>(Messages.Sender("email"));
                services.AddSingleton<IMessageSender>(Messages.Sender("sms"));
            }

            _services?.Invoke(services);
        });
    }

    /// <summary>The test host has no sockets: the caller's address comes by a header of ours.</summary>
    private sealed class CallerAddress : IStartupFilter
    {
        public const string Header = "X-Test-Ip";

        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.Use((context, proceed) =>
            {
                context.Connection.RemoteIpAddress = IPAddress.Parse(context.Request.Headers[Header].FirstOrDefault() ?? "127.0.0.1");
                return proceed(context);
            });
            next(app);
        };
    }
}

/// <summary>Somebody with an account.</summary>
public sealed record Person(string Id, string Email, string Password);

/// <summary>What login and refresh-token answer.</summary>
public sealed record Tokens(string Access, string Refresh, string SessionId)
{
    public static Tokens Of(Answer answer) => new(answer.Value("accessToken"), answer.Value("refreshToken"), answer.Value("sessionId"));
}
