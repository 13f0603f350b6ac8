using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Changes;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Profile;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Push;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;

namespace Identity.Browser.Tests;

/// <summary>One person at one browser.</summary>
public sealed class Visit : IAsyncDisposable
{
    /// <summary>How long what a page does may take, in milliseconds.</summary>
    internal static readonly float Patience = (float)TimeLimit.Patience.TotalMilliseconds;

    private readonly BrowserFixture _fixture;
    private readonly IBrowserContext _context;
    private readonly List<string> _breaches = [];

    public Visit(BrowserFixture fixture, IBrowserContext context, IPage page)
    {
        (_fixture, _context, Page) = (fixture, context, page);
        page.Console += (_, message) =>
        {
            if (message.Text.Contains("Content Security Policy", StringComparison.OrdinalIgnoreCase))
            {
                _breaches.Add(message.Text);
            }
        };
        page.PageError += (_, error) => _breaches.Add(error);
    }

    public IPage Page { get; }

    public string Email { get; } = $"ada.{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4))}@example.com";

    /// <summary>An authorization request of Atlas, or of another client, as its library would make it.</summary>
    public string AuthorizeUrl(string scope = "openid profile email", string more = "", string client = "atlas")
    {
        var challenge = System.Buffers.Text.Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(new string('v', 43))));
        return $"/connect/authorize?client_id={client}&response_type=code&redirect_uri={Uri.EscapeDataString(_fixture.Callback)}&scope={Uri.EscapeDataString(scope)}&state=st%2F1&nonce=n1&code_challenge={challenge}&code_challenge_method=S256{more}";
    }

    /// <summary>Asks for this context class, and for nothing less (OpenID Connect Core §5.5.1.1).</summary>
    public static string EssentialAcr(string acr) => "&claims=" + Uri.EscapeDataString("""{"id_token":{"acr":{"essential":true,"value":"ACR"}}}""".Replace("ACR", acr, StringComparison.Ordinal));

    /// <summary>What the television is told when it asks to be let in (RFC 8628 §3.2).</summary>
    public async Task<(string DeviceCode, string UserCode, string Link)> BeginDeviceAsync()
    {
        var answer = await PostAsync("/connect/device", ("client_id", "tv"), ("scope", "openid profile email"));
        return (answer.GetProperty("device_code").GetString()!, answer.GetProperty("user_code").GetString()!, answer.GetProperty("verification_uri_complete").GetString()!);
    }

    /// <summary>What the television is told when it asks whether somebody answered: the error, or none.</summary>
    public async Task<string?> PollDeviceAsync(string deviceCode)
    {
        var answer = await PostAsync("/connect/token", ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("client_id", "tv"), ("device_code", deviceCode));
        return answer.TryGetProperty("error", out var error) ? error.GetString() : null;
    }

    /// <summary>What Atlas gets for the code that it was called back with.</summary>
    public Task<System.Text.Json.JsonElement> RedeemAsync(string code, string client = "atlas") =>
        PostAsync("/connect/token", ("grant_type", "authorization_code"), ("client_id", client), ("code", code), ("redirect_uri", _fixture.Callback), ("code_verifier", new string('v', 43)));

    /// <summary>Signed in to these applications, signs out at the first of them, and does not wait for where that leads; the session's id.</summary>
    public async Task<string> BeginSignOutAsync(params string[] clients)
    {
        string? hint = null;
        foreach (var client in clients)
        {
            await GotoAsync(AuthorizeUrl("openid", client: client));
            var tokens = await RedeemAsync((await CalledBackAsync())["code"], client);
            hint ??= tokens.GetProperty("id_token").GetString()!;
        }

        await Page.GotoAsync($"/connect/endsession?id_token_hint={hint}&post_logout_redirect_uri={Uri.EscapeDataString(_fixture.Callback)}&state=out%2F1", new() { WaitUntil = WaitUntilState.Commit });
        return (string)JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(hint!.Split('.')[1]))!["sid"]!;
    }

    private async Task<System.Text.Json.JsonElement> PostAsync(string path, params (string Name, string Value)[] fields)
    {
        using var http = new HttpClient();
        using var answer = await http.PostAsync(new Uri(_fixture.Server.Url, path), new FormUrlEncodedContent(fields.Select(field => KeyValuePair.Create(field.Name, field.Value))));
        return System.Text.Json.JsonElement.Parse(await answer.Content.ReadAsStringAsync());
    }

    public Task GotoAsync(string url) => Page.GotoAsync(url);

    public Task RegisterAccountAsync() => _fixture.Server.RegisterAsync(Email, BrowserFixture.Password, "Ada", "Lovelace");

    /// <summary>An account, signed in.</summary>
    public async Task SignInAsync()
    {
        await RegisterAccountAsync();
        await GotoAsync("/signin");
        await Page.GetByLabel("E-mail address or user name").FillAsync(Email);
        await Page.GetByLabel("Password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
        await PressAsync("Sign in");
        await Page.ArriveAtAsync("**/account");
    }

    /// <summary>An account whose role needs two factors and that has none, after a code by mail: on the page that adds the first.</summary>
    public async Task BeginFirstFactorAsync(string from = "/signin/code")
    {
        await RegisterAccountAsync();
        var services = _fixture.Server.Services;
        await services.GetRequiredService<RoleCatalog>().PutAsync("auditor", description: null, CancellationToken.None);
        var account = (await services.GetRequiredService<IAccountStore>().FindByEmailAsync(Email.ToUpperInvariant(), CancellationToken.None))!;
        Assert.IsType<AccountChangeResult.Changed>(await services.GetRequiredService<AccountChangeService>().ChangeAsync(account.Id, new AccountChange { Roles = ["auditor"] }, null, new Caller(null, null), CancellationToken.None));
        await GotoAsync(from);
        await Page.TypeIntoAsync("E-mail address", Email);
        await Page.Keyboard.PressAsync("Enter");
        await Page.ArriveAtAsync("**/signin/code?*sent=1*");
        await Page.TypeIntoAsync("Six-digit code", await _fixture.Server.ReadCodeAsync(Email));
        await Page.Keyboard.PressAsync("Enter");
        await Page.ArriveAtAsync("**/signin/add-factor*");
    }

    /// <summary>A phone with the app, which its person signed in to, and what they set for it on their account.</summary>
    public async Task<SimulatedDevice> AddPhoneAsync(bool isFactor = true, bool withoutPassword = false)
    {
        using var http = Http();
        using var login = await http.PostAsJsonAsync("/api/identity/login", new { email = Email, password = BrowserFixture.Password });
        http.DefaultRequestHeaders.Authorization = new("Bearer", (string)JsonNode.Parse(await login.Content.ReadAsStringAsync())!["accessToken"]!);
        var phone = new SimulatedDevice();
        using var registered = await http.PostAsJsonAsync("/api/identity/devices", phone.Registration);
        phone.Id = (string)JsonNode.Parse(await registered.Content.ReadAsStringAsync())!["id"]!;
        if (isFactor)
        {
            (await http.PostAsync("/api/identity/factors/push", content: null)).EnsureSuccessStatusCode();
            (await http.PutAsJsonAsync("/api/identity/factors/push", new { withoutPassword })).EnsureSuccessStatusCode();
        }

        return phone;
    }

    /// <summary>From another session of the person's: this one has proven the password alone.</summary>
    public async Task AddMailFactorAsync()
    {
        using var http = Http();
        (await http.PostAsJsonAsync("/api/identity/otp/generate", new { email = Email })).EnsureSuccessStatusCode();
        (await http.PostAsJsonAsync("/api/identity/otp/verify", new { email = Email, code = await _fixture.Server.ReadCodeAsync(Email) })).EnsureSuccessStatusCode();
        using var login = await http.PostAsJsonAsync("/api/identity/login", new { email = Email, password = BrowserFixture.Password });
        http.DefaultRequestHeaders.Authorization = new("Bearer", (string)JsonNode.Parse(await login.Content.ReadAsStringAsync())!["accessToken"]!);
        (await http.PostAsync("/api/identity/factors/email", content: null)).EnsureSuccessStatusCode();
    }

    /// <summary>What the person does on their phone: sees the one sign-in that waits, picks the number or says no. What the phone showed.</summary>
    public async Task<JsonNode> AnswerAsync(SimulatedDevice phone, Func<JsonNode, string?> pick, bool userVerified = false)
    {
        using var http = Http();
        var signIn = Assert.Single(await phone.PendingAsync(http, DateTimeOffset.UtcNow))!;
        var number = pick(signIn);
        using var answered = await SimulatedDevice.AnswerAsync(http, signIn, number is null ? "deny" : "approve", number is null ? phone.Denial(signIn) : phone.Approval(signIn, number, userVerified));
        return signIn;
    }

    private HttpClient Http() => new() { BaseAddress = _fixture.Server.Url };

    /// <summary>The address is proven by whoever has the account: what is on it is theirs, and a reset leaves it. The code that did it.</summary>
    public async Task<string> VerifyEmailAsync()
    {
        var services = _fixture.Server.Services;
        var account = (await services.GetRequiredService<IAccountStore>().FindByEmailAsync(Email.ToUpperInvariant(), CancellationToken.None))!;
        var (codes, recipient) = (services.GetRequiredService<OneTimeCodeService>(), new CodeRecipient(account.Id, null, null));
        await codes.GenerateAsync(recipient, "email", OneTimeCodePurposes.Verification, new Caller(null, null), CancellationToken.None);
        var code = await _fixture.Server.ReadCodeAsync(Email);
        Assert.IsType<TriedCode.Verified>(await codes.VerifyAsync(recipient, OneTimeCodePurposes.Verification, code, new Caller(null, null, AccountId: account.Id), CancellationToken.None));
        return code;
    }

    /// <summary>The link of a mail that tells of a change.</summary>
    public async Task<string> NotMeLinkAsync()
    {
        await RegisterAccountAsync();
        var services = _fixture.Server.Services;
        var account = (await services.GetRequiredService<IAccountStore>().FindByEmailAsync(Email.ToUpperInvariant(), CancellationToken.None))!;
        await services.GetRequiredService<IAccessNoticeStore>().AddAsync(services.GetRequiredService<AccessNotices>().Write(account, AccessChange.PasswordChanged), CancellationToken.None);
        return "/not-me?ticket=" + await _fixture.Server.ReadTicketAsync(Email, "password");
    }

    /// <summary>Adds an authenticator app to the account that is signed in, by the code of now: the next that is asked for is of one step on.</summary>
    public async Task<string> AddAuthenticatorAsync()
    {
        await GotoAsync("/account/security/authenticator");
        var secret = (await Page.Locator(".reference code").TextContentAsync())!.Replace(" ", "", StringComparison.Ordinal);
        await Page.GetByLabel("Six-digit code").FillAsync(Totp(secret));
        await PressAsync("Add app");
        await Assertions.Expect(Page.Locator(".reference code")).ToHaveCountAsync(0, new() { Timeout = Patience });
        await Page.LoadAsync();
        return secret;
    }

    /// <summary>
    /// What an app with this secret shows now, or some steps on (RFC 6238). One is good from the step before its own to the step after: a first code is of now, and what
    /// follows it at once of one step on. A code of the step before would be past it as soon as a busy machine lets the step end meanwhile.
    /// </summary>
    public static string Totp(string secret, int steps = 0) => new OtpNet.Totp(OtpNet.Base32Encoding.ToBytes(secret)).ComputeTotp(TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(30 * steps));

    public Task PressAsync(string button) => Page.GetByRole(AriaRole.Button, new() { Name = button, Exact = true }).ClickAsync();

    /// <summary>Where the application was called back, with what.</summary>
    public async Task<Dictionary<string, string>> CalledBackAsync()
    {
        await Page.ArriveAtAsync(_fixture.Callback + "?*");
        return Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(new Uri(Page.Url).Query).ToDictionary(pair => pair.Key, pair => pair.Value.ToString(), StringComparer.Ordinal);
    }

    /// <summary>What axe-core finds on the page as it is. It runs beside the page's own scripts, so the page's policy stays in force.</summary>
    /// <param name="only">axe-core's rules that are asked for, or tags of rules; none: those that it asks by itself.</param>
    public async Task<IReadOnlyList<string>> FindAccessibilityProblemsAsync(params string[] only)
    {
        // Half a megabyte of script: a document takes it once.
        if (!await Page.EvaluateAsync<bool>("() => 'axe' in window"))
        {
            await Page.EvaluateAsync(_fixture.AxeSource + "; undefined");
        }

        return await Page.EvaluateAsync<string[]>("""
            async (only) => {
              const { violations } = await axe.run(document, { resultTypes: ['violations'], ...(only.length ? { runOnly: only } : {}) });
              return violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.target.join(' ')}: ${n.failureSummary}`));
            }
            """, only);
    }

    public void AssertPolicyHeld() => Assert.Empty(_breaches);

    public ValueTask DisposeAsync() => new(_context.CloseAsync());
}

