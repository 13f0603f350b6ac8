// WebAuthn Level 3 §7.1 and §7.2, step by step: what a browser, a copy or a stranger makes up in place of a passkey's answer.
using System.Net;
using System.Text.Json.Nodes;
using Identity.Tests.Api;

namespace Identity.Tests.SecondFactors;

[Collection(nameof(FactorServer))]
public sealed class PasskeyForgeryTests(FactorServer server)
{
    private const string Nothing = "AAAAAAAAAAAAAAAAAAAAAA";

    // In a creation and in an assertion.
    private static readonly Dictionary<string, Action<PasskeyWords>> s_lies = new(StringComparer.Ordinal)
    {
        ["the user is not verified"] = words => words.Flags &= 0xFB,
        ["the user is not present"] = words => words.Flags &= 0xFE,
        ["backed up, and not eligible for it"] = words => words.Flags |= 0x10,
        ["another domain"] = words => words.Domain = "evil.example",
        ["a domain below ours"] = words => words.Domain = "login." + words.Domain,
        ["the other type"] = words => words.Client["type"] = (string?)words.Client["type"] == "webauthn.get" ? "webauthn.create" : "webauthn.get",
        ["the type of a payment"] = words => words.Client["type"] = "payment.get",
        ["another challenge"] = words => words.Client["challenge"] = Nothing,
        ["no challenge"] = words => words.Client.Remove("challenge"),
        ["the challenge, and another after it"] = words => words.Rewrite = text => text.Replace(",\"origin\"", $",\"challenge\":\"{Nothing}\",\"origin\"", StringComparison.Ordinal),
        ["another origin"] = words => words.Client["origin"] = "http://evil.example",
        ["an origin below ours"] = words => words.Client["origin"] = "http://login.localhost:8016",
        ["an origin that begins as ours"] = words => words.Client["origin"] = ApiServer.Issuer + ".evil.example",
        ["another port"] = words => words.Client["origin"] = "http://localhost:8017",
        ["another scheme"] = words => words.Client["origin"] = "https://localhost:8016",
        ["the origin null"] = words => words.Client["origin"] = "null",
        ["no origin"] = words => words.Client.Remove("origin"),
        ["in somebody else's frame"] = words => words.Client["crossOrigin"] = true,
        ["bytes after the end"] = words => words.Rest = [0x01, 0x02, 0x03],
        ["extensions that are announced, and not there"] = words => words.Flags |= 0x80,
    };

    [Fact]
    public async Task Creation_ForgedInWhateverWay_AddsNoPasskey()
    {
        using var theirs = new SoftwarePasskey();
        Assert.Equal(HttpStatusCode.Created, (await AddAsync((await server.SignedInAsync()).Tokens, theirs)).Status);
        var (_, ada) = await server.SignedInAsync();
        Dictionary<string, Action<PasskeyWords>> lies = new(s_lies, StringComparer.Ordinal)
        {
            ["a credential that is said not to be attached"] = words => words.Flags &= 0xBF,
            ["a credential that is not attached"] = words => (words.Flags, words.Attaches) = (0x05, false),
            ["a credential that is said to be attached, and is not"] = words => words.Attaches = false,
            ["no algorithm"] = words => words.Algorithm = 0x00,
            ["HS256"] = words => words.Algorithm = 0x05,
            ["EdDSA, over a key of P-256"] = words => words.Algorithm = 0x27,
            ["the id of another account's credential"] = words => words.Id = theirs.Id,
            ["an id of 1,024 bytes"] = words => words.Id = new byte[1024],
        };
        var wrong = new List<string>();
        var (ticket, options) = ("", (JsonNode)new JsonObject());
        foreach (var (name, lie) in lies)
        {
            using var passkey = new SoftwarePasskey();
            var begun = await server.PostAsync("factors/passkeys/options", null, ada.Access);
            (ticket, options) = (begun.Value("passkeyToken"), begun.Json["publicKey"]!);
            Note(name, await SendAsync(ada, ticket, passkey.Create(options, lie)));
        }

        // A sound answer in the wrong place: to a challenge that was answered, to another's, to one for signing in, to one of two.
        using var own = new SoftwarePasskey();
        Note("a used ticket", await SendAsync(ada, ticket, own.Create(options)));
        var (_, carol) = await server.SignedInAsync();
        var hers = await server.PostAsync("factors/passkeys/options", null, carol.Access);
        Note("another's ticket", await SendAsync(ada, hers.Value("passkeyToken"), own.Create(hers.Json["publicKey"]!)));
        var request = await server.PostAsync("login/passkey", null);
        Note("a ticket for signing in", await SendAsync(ada, request.Value("passkeyToken"), own.Create(options)));
        var (one, other) = (await server.PostAsync("factors/passkeys/options", null, ada.Access), await server.PostAsync("factors/passkeys/options", null, ada.Access));
        Note("the other of two tickets", await SendAsync(ada, one.Value("passkeyToken"), own.Create(other.Json["publicKey"]!)));

        Assert.Empty(wrong);
        Assert.Empty((await server.GetAsync("factors", ada.Access)).Json["factors"]!.AsArray());
        Assert.Equal(HttpStatusCode.Created, (await AddAsync(ada, own)).Status);

        void Note(string name, Answer answer)
        {
            if (answer.Status != HttpStatusCode.BadRequest || answer.Value("errorCode") != "mfa_invalid")
            {
                wrong.Add($"{name}: {(int)answer.Status} {answer.Text}");
            }
        }
    }

