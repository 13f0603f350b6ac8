// Security catalogue, Web: unknown, wrong, disabled, locked and passwordless take as long; so do the reset and the registration page.
using System.Globalization;
using System.Net;
using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Accounts.Credentials;
using Identity.Accounts.Registration;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Pages;

/// <summary>At an own server that nobody else asks. Where the time is taken, in the long suite, its hashes take some 20 ms.</summary>
public sealed class TimingTests(TimingTests.World world) : IClassFixture<TimingTests.World>
{
    [Theory]
    [InlineData("wrong")]
    [InlineData("disabled")]
    [InlineData("locked")]
    [InlineData("passwordless")]
    public async Task SignIn_OfAnUnknownUser_TakesAsLongAs(string kind)
    {
        var form = await world.OpenAsync("/signin");
        await PairedTiming.AssertAlikeAsync(
            i => RefusedAsync(form, "Login", Unknown(i)),
            i => RefusedAsync(form, "Login", world.Email(kind, i)),
            world.Hashes,
            expected: 1);
    }

    [Fact]
    public async Task ForgottenPassword_OfAnUnknownUser_TakesAsLongAsOfAKnownOne()
    {
        var form = await world.OpenAsync("/forgot-password");
        await PairedTiming.AssertAlikeAsync(
            i => SentOnAsync(form, new() { ["Email"] = Unknown(i) }),
            i => SentOnAsync(form, new() { ["Email"] = world.Email("wrong", i) }),

            // The mail is written beside its answer, which takes a machine of two cores about a millisecond.
            floor: 2.5);
    }

    [Fact]
    public async Task ResetPassword_OfAnUnknownUser_TakesAsLongAsWithAWrongCode()
    {
        var form = await world.OpenAsync("/reset-password?email=ada%40example.com");
        await PairedTiming.AssertAlikeAsync(
            i => RefusedAsync(form, "Email", Unknown(i), ("Code", "000000"), ("Password", "copper lantern meadow")),
            i => RefusedAsync(form, "Email", world.Email("wrong", i), ("Code", "000000"), ("Password", "copper lantern meadow")),
            world.Hashes,
            expected: 0);
    }

    [Fact]
    public async Task Registration_OfATakenAddress_TakesAsLongAsOfAFreeOne()
    {
        var form = await world.OpenAsync("/register");
        await PairedTiming.AssertAlikeAsync(
            i => SentOnAsync(form, new() { ["Email"] = Unknown(i), ["Password"] = "copper lantern meadow" }),
            i => SentOnAsync(form, new() { ["Email"] = world.Email("wrong", i), ["Password"] = "copper lantern meadow" }),
            world.Hashes,
            expected: 1);
    }

    private static string Unknown(int i) => string.Create(CultureInfo.InvariantCulture, $"nobody{Guid.NewGuid():N}{i}@example.com");

    private static async Task RefusedAsync((PageClient Browser, string Action, Dictionary<string, string> Fields) form, string name, string value, params (string Name, string Value)[] more)
    {
        var fields = new Dictionary<string, string>(form.Fields, StringComparer.Ordinal) { [name] = value };
        fields["Password"] = "a wrong pass phrase";
        foreach (var (other, its) in more)
        {
            fields[other] = its;
        }

        using var answer = await form.Browser.PostAsync(form.Action, fields);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        await answer.Content.ReadAsStringAsync();
    }

    private static async Task SentOnAsync((PageClient Browser, string Action, Dictionary<string, string> Fields) form, Dictionary<string, string> values)
    {
        var fields = new Dictionary<string, string>(form.Fields, StringComparer.Ordinal);
        foreach (var (name, value) in values)
        {
            fields[name] = value;
        }

        using var answer = await form.Browser.PostAsync(form.Action, fields);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
    }

    /// <summary>The server, and four people of each kind.</summary>
    public sealed class World : IAsyncLifetime
    {
        private readonly Dictionary<string, List<string>> _people = new(StringComparer.Ordinal) { ["wrong"] = [], ["disabled"] = [], ["locked"] = [], ["passwordless"] = [] };
        private readonly List<PageClient> _browsers = [];
        private HostedServer? _server;

        public CountedHashes Hashes { get; } = new();

        public string Email(string kind, int i) => _people[kind][Math.Abs(i) % _people[kind].Count];

        public async Task<(PageClient Browser, string Action, Dictionary<string, string> Fields)> OpenAsync(string page)
        {
            var browser = new PageClient(_server!.Url);
            _browsers.Add(browser);
            var (action, fields) = PageClient.Form(await browser.ReadAsync(page));
            return (browser, action, fields);
        }

        public async ValueTask InitializeAsync()
        {
            var settings = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["Accounts:PasswordHashIterations"] = TimeLimit.IsHeld ? "40000" : "1000",
                ["Accounts:LockoutThreshold"] = "100",
                ["Accounts:OneTimeCodesPerAccount"] = "100000",
            };
            _server = await HostedServer.StartAsync(settings: settings, services: Hashes.AddTo);
            var accounts = _server.Services.GetRequiredService<IAccountStore>();
            foreach (var (kind, emails) in _people)
            {
                for (var i = 0; i < 4; i++)
                {
                    var email = $"{kind}{i}@example.com";
                    emails.Add(email);
                    if (kind == "passwordless")
                    {
                        var created = _server.Services.GetRequiredService<RegistrationService>().Create(new NewAccount(email, ""));
                        await accounts.CreateAsync(created, new AccountCredentials(created.Id, null, null), [], CancellationToken.None);
                        continue;
                    }

                    var account = await _server.RegisterAsync(email, PagesFixture.Password);
                    if (kind == "disabled")
                    {
                        await _server.Services.GetRequiredService<AccountChangeService>().ChangeAsync(account.Id, new AccountChange { IsActive = false }, null, new Caller(null, null), CancellationToken.None);
                    }
                    else if (kind == "locked")
                    {
                        await accounts.SetLockoutAsync(account.Id, DateTimeOffset.UtcNow.AddHours(1), [], CancellationToken.None);
                    }
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            _browsers.ForEach(browser => browser.Dispose());
            if (_server is not null)
            {
                await _server.DisposeAsync();
            }
        }
    }
}