/// <summary>Waiting for pages by what can be seen of them at any time.</summary>
internal static class Arrivals
{
    /// <summary>
    /// Waits for the address and a loaded document. Both are looked at, not listened for: on a busy machine the load event can have
    /// come before the wait for it began, and <see cref="IPage.WaitForURLAsync(string, PageWaitForURLOptions?)"/> then never ends.
    /// </summary>
    /// <param name="page">The page.</param>
    /// <param name="url">With * for anything; ** at its start for any origin.</param>
    public static async Task ArriveAtAsync(this IPage page, string url)
    {
        var pattern = "^" + Regex.Escape(url).Replace(@"\*\*", ".*", StringComparison.Ordinal).Replace(@"\*", ".*", StringComparison.Ordinal) + "$";
        await Assertions.Expect(page).ToHaveURLAsync(new Regex(pattern), new() { Timeout = Visit.Patience });
        await page.LoadAsync();
    }

    public static async Task LoadAsync(this IPage page)
    {
        // Asked again and again: where JavaScript is off no listener of the page is ever called, and a promise that waits for one never ends.
        var began = TimeProvider.System.GetTimestamp();
        while (!await IsLoadedAsync(page))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < TimeLimit.Patience, $"{page.Url} did not load.");
            await Task.Delay(10);
        }
    }

    private static async Task<bool> IsLoadedAsync(IPage page)
    {
        try
        {
            return await page.EvaluateAsync<bool>("() => document.readyState === 'complete'");
        }
        catch (PlaywrightException exception) when (exception.Message.Contains("Execution context was destroyed", StringComparison.Ordinal))
        {
            // The document went on to another while it was looked at.
            return false;
        }
    }
}
