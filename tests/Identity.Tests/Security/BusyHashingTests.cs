// OWASP ASVS 5.0 §15.2.2 and §16.2: whoever floods the sign-in is told to come again, and floods no log.
using System.Net;
using Identity.Accounts;
using Identity.Accounts.Passwords;
using Identity.OAuth.Storage;
using Identity.Tests.Api;
using Identity.Tests.Kit;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

public sealed class BusyHashingTests
{
    [Fact]
    public async Task Requests_WhileTooManyPasswordsWait_Are503WithRetryAfter_AndNoErrorInTheLog()
    {
        HeldHasher? hasher = null;
        await using var server = await ApiServer.StartAsync([], services =>
        {
            services.AddSingleton<IPasswordHasher<Account>>(provider => hasher = new HeldHasher((FakeTimeProvider)provider.GetRequiredService<TimeProvider>()));
            services.AddSingleton<IDenyList, BusyDenyList>();
        });
        var person = await server.RegisterAsync();
        var access = (await server.LoginAsync(person.Email)).Access;
        var hashing = server.Services.GetRequiredService<PasswordHashing>();
        hasher!.Hold();
        var places = Math.Max(1, Environment.ProcessorCount);
        var waiting = Enumerable.Range(0, places * 21).Select(i => hashing.VerifyAsync("x", $"p{i}", TestContext.Current.CancellationToken)).ToArray();
        var before = server.Logs.Lines.Count;

        for (var i = 0; i < 40; i++)
        {
            var login = await server.PostAsync("login", new { email = person.Email, password = person.Password });
            login.AssertFailure(503, "service_unavailable");
            Assert.Equal("5", login.Headers["Retry-After"]);
        }

        var (_, fields) = Pages.PageClient.Form(Pages.PageClient.Parse(await server.Http.GetStringAsync("/signin", TestContext.Current.CancellationToken)));
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>(fields) { ["Login"] = person.Email, ["Password"] = person.Password });
        using var page = await server.Http.PostAsync("/signin", form, TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "5", "text/html"), (page.StatusCode, page.Headers.RetryAfter?.ToString(), page.Content.Headers.ContentType?.MediaType));

        // Nothing there computes a hash today; what might has the same answer.
        var token = await server.FormAsync("/connect/introspect", "orders", ("token", access));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "temporarily_unavailable"), (token.Status, token.Value("error")));
        Assert.Equal("5", token.Headers["Retry-After"]);

        var lines = server.Logs.Lines.Skip(before).ToArray();
        Assert.DoesNotContain(lines, line => line.StartsWith("Error ", StringComparison.Ordinal) || line.StartsWith("Critical ", StringComparison.Ordinal));
        Assert.Single(lines, line => line.StartsWith("Warning ", StringComparison.Ordinal) && line.Contains("PasswordHashing 3431", StringComparison.Ordinal));

        // A minute later it is said again, with how many there were.
        server.Time.Advance(TimeSpan.FromMinutes(1));
        (await server.PostAsync("login", new { email = person.Email, password = person.Password })).AssertFailure(503, "service_unavailable");
        Assert.Contains(server.Logs.Lines, line => line.Contains("PasswordHashing 3431", StringComparison.Ordinal) && line.Contains(" 41 requests", StringComparison.Ordinal));
        hasher.Release();
        await Task.WhenAll(waiting);
        await server.LoginAsync(person.Email);
    }

    private sealed class BusyDenyList : IDenyList
    {
        public Task DenyAsync(string id, DateTimeOffset grantedUntil, DateTimeOffset until, CancellationToken cancellationToken) => throw new HashingBusyException();

        public ValueTask<bool> IsDeniedAsync(ReadOnlyMemory<string> ids, DateTimeOffset grantedAt, CancellationToken cancellationToken) => throw new HashingBusyException();
    }

    /// <summary>Takes half a second by the test's clock, or as long as it is held.</summary>
    private sealed class HeldHasher(FakeTimeProvider time) : IPasswordHasher<Account>
    {
        private readonly ManualResetEventSlim _open = new(initialState: true);

        public void Hold() => _open.Reset();

        public void Release() => _open.Set();

        public string HashPassword(Account user, string password) => Work("new:" + password);

        public PasswordVerificationResult VerifyHashedPassword(Account user, string hashedPassword, string providedPassword) =>
            Work(hashedPassword) == "new:" + providedPassword ? PasswordVerificationResult.Success : PasswordVerificationResult.Failed;

        private string Work(string result)
        {
            var held = !_open.IsSet;
            _open.Wait(TestContext.Current.CancellationToken);
            if (!held)
            {
                time.Advance(TimeSpan.FromSeconds(0.5));
            }

            return result;
        }
    }
}
