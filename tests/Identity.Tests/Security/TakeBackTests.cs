// OWASP ASVS 5.0 §6.3.7 and §7.4: who takes an account back has it back whole, whatever the intruder prepared meanwhile.
using System.Net;
using System.Text.RegularExpressions;
using Identity.Accounts.Profile;
using Identity.Tests.Api;
using Identity.Tests.Pages;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

public sealed partial class TakeBackTests(ApiServer server)
{
    private const string NewPassword = "another sound phrase 8";

    // What waits for a code needs no session to be proven: it outlived every sign-out.
    [Theory]
    [InlineData("change")]
    [InlineData("reset")]
    [InlineData("administrator")]
    public async Task PendingAddress_WhenThePasswordIsSetAnew_WaitsNoMore(string how)
    {
        var (person, stolen) = await VerifiedAsync(server);
        var evil = "evil" + person.Email;
        (await server.PutAsync($"users/{person.Id}", new { email = evil }, stolen.Access)).AssertOk();
        var code = await server.Messages.CodeAsync(evil);
        switch (how)
        {
            case "change":
                (await server.PostAsync("password/change", new { currentPassword = person.Password, newPassword = NewPassword }, (await server.LoginAsync(person.Email)).Access)).AssertOk();
                break;
            case "reset":
                var before = server.Messages.CountCodesTo(person.Email);
                await server.PostAsync("password/forgot", new { email = person.Email });
                (await server.PostAsync("password/reset", new { email = person.Email, code = await server.Messages.CodeAsync(person.Email, before + 1), newPassword = NewPassword })).AssertOk();
                break;
            default:
                (await server.PostAsync($"users/{person.Id}/password", new { newPassword = NewPassword }, (await server.AdminAsync()).Access)).AssertOk();
                break;
        }

        (await server.PostAsync("otp/verify", new { email = evil, code })).AssertFailure(400, "otp_invalid");
        (await server.PostAsync("otp/verify", new { userId = person.Id, code })).AssertFailure(400, "otp_invalid");
        var user = await server.GetAsync($"users/{person.Id}", (await server.LoginAsync(person.Email, NewPassword)).Access);
        Assert.Equal(person.Email, user.Value("email"));
        Assert.Null(user.Json["pendingEmail"]);
    }

    // LATIN SMALL LETTER LONG S is S in capitals, and MICRO SIGN is GREEK MU: other mailboxes all the same.
    [Theory]
    [InlineData("\u017f")]
    [InlineData("s\u00b5")]
    public async Task Email_InLettersThatOnlyNormalizeAlike_IsAnotherMailboxToBeProven(string letters)
    {
        await using var own = await ApiServer.StartAsync([]);
        var plain = letters.Normalize(System.Text.NormalizationForm.FormKC).ToUpperInvariant().ToLowerInvariant();
        var person = await own.RegisterAsync($"a{plain}@example.com");
        var tokens = await own.LoginAsync(person.Email);
        own.Time.Advance(TimeSpan.FromMinutes(10) + TimeSpan.FromSeconds(1));
        var answer = await own.PutAsync($"users/{person.Id}", new { email = $"a{letters}@example.com" }, tokens.Access);
        Assert.True(answer.Status is HttpStatusCode.Forbidden or HttpStatusCode.BadRequest, answer.Text);
        Assert.Equal(person.Email, (await own.GetAsync($"users/{person.Id}", tokens.Access)).Value("email"));
        (await own.PutAsync($"users/{person.Id}", new { email = "A" + person.Email[1..] }, tokens.Access)).AssertOk();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task NotMe_WhenTheIntruderHasLaterLinksOfTheirOwn_GivesTheAccountBackForGood(bool intruderFirst)
    {
        var (person, stolen) = await VerifiedAsync(server);
        var evil = "evil" + person.Email;
        (await server.PutAsync($"users/{person.Id}", new { email = evil }, stolen.Access)).AssertOk();
        (await server.PostAsync("otp/verify", new { userId = person.Id, code = await server.Messages.CodeAsync(evil) })).AssertOk();
        server.Time.Advance(TimeSpan.FromSeconds(1));
        (await server.PutAsync($"users/{person.Id}", new { email = "second" + evil }, stolen.Access)).AssertOk();
        var owners = Link().Match((await server.Messages.WithAsync(person.Email, "was changed")).Text).Value;
        var theirs = Link().Match((await server.Messages.WithAsync(evil, "is to be changed")).Text).Value;

        using var intruders = await OpenAsync(theirs);
        if (intruderFirst)
        {
            Assert.Equal(HttpStatusCode.SeeOther, await intruders.PressAsync());
        }

        Assert.Equal(HttpStatusCode.SeeOther, await PressAsync(owners));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, await intruders.PressAsync());

        var user = await server.GetAsync($"users/{person.Id}", (await server.AdminAsync()).Access);
        Assert.Equal((person.Email, true), (user.Value("email"), (bool)user.Json["emailVerified"]!));
    }