    [Fact]
    public async Task Assertion_ForgedInWhateverWay_SignsNobodyIn()
    {
        using var theirs = new SoftwarePasskey();
        Assert.Equal(HttpStatusCode.Created, (await AddAsync((await server.SignedInAsync()).Tokens, theirs)).Status);
        using var own = new SoftwarePasskey();
        var (person, ada) = await server.SignedInAsync();
        Assert.Equal(HttpStatusCode.Created, (await AddAsync(ada, own)).Status);
        Dictionary<string, Action<PasskeyWords>> lies = new(s_lies, StringComparer.Ordinal)
        {
            ["eligible for a backup, as it was not before"] = words => words.Flags |= 0x08,
            ["another's key"] = words => words.Signer = theirs,
            ["another's handle"] = words => words.Handle = theirs.Handle,
            ["another's id"] = words => words.Id = theirs.Id,
            ["another's id and handle"] = words => (words.Id, words.Handle) = (theirs.Id, theirs.Handle),
            ["no handle"] = words => words.Handle = null,
            ["an id of nobody"] = words => words.Id = new byte[16],
        };
        var wrong = new List<string>();
        foreach (var (name, lie) in lies)
        {
            Note(name, await SignInAsync(own, lie));
        }

        // A sound answer in the wrong place: again, to the other of two challenges, to one for adding a passkey, to one for another's second step.
        var (one, other) = (await server.PostAsync("login/passkey", null), await server.PostAsync("login/passkey", null));
        Note("the other of two tickets", await SendAsync(one, own.Get(other.Json["publicKey"]!)));
        var sound = own.Get(other.Json["publicKey"]!);
        (await SendAsync(other, sound)).AssertOk();
        Note("the same again", await SendAsync(other, sound));
        Note("the same to a new challenge", await SendAsync(await server.PostAsync("login/passkey", null), sound));
        var creation = await server.PostAsync("factors/passkeys/options", null, (await server.SignedInAsync()).Tokens.Access);
        Note("a ticket for adding one", await server.PostAsync("login", new { passkeyToken = creation.Value("passkeyToken"), credential = own.Get(other.Json["publicKey"]!, words => words.Client["challenge"] = (string)creation.Json["publicKey"]!["challenge"]!) }));
        var (mfaToken, methods) = await server.BeginAsync(person);
        Assert.Contains("passkey", methods);
        var step = await server.PostAsync("login/passkey", new { mfaToken });
        Note("another's as second half", await server.PostAsync("login", new { mfaToken, passkeyToken = step.Value("passkeyToken"), credential = theirs.Get(step.Json["publicKey"]!) }), "invalid_mfa_code");

        // WebAuthn §6.1.1: once it counts, it counts on.
        (await SignInAsync(own, words => words.Counter = 5)).AssertOk();
        foreach (var counter in (uint[])[5, 4, 0])
        {
            Note($"{counter} after 5", await SignInAsync(own, words => words.Counter = counter));
        }

        Assert.Empty(wrong);
        (await SignInAsync(own, words => words.Counter = 6)).AssertOk();

        void Note(string name, Answer answer, string error = "invalid_credentials")
        {
            if (answer.Status != HttpStatusCode.Unauthorized || answer.Value("errorCode") != error)
            {
                wrong.Add($"{name}: {(int)answer.Status} {answer.Text}");
            }
        }
    }

    private async Task<Answer> AddAsync(Tokens tokens, SoftwarePasskey passkey)
    {
        var begun = await server.PostAsync("factors/passkeys/options", null, tokens.Access);
        begun.AssertOk();
        return await SendAsync(tokens, begun.Value("passkeyToken"), passkey.Create(begun.Json["publicKey"]!));
    }

    private Task<Answer> SendAsync(Tokens tokens, string passkeyToken, JsonObject credential) => server.PostAsync("factors/passkeys", new { passkeyToken, name = "Key", credential }, tokens.Access);

    private async Task<Answer> SignInAsync(SoftwarePasskey passkey, Action<PasskeyWords> lie)
    {
        var begun = await server.PostAsync("login/passkey", null);
        return await SendAsync(begun, passkey.Get(begun.Json["publicKey"]!, lie));
    }

    private Task<Answer> SendAsync(Answer challenge, JsonObject credential) => server.PostAsync("login", new { passkeyToken = challenge.Value("passkeyToken"), credential });
}
