using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Identity.Tests.Api;
using OtpNet;

[assembly: AssemblyFixture(typeof(Identity.Tests.SecondFactors.FactorServer))]

namespace Identity.Tests.SecondFactors;

/// <summary>A server whose clock only these tests move, one at a time: a code is of a moment. With room for races.</summary>
public class FactorServer : ApiServer
{
    public FactorServer()
        : base(Settings())
    {
    }

    protected FactorServer(string setting, string value)
        : this(new Dictionary<string, string>(StringComparer.Ordinal) { [setting] = value })
    {
    }

    protected FactorServer(IReadOnlyDictionary<string, string> more)
        : base(new Dictionary<string, string>(Settings().Concat(more), StringComparer.Ordinal))
    {
    }

    /// <summary>The code that an app with this secret shows now, or some steps on.</summary>
    public string Totp(string secret, int steps = 0) => new Totp(Base32Encoding.ToBytes(secret)).ComputeTotp(Time.GetUtcNow().UtcDateTime.AddSeconds(30 * steps));

    /// <summary>Somebody with an authenticator app, signed in with it just now.</summary>
    public async Task<Armed> ArmedAsync()
    {
        var (person, tokens) = await SignedInAsync();
        var begun = await PostAsync("factors/totp", body: null, tokens.Access);
        begun.AssertOk();
        var secret = begun.Value("secret");
        var confirmed = await PostAsync("factors/totp/confirm", new { enrolmentToken = begun.Value("enrolmentToken"), code = Totp(secret) }, tokens.Access);
        Assert.True((int)confirmed.Status == 201, confirmed.Text);
        Time.Advance(TimeSpan.FromSeconds(60));
        return new Armed(person, tokens, secret, (string)confirmed.Json["factor"]!["id"]!, [.. confirmed.Json["recoveryCodes"]!.AsArray().Select(code => (string)code!)]);
    }

    /// <summary>As the client that registered the account.</summary>
    public async Task<Answer> SendWithTicketAsync(string path, object body, string ticket)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/identity/" + path) { Content = JsonContent.Create(body) };
        request.Headers.Add("Registration-Ticket", ticket);
        using var response = await Http.SendAsync(request, TestContext.Current.CancellationToken);
        return await Answer.ReadAsync(response);
    }

    /// <summary>The first half of a sign-in.</summary>
    public async Task<(string MfaToken, string[] Methods)> BeginAsync(Person person)
    {
        var answer = await PostAsync("login", new { email = person.Email, password = person.Password });
        return Half(answer);
    }

    /// <summary>The contract's failure with the two members more.</summary>
    public static (string MfaToken, string[] Methods) Half(Answer answer)
    {
        Assert.Equal(401, (int)answer.Status);
        Assert.Equal(["statusCode", "message", "error", "errorCode", "mfaToken", "methods"], answer.Json.Select(member => member.Key));
        Assert.Equal("mfa_required", answer.Value("errorCode"));
        Assert.Equal("Unauthorized", answer.Value("error"));
        return (answer.Value("mfaToken"), [.. answer.Json["methods"]!.AsArray().Select(method => (string)method!)]);
    }

    /// <summary>All at once.</summary>
    public static async Task<IReadOnlyList<Answer>> RaceAsync(Func<int, Task<Answer>> attempt, int width = 50)
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

    private static Dictionary<string, string> Settings() => new(StringComparer.Ordinal)
    {
        ["Accounts:LockoutThreshold"] = "10",
        ["Accounts:OneTimeCodesPerAccount"] = "1000",
        ["SecondFactors:RequiredForRoles:0"] = "auditor",
    };

    /// <summary>A claim of an access token.</summary>
    public static JsonNode? Claim(string token, string name) => JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(token.Split('.')[1]))![name];
}

/// <summary>Somebody with an authenticator app.</summary>
public sealed record Armed(Person Person, Tokens Tokens, string Secret, string FactorId, string[] RecoveryCodes);