    [Fact]
    public async Task NotMe_OfOneChange_UndoesWhatTheIntruderDidAfterIt()
    {
        var (person, _) = await VerifiedAsync(server);
        (await server.PostAsync("password/change", new { currentPassword = person.Password, newPassword = NewPassword }, (await server.LoginAsync(person.Email)).Access)).AssertOk();
        var link = Link().Match((await server.Messages.WithAsync(person.Email, "Your password was changed")).Text).Value;
        var theirs = await server.LoginAsync(person.Email, NewPassword);
        var (evil, number) = ("evil" + person.Email, $"+49151{Random.Shared.Next(10_000_000, 99_999_999)}");
        (await server.PutAsync($"users/{person.Id}", new { email = evil, phoneNumber = number }, theirs.Access)).AssertOk();
        (await server.PostAsync("otp/verify", new { phoneNumber = number, code = await server.Messages.CodeAsync(number) })).AssertOk();
        (await server.PostAsync("otp/verify", new { email = evil, code = await server.Messages.CodeAsync(evil) })).AssertOk();

        Assert.Equal(HttpStatusCode.SeeOther, await PressAsync(link));
        var user = await server.GetAsync($"users/{person.Id}", (await server.AdminAsync()).Access);
        Assert.Equal((person.Email, true, false), (user.Value("email"), (bool)user.Json["emailVerified"]!, (bool)user.Json["phoneNumberVerified"]!));
    }

    // What the owner changed themselves before is none of it: an old mailbox is not a key.
    [Fact]
    public async Task NotMe_OfALaterChange_LeavesWhatTheOwnerChangedBefore()
    {
        var (person, tokens) = await VerifiedAsync(server);
        var moved = "moved" + person.Email;
        (await server.PutAsync($"users/{person.Id}", new { email = moved }, tokens.Access)).AssertOk();
        (await server.PostAsync("otp/verify", new { userId = person.Id, code = await server.Messages.CodeAsync(moved) }, tokens.Access)).AssertOk();
        server.Time.Advance(TimeSpan.FromSeconds(1));
        (await server.PutAsync($"users/{person.Id}", new { userName = "u" + person.Id[..13] }, tokens.Access)).AssertOk();
        Assert.Equal(HttpStatusCode.SeeOther, await PressAsync(Link().Match((await server.Messages.WithAsync(moved, "user name")).Text).Value));
        Assert.Equal(moved, (await server.GetAsync($"users/{person.Id}", (await server.AdminAsync()).Access)).Value("email"));
    }

    // The process may end between two commits: what was not done is asked for again, and then it is done.
    [Fact]
    public async Task TakingOver_WhenItIsCutShort_IsDoneByTheNextCode()
    {
        var failing = new FailingGrant();
        await using var own = await ApiServer.StartAsync([], services => services.AddSingleton<IGrantedAccess>(failing));
        const string victim = "victim@example.com";
        var registered = await own.PostAsync("register", new { email = victim, password = ApiServer.Password });
        failing.Fails = true;
        await own.PostAsync("password/forgot", new { email = victim });
        Assert.Equal(HttpStatusCode.InternalServerError, (await own.PostAsync("password/reset", new { email = victim, code = await own.Messages.CodeAsync(victim), newPassword = NewPassword })).Status);
        await own.LoginAsync(victim);

        failing.Fails = false;
        await own.PostAsync("password/forgot", new { email = victim });
        (await own.PostAsync("password/reset", new { email = victim, code = await own.Messages.CodeAsync(victim, 2), newPassword = NewPassword })).AssertOk();
        Assert.Equal([Guid.Parse(registered.Value("id")!), Guid.Parse(registered.Value("id")!)], failing.Forgotten);
        (await own.PostAsync("login", new { email = victim, password = ApiServer.Password })).AssertFailure(401, "invalid_credentials");
    }

    private sealed class FailingGrant : IGrantedAccess
    {
        public bool Fails { get; set; }

        public List<Guid> Forgotten { get; } = [];

        public Task ForgetAsync(Guid accountId, CancellationToken cancellationToken)
        {
            if (Fails)
            {
                throw new InvalidOperationException("As if the process had ended here.");
            }

            Forgotten.Add(accountId);
            return Task.CompletedTask;
        }
    }

    private async Task<HttpStatusCode> PressAsync(string link)
    {
        using var page = await OpenAsync(link);
        return await page.PressAsync();
    }

    private async Task<OpenedLink> OpenAsync(string link)
    {
        var http = server.CreateClient(new WebApplicationFactoryClientOptions { AllowAutoRedirect = false, BaseAddress = new Uri(ApiServer.Issuer) });
        return new(http, PageClient.Form(PageClient.Parse(await http.GetStringAsync(link, TestContext.Current.CancellationToken))).Fields);
    }

    private sealed record OpenedLink(HttpClient Http, Dictionary<string, string> Fields) : IDisposable
    {
        public async Task<HttpStatusCode> PressAsync()
        {
            using var answer = await Http.PostAsync("/not-me", new FormUrlEncodedContent(Fields), TestContext.Current.CancellationToken);
            return answer.StatusCode;
        }

        public void Dispose() => Http.Dispose();
    }

    private static async Task<(Person Person, Tokens Tokens)> VerifiedAsync(ApiServer server)
    {
        var (person, tokens) = await server.SignedInAsync();
        await server.PostAsync("otp/generate", new { email = person.Email });
        (await server.PostAsync("otp/verify", new { email = person.Email, code = await server.Messages.CodeAsync(person.Email) }, tokens.Access)).AssertOk();
        return (person, tokens);
    }

    [GeneratedRegex(@"https?://\S+/not-me\S+", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Link();
}
