using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using System.Threading.Channels;
using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Accounts.Credentials;
using Identity.Accounts.Delivery;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Passwords;
using Identity.Accounts.RateLimits;
using Identity.Accounts.Registration;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;
using Identity.Tests.Kit;
using Identity.Tests.Kit.InMemory;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Accounts;

/// <summary>All services as the hosts compose them, over stores in memory, a clock that stands still, and a hasher that counts.</summary>
public sealed partial class World : IAsyncDisposable
{
    public const string Password = "walnut ferry tangerine";
    public const string Other = "copper violin midnight";
    public const int Width = 50;

    private readonly ServiceProvider _services;

    public World(Action<AccountsOptions>? configure = null, bool realHasher = false)
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().Build());
        services.AddSingleton<TimeProvider>(Time);
        services.AddInMemoryAccountStores();
        services.AddSingleton<IMessageSender>(Mail);
        services.AddSingleton<IMessageSender>(Sms);
        if (!realHasher)
        {
            services.AddSingleton<IPasswordHasher<Account>>(Hasher);
        }

        services.AddDataProtection().UseEphemeralDataProtectionProvider();
        services.AddIdentityAccounts(allowWeakHash: true);
        services.Configure<AccountsOptions>(options =>
        {
            options.OneTimeCodeKey = [.. Enumerable.Repeat((byte)7, 32)];
            options.PasswordHashIterations = 1000;
            options.WrongPasswordDelay = TimeSpan.Zero;
            configure?.Invoke(options);
        });
        _services = services.BuildServiceProvider(new ServiceProviderOptions { ValidateScopes = true, ValidateOnBuild = true });
        Get<InMemoryAccessNotices>().Deliver = mail => Get<DeliveryQueue>().PostNotice("email", mail);
        _ = Get<DeliveryQueue>().StartAsync(CancellationToken.None);
    }

    public FakeTimeProvider Time { get; } = new();

    public CountingHasher Hasher { get; } = new();

    public Sender Mail { get; } = new("email");

    public Sender Sms { get; } = new("sms");

    public Caller Caller { get; } = new("192.0.2.1", "Mozilla/5.0", ClientId: "app", DeviceId: "phone");

    public InMemoryAccounts Accounts => Get<InMemoryAccounts>();

    /// <summary>What was asked of the stores of accounts and limits together: a refusal that counts nothing writes to the latter instead.</summary>
    public int Statements => Accounts.Statements + ((InMemoryRateLimiter)Get<IRateLimiter>()).Statements;

    public InMemoryEvents Events => Get<InMemoryEvents>();

    public InMemoryAuditLog Audit => Get<InMemoryAuditLog>();

    public ISignIn SignIn => Get<ISignIn>();

    public OneTimeCodeService Codes => Get<OneTimeCodeService>();

    public PasswordService Passwords => Get<PasswordService>();

    public AccountChangeService Changes => Get<AccountChangeService>();

    public SessionService Sessions => Get<SessionService>();

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public IServiceProvider Services => _services;

    public T Get<T>()
        where T : notnull => _services.GetRequiredService<T>();

    public Task<RegistrationResult> RegisterAsync(NewAccount account, bool conceal = false) => Get<RegistrationService>().RegisterAsync(account, conceal, Caller, Cancel);

    /// <summary>ada@example.com, or another, with <see cref="Password"/>.</summary>
    public async Task<Account> AddAsync(string email = "ada@example.com", Action<Account>? change = null, string? userName = null, string? phoneNumber = null)
    {
        var created = Assert.IsType<RegistrationResult.Created>(await RegisterAsync(new NewAccount(email, Password, userName, phoneNumber)));
        var account = await CurrentAsync(created.Account);
        if (change is not null)
        {
            change(account);
            Assert.Equal(AccountWrite.Done, await Accounts.UpdateAsync(account, account.Version, [], Cancel));
        }

        return account;
    }

    public async Task<Account> CurrentAsync(Account account) => (await Accounts.FindAsync(account.Id, Cancel))!;

    public Task<AccountCredentials?> CredentialsAsync(Account account) => Get<ICredentialStore>().FindAsync(account.Id, Cancel);

    public Task<SignInAttempt> SignInAsync(string login = "ada@example.com", string password = Password) => SignIn.WithPasswordAsync(LoginKind.Any, login, password, Caller, Cancel);

    public async Task<Session> SignedInAsync(string login = "ada@example.com", string password = Password) =>
        Assert.IsType<SignInAttempt.Succeeded>(await SignInAsync(login, password)).Session;

    public async Task<Session> SignedInAsync(Caller caller) =>
        Assert.IsType<SignInAttempt.Succeeded>(await Get<ISignIn>().WithPasswordAsync(LoginKind.Any, "ada@example.com", Password, caller, Cancel)).Session;

    public async Task<GeneratedCode.Sent> GenerateAsync(string email = "ada@example.com", string purpose = OneTimeCodePurposes.Verification, string? channel = null) =>
        Assert.IsType<GeneratedCode.Sent>(await Codes.GenerateAsync(new CodeRecipient(null, email, null), channel, purpose, Caller, Cancel));

    public Task<TriedCode> TryAsync(Guid id, string code, string? purpose = null) => Codes.VerifyAsync(id, purpose, code, Caller, Cancel);

    /// <summary>The code in the next mail that holds one.</summary>
    public async Task<string> NextCodeAsync(Sender? sender = null)
    {
        while (true)
        {
            if (SixDigits().Match((await (sender ?? Mail).NextAsync(Cancel)).Text) is { Success: true } match)
            {
                return match.Value;
            }
        }
    }

    /// <summary>Another code than this one.</summary>
    public static string Wrong(string code) => code == "123456" ? "654321" : "123456";

    /// <summary>All attempts at once.</summary>
    public static async Task<IReadOnlyList<T>> RaceAsync<T>(Func<int, Task<T>> attempt, int width = Width)
    {
        var start = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var attempts = Enumerable.Range(0, width).Select(i => Task.Run(async () =>
        {
            await start.Task;
            return await attempt(i);
        })).ToArray();
        start.SetResult();
        return await Task.WhenAll(attempts);
    }

    /// <summary>The next mail, of those that wait for another try too: the clock goes on until there is one.</summary>
    public async Task<PersonalMessage> NextWhenDueAsync()
    {
        var next = Mail.NextAsync(Cancel).AsTask();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!next.IsCompleted && await timer.WaitForNextTickAsync(Cancel))
        {
            Time.Advance(TimeSpan.FromSeconds(1));
        }

        return await next;
    }

    /// <summary>Sends what waits, and nothing more after that.</summary>
    public Task StopDeliveryAsync() => Get<DeliveryQueue>().StopAsync(CancellationToken.None);

    public ValueTask DisposeAsync() => _services.DisposeAsync();

    [GeneratedRegex(@"\b[0-9]{6}\b", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex SixDigits();
}

/// <summary>Costs nothing, and counts what the real one would have to work for.</summary>
public sealed class CountingHasher : IPasswordHasher<Account>
{
    private int _hashed;
    private int _verified;

    public int Hashed => Volatile.Read(ref _hashed);

    public int Verified => Volatile.Read(ref _verified);

    /// <summary>Runs inside each verification.</summary>
    public Func<Task>? Meanwhile { get; set; }

    public static string Old(string password) => "old:" + password;

    public string HashPassword(Account user, string password)
    {
        Interlocked.Increment(ref _hashed);
        return "new:" + password;
    }

    public PasswordVerificationResult VerifyHashedPassword(Account user, string hashedPassword, string providedPassword)
    {
        Interlocked.Increment(ref _verified);
        Meanwhile?.Invoke().GetAwaiter().GetResult();
        return hashedPassword == "new:" + providedPassword ? PasswordVerificationResult.Success
            : hashedPassword == Old(providedPassword) ? PasswordVerificationResult.SuccessRehashNeeded
            : PasswordVerificationResult.Failed;
    }
}

/// <summary>Keeps what it was to send.</summary>
public sealed class Sender(string channel) : IMessageSender
{
    private readonly Channel<PersonalMessage> _sent = System.Threading.Channels.Channel.CreateUnbounded<PersonalMessage>();
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Func<PersonalMessage, bool> _isHeld = _ => false;

    public string Channel => channel;

    public ConcurrentQueue<PersonalMessage> All { get; } = new();

    /// <summary>How many sends fail first.</summary>
    public int Failures { get; set; }

    /// <summary>What sending this one comes to; null: it is sent.</summary>
    public Func<PersonalMessage, Exception?> Fail { get; set; } = _ => null;

    /// <summary>From now on these take until <see cref="Release"/>; null: all.</summary>
    public void Hold(Func<PersonalMessage, bool>? which = null) => _isHeld = which ?? (_ => true);

    public void Release() => _released.SetResult();

    public async Task SendAsync(PersonalMessage message, CancellationToken cancellationToken)
    {
        if (Failures-- > 0)
        {
            throw new IOException("not now");
        }

        if (Fail(message) is { } failure)
        {
            throw failure;
        }

        await (_isHeld(message) ? _released.Task : Task.CompletedTask);
        All.Enqueue(message);
        _sent.Writer.TryWrite(message);
    }

    public ValueTask<PersonalMessage> NextAsync(CancellationToken cancellationToken) => _sent.Reader.ReadAsync(cancellationToken);
}
