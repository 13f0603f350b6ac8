// draft-ietf-httpapi-idempotency-key-header: a POST that is sent again is done once and answered alike, whatever it makes or sends.
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Api;
using Identity.Tests.Repository;
using Identity.Tests.SecondFactors;
using Microsoft.AspNetCore.Mvc.Controllers;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Api;

[Collection(nameof(FactorServer))]
public sealed class IdempotencyTests(FactorServer server)
{
    private sealed record Request(string Path, object? Body, object? Other, string? Token, string? MailTo = null, string? MailWords = null)
    {
        /// <summary>It ends the session that its token is of: whoever sends it again is nobody any more.</summary>
        public bool EndsItsToken { get; init; }

        /// <summary>Not repeated.</summary>
        public string? ShownOnce { get; init; }
    }

    private static readonly Dictionary<string, Func<FactorServer, Task<Request>>> Routes = new(StringComparer.Ordinal)
    {
        ["register"] = _ => Task.FromResult(new Request("register", new { email = Email(), password = ApiServer.Password, firstName = "Ada", metadata = new { newsletter = true, note = "ä", n = 1.50 } }, new { email = Email(), password = ApiServer.Password }, Token: null)),
        ["otp/generate"] = async server =>
        {
            var person = await server.RegisterAsync();
            return new("otp/generate", new { email = person.Email }, new { email = person.Email, purpose = "other" }, Token: null, person.Email, "code");
        },
        ["login/code"] = async server =>
        {
            var (person, tokens) = await VerifiedAsync(server);
            Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("factors/email", null, tokens.Access)).Status);
            var (mfaToken, _) = await server.BeginAsync(person);
            return new("login/code", new { mfaToken, method = "email" }, new { mfaToken, method = "sms" }, Token: null, person.Email, "code");
        },
        ["password/forgot"] = async server =>
        {
            var person = await server.RegisterAsync();
            return new("password/forgot", new { email = person.Email }, new { email = Email() }, Token: null, person.Email, "code");
        },
        ["password/reset"] = async server =>
        {
            var (person, _) = await VerifiedAsync(server);
            var before = server.Messages.CountCodesTo(person.Email);
            await server.PostAsync("password/forgot", new { email = person.Email });
            var code = await server.Messages.CodeAsync(person.Email, before + 1);
            return new("password/reset", new { email = person.Email, code, newPassword = "another sound phrase 8" }, new { email = person.Email, code, newPassword = "a third sound phrase 9" }, Token: null, person.Email, "Your password was changed");
        },
        ["password/change"] = async server =>
        {
            var (person, tokens) = await server.SignedInAsync();
            return new("password/change", new { currentPassword = person.Password, newPassword = "another sound phrase 8" }, Other: null, tokens.Access, person.Email, "Your password was changed") { EndsItsToken = true };
        },
        ["devices"] = async server => new("devices", new { platform = "android", token = DeviceToken() }, new { platform = "android", token = DeviceToken() }, (await server.SignedInAsync()).Tokens.Access),
        ["users"] = async server => new("users", new { email = Email(), metadata = new { newsletter = true } }, new { email = Email() }, (await server.AdminAsync()).Access),
        ["users/{id}/unlock"] = async server => new($"users/{(await server.RegisterAsync()).Id}/unlock", Body: null, Other: null, (await server.AdminAsync()).Access),
        ["users/{id}/sign-out"] = async server => new($"users/{(await server.RegisterAsync()).Id}/sign-out", Body: null, Other: null, (await server.AdminAsync()).Access),
        ["users/{id}/password"] = async server =>
        {
            var person = await server.RegisterAsync();
            return new($"users/{person.Id}/password", new { newPassword = "another sound phrase 8" }, new { newPassword = "a third sound phrase 9" }, (await server.AdminAsync()).Access, person.Email, "Your password was changed");
        },
        ["factors/proof/code"] = async server =>
        {
            var (person, tokens) = await VerifiedAsync(server);
            Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("factors/email", null, tokens.Access)).Status);
            return new("factors/proof/code", new { method = "email" }, new { method = "sms" }, tokens.Access, person.Email, "code");
        },
        ["factors/totp/confirm"] = async server =>
        {
            var (person, tokens) = await server.SignedInAsync();
            var begun = await server.PostAsync("factors/totp", null, tokens.Access);
            var (enrolmentToken, code) = (begun.Value("enrolmentToken"), server.Totp(begun.Value("secret")));
            return new("factors/totp/confirm", new { enrolmentToken, code }, new { enrolmentToken, code = "000000" }, tokens.Access, person.Email, "A second step was added") { ShownOnce = "recoveryCodes" };
        },
        ["factors/email"] = async server =>
        {
            var (person, tokens) = await VerifiedAsync(server);
            return new("factors/email", Body: null, Other: null, tokens.Access, person.Email, "A second step was added") { ShownOnce = "recoveryCodes" };
        },
        ["factors/sms"] = async server =>
        {
            var (person, tokens) = await server.SignedInAsync();
            var number = "+49151" + RandomNumberGenerator.GetInt32(10_000_000, 99_999_999).ToString(System.Globalization.CultureInfo.InvariantCulture);
            (await server.PutAsync("users/" + person.Id, new { phoneNumber = number }, tokens.Access)).AssertOk();
            (await server.PostAsync("otp/verify", new { phoneNumber = number, code = await server.Messages.CodeAsync(number) })).AssertOk();
            return new("factors/sms", Body: null, Other: null, tokens.Access, person.Email, "A second step was added") { ShownOnce = "recoveryCodes" };
        },
        ["factors/passkeys"] = async server =>
        {
            using var passkey = new SoftwarePasskey();
            var (person, tokens) = await server.SignedInAsync();
            var begun = await server.PostAsync("factors/passkeys/options", null, tokens.Access);
            var (passkeyToken, credential) = (begun.Value("passkeyToken"), passkey.Create(begun.Json["publicKey"]!));
            return new("factors/passkeys", new { passkeyToken, name = "Key", credential }, new { passkeyToken, name = "Another", credential }, tokens.Access, person.Email, "A passkey was added") { ShownOnce = "recoveryCodes" };
        },
    };

    /// <summary>Which take no key. Why is in docs/operations.md: tokens are not kept, nothing is made, or a second time is no harm.</summary>
    private static readonly string[] Without =
    [
        "login", "login/passkey", "login/enrol/totp", "login/enrol/passkey", "refresh-token", "logout", "otp/verify", "sso/openam",
        "factors/proof", "factors/proof/passkey", "factors/totp", "factors/passkeys/options", "factors/recovery-codes",
        "login/push", "factors/proof/push", "devices/sign-ins/{id}/approve", "devices/sign-ins/{id}/deny",
    ];

    public static TheoryData<string> Names => [.. Routes.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Request_SentAgainWithItsKey_IsDoneOnceAndAnsweredAlike(string route)
    {
        var request = await Routes[route](server);
        var (key, mails) = (Guid.NewGuid().ToString(), Mails(request));
        var first = await SendAsync(request, key);
        Assert.True((int)first.Status is 200 or 201, first.Text);
        if (request.EndsItsToken)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await SendAsync(request, key)).Status);
            return;
        }

        var again = await SendAsync(request, key);
        Assert.Equal(first.Status, again.Status);
        Assert.Equal(Repeated(first, request.ShownOnce), again.Text);
        foreach (var header in (string[])["Location", "ETag", "Cache-Control", "Content-Type"])
        {
            Assert.Equal(first.Headers.GetValueOrDefault(header), again.Headers.GetValueOrDefault(header));
        }

        if (request.ShownOnce is { } once)
        {
            Assert.NotEmpty(first.Json[once]!.AsArray());
            Assert.Null(again.Json[once]);
        }

        if (request.Other is { } other)
        {
            (await SendAsync(request with { Body = other }, key)).AssertFailure(422, "idempotency_key_reused");
        }

        await OnceAsync(request, mails);
        foreach (var wrong in (string[])[new string('k', 256), .. request.Token is null ? (string[])["short key"] : []])
        {
            (await SendAsync(request, wrong)).AssertFailure(400, "invalid_request");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Request_SentFiftyTimesAtOnceWithOneKey_IsDoneOnce(string route)
    {
        var request = await Routes[route](server);
        var (key, mails) = (Guid.NewGuid().ToString(), Mails(request));
        var answers = await FactorServer.RaceAsync(_ => SendAsync(request, key));
        var done = answers.Where(answer => (int)answer.Status is 200 or 201).ToList();
        Assert.NotEmpty(done);
        Assert.Single(done.Select(answer => Repeated(answer, request.ShownOnce)).Distinct(StringComparer.Ordinal));
        Assert.All(answers.Except(done), answer =>
        {
            if (!request.EndsItsToken || answer.Status != HttpStatusCode.Unauthorized)
            {
                answer.AssertFailure(409, "request_in_progress");
            }
        });
        Assert.True(request.ShownOnce is null || done.Count(answer => answer.Json[request.ShownOnce] is not null) == 1);
        await OnceAsync(request, mails);
        if (route == "devices")
        {
            Assert.Single(JsonNode.Parse((await server.GetAsync("devices", request.Token)).Text)!.AsArray());
        }
    }

    [Fact]
    public async Task Key_OfSomebodyElseOrAnotherRoute_IsAnotherKey()
    {
        var (key, body) = (Guid.NewGuid().ToString(), new { platform = "android", token = DeviceToken() });
        var (ada, bob) = ((await server.SignedInAsync()).Tokens, (await server.SignedInAsync()).Tokens);
        var hers = await SendAsync(new("devices", body, null, ada.Access), key);
        var his = await SendAsync(new("devices", body, null, bob.Access), key);
        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.Created), (hers.Status, his.Status));
        Assert.NotEqual(hers.Value("id"), his.Value("id"));
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(new("otp/generate", new { email = Email() }, null, null), key)).Status);
    }

    [Fact]
    public async Task Registration_SentAgain_BringsItsTicketAgain()
    {
        var (request, key) = (new Request("register", new { email = Email(), password = ApiServer.Password }, null, null), Guid.NewGuid().ToString());
        var first = await SendAsync(request, key);
        Assert.Equal(HttpStatusCode.Created, first.Status);
        Assert.NotEmpty(first.Headers[RegistrationProof.Header]);
        Assert.Equal(first.Headers[RegistrationProof.Header], (await SendAsync(request, key)).Headers.GetValueOrDefault(RegistrationProof.Header));
    }

    [Fact]
    public async Task Request_ThatFailed_IsNotRemembered()
    {
        var (key, email) = (Guid.NewGuid().ToString(), Email());
        (await SendAsync(new("register", new { email, password = "short" }, null, null), key)).AssertFailure(400, "validation_failed");
        (await SendAsync(new("register", new { email, password = "password" }, null, null), key)).AssertFailure(400, "validation_failed");
        Assert.Equal(HttpStatusCode.Created, (await SendAsync(new("register", new { email, password = ApiServer.Password }, null, null), key)).Status);
    }

    [Fact]
    public async Task Key_AfterADay_IsForgotten()
    {
        await using var own = new FactorServer();
        await own.InitializeAsync();
        var request = new Request("register", new { email = Email(), password = ApiServer.Password }, null, null);
        var key = Guid.NewGuid().ToString();
        Assert.Equal(HttpStatusCode.Created, (await SendAsync(request, key, own)).Status);
        own.Time.Jump(TimeSpan.FromHours(24) + TimeSpan.FromSeconds(1));
        (await SendAsync(request, key, own)).AssertFailure(409, "email_taken");
    }

    [Fact]
    public async Task Administrator_WhoIsNoneAnyMore_GetsNoAnswerAgain()
    {
        await using var own = new FactorServer();
        await own.InitializeAsync();
        var root = await own.AdminAsync();
        var person = await own.RegisterAsync();
        (await own.PutAsync("users/" + person.Id, new { roles = (string[])["admin"] }, root.Access)).AssertOk();
        var second = await own.LoginAsync(person.Email);
        var (request, key) = (new Request("users", new { email = Email() }, null, second.Access), Guid.NewGuid().ToString());
        Assert.Equal(HttpStatusCode.Created, (await SendAsync(request, key, own)).Status);
        (await own.PutAsync("users/" + person.Id, new { roles = Array.Empty<string>() }, root.Access)).AssertOk();
        (await SendAsync(request, key, own)).AssertFailure(401, "invalid_token");
    }

    [Fact]
    public async Task Answer_ThatIsTooLongToKeep_IsDoneOnceAllTheSame()
    {
        var admin = await server.AdminAsync();
        var names = Enumerable.Range(0, 40).Select(_ => Convert.ToHexString(RandomNumberGenerator.GetBytes(25))).ToArray();
        foreach (var name in names)
        {
            await server.RoleAsync(name);
        }

        var (request, key) = (new Request("users", new { email = Email(), roles = names }, null, admin.Access), Guid.NewGuid().ToString());
        Assert.Equal(HttpStatusCode.Created, (await SendAsync(request, key)).Status);
        (await SendAsync(request, key)).AssertFailure(409, "conflict");
    }

    [Fact]
    public async Task Store_WhileAnAnswerIsKept_HoldsNeitherPasswordNorItsHashNorTheKey()
    {
        await using var own = new FactorServer();
        await own.InitializeAsync();
        var (key, password) = (Guid.NewGuid().ToString(), "canary " + Guid.NewGuid());
        var body = JsonSerializer.Serialize(new { email = Email(), password });
        Assert.Equal(HttpStatusCode.Created, (await SendAsync(new("register", body, null, null), key, own)).Status);
        foreach (var file in Directory.GetFiles(Path.Combine(own.DirectoryPath, "data"), "*", SearchOption.AllDirectories))
        {
            await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(stream, Encoding.Latin1);
            var text = await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
            Assert.DoesNotContain(password, text, StringComparison.Ordinal);
            Assert.DoesNotContain(key, text, StringComparison.Ordinal);
            Assert.DoesNotContain(Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(body))), text, StringComparison.OrdinalIgnoreCase);
        }
    }

    /// <summary>A POST that somebody adds takes a key, or says why not: here, in the document for operators, and in the OpenAPI document.</summary>
    [Fact]
    public async Task Posts_ThatThereAre_TakeAKeyOrAreListed()
    {
        var posts = server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint => endpoint.Metadata.GetMetadata<ControllerActionDescriptor>() is not null && endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods.Contains("POST") == true)
            .ToDictionary(endpoint => endpoint.RoutePattern.RawText!.TrimStart('/')["api/identity/".Length..], endpoint => endpoint.Metadata.GetMetadata<IdempotentAttribute>() is not null, StringComparer.Ordinal);

        // users/import is held by UserImportTests, factors/push, which needs a phone, by PushSignInTests.
        Assert.Equal(Routes.Keys.Append("users/import").Append("factors/push").Order(StringComparer.Ordinal), posts.Where(post => post.Value).Select(post => post.Key).Order(StringComparer.Ordinal));
        Assert.Equal(Without.Order(StringComparer.Ordinal), posts.Where(post => !post.Value).Select(post => post.Key).Order(StringComparer.Ordinal));

        var document = await File.ReadAllTextAsync(Path.Combine(RepositoryRoot.Path, "docs", "operations.md"), TestContext.Current.CancellationToken);
        Assert.All(Without, route => Assert.Contains($"`{route}`", document, StringComparison.Ordinal));
        var described = (await server.GetAsync("/openapi/v1.json")).Json["paths"]!;
        foreach (var (route, takes) in posts)
        {
            var operation = described["/api/identity/" + route]!["post"]!;
            Assert.Equal(takes, (operation["parameters"]?.AsArray() ?? []).Any(parameter => (string?)parameter!["name"] == "Idempotency-Key" && (string?)parameter["in"] == "header"));
            Assert.True(!takes || (operation["responses"]!["409"] is not null && operation["responses"]!["422"] is not null), route);
        }
    }

    private static string Email() => $"p{Guid.NewGuid():N}@example.com";

    private static string DeviceToken() => "fcm-token:" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));

    private static string Repeated(Answer answer, string? member)
    {
        if (member is null)
        {
            return answer.Text;
        }

        var json = answer.Json;
        json[member] = null;
        return json.ToJsonString();
    }

    private static async Task<(Person Person, Tokens Tokens)> VerifiedAsync(FactorServer server)
    {
        var (person, tokens) = await server.SignedInAsync();
        (await server.PostAsync("otp/generate", new { email = person.Email })).AssertOk();
        (await server.PostAsync("otp/verify", new { email = person.Email, code = await server.Messages.CodeAsync(person.Email) }, tokens.Access)).AssertOk();
        return (person, tokens);
    }

    private (int All, int Codes) Mails(Request request) => request.MailTo is { } to ? (server.Messages.CountTo(to), server.Messages.CountCodesTo(to)) : default;

    // Whatever is sent for the first time is waited for, and nothing is beside it.
    private async Task OnceAsync(Request request, (int All, int Codes) before)
    {
        if (request is { MailTo: { } to, MailWords: { } words })
        {
            if (words == "code")
            {
                await server.Messages.CodeAsync(to, before.Codes + 1);
            }
            else
            {
                await server.Messages.WithAsync(to, words);
            }

            Assert.Equal(before.All + 1, server.Messages.CountTo(to));
        }
    }

    private async Task<Answer> SendAsync(Request request, string key, FactorServer? at = null)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, "/api/identity/" + request.Path);
        message.Content = request.Body is null ? null : new StringContent(request.Body as string ?? JsonSerializer.Serialize(request.Body), Encoding.UTF8, "application/json");
        message.Headers.Authorization = request.Token is { } token ? new("Bearer", token) : null;
        message.Headers.Add("Idempotency-Key", key);
        using var response = await (at ?? server).Http.SendAsync(message, TestContext.Current.CancellationToken);
        return await Answer.ReadAsync(response);
    }
}
