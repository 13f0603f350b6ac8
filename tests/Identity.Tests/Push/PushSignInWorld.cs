using System.Text.Json.Nodes;
using Identity.Accounts.Data;
using Identity.Tests.Api;
using Identity.Tests.Kit.Push;
using Identity.Tests.SecondFactors;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Push;

/// <summary>A server with push messages on, whose clock the tests of one class move, and people with phones.</summary>
public sealed class PushSignInWorld : IAsyncLifetime
{
    public StandInFcm Fcm { get; private set; } = null!;

    public ApiServer Server { get; private set; } = null!;

    internal StoreDatabase Database => Server.Services.GetRequiredService<StoreDatabase>();

    public async ValueTask InitializeAsync()
    {
        Fcm = await StandInFcm.StartAsync();
        Server = await ApiServer.StartAsync(new() { ["FIREBASE_CREDENTIALS"] = Fcm.Credentials, ["FCM_ENDPOINT"] = Fcm.Address.AbsoluteUri, ["Accounts:AllowCodeSignIn"] = "true" });
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await Fcm.DisposeAsync();
    }

    /// <summary>Somebody who is signed in, with a phone that brought a key.</summary>
    public async Task<(Person Person, Tokens Tokens, SimulatedDevice Phone)> WithPhoneAsync()
    {
        var (person, tokens) = await Server.SignedInAsync();
        var phone = new SimulatedDevice();
        await AddPhoneAsync(tokens, phone);
        return (person, tokens, phone);
    }

    public async Task AddPhoneAsync(Tokens tokens, SimulatedDevice phone)
    {
        var registered = await Server.PostAsync("devices", phone.Registration, tokens.Access);
        Assert.True((int)registered.Status == 201, registered.Text);
        phone.Id = registered.Value("id");
    }

    /// <summary>The same, who is asked on it at every sign-in.</summary>
    public async Task<Phoned> PhonedAsync()
    {
        var (person, tokens, phone) = await WithPhoneAsync();
        var added = await Server.PostAsync("factors/push", body: null, tokens.Access);
        Assert.True((int)added.Status == 201, added.Text);
        return new(person, tokens, phone, (string)added.Json["factor"]!["id"]!, [.. added.Json["recoveryCodes"]!.AsArray().Select(code => (string)code!)]);
    }

    public async Task<(string MfaToken, string[] Methods)> BeginAsync(Person person) =>
        FactorServer.Half(await Server.PostAsync("login", new { email = person.Email, password = person.Password }));

    /// <summary>A right password, and the phone asked: the number that the sign-in shows.</summary>
    public async Task<(string MfaToken, string Number)> AskAsync(Person person)
    {
        var (mfaToken, _) = await BeginAsync(person);
        var asked = await Server.PostAsync("login/push", new { mfaToken });
        asked.AssertOk();
        return (mfaToken, asked.Value("number"));
    }

    public async Task<JsonArray> PendingAsync(SimulatedDevice phone)
    {
        var listed = await Server.GetAsync(phone.ListPath(Server.Time.GetUtcNow()));
        listed.AssertOk();
        return JsonNode.Parse(listed.Text)!.AsArray();
    }

    public Task<Answer> ApproveAsync(SimulatedDevice phone, JsonNode signIn, string number, bool userVerified = false) =>
        Server.PostAsync($"devices/sign-ins/{(string)signIn["id"]!}/approve", phone.Approval(signIn, number, userVerified));

    public Task<Answer> DenyAsync(SimulatedDevice phone, JsonNode signIn) => Server.PostAsync($"devices/sign-ins/{(string)signIn["id"]!}/deny", phone.Denial(signIn));

    public Task<Answer> GoOnAsync(string mfaToken) => Server.PostAsync("login", new { mfaToken, method = "push" });

    /// <summary>One of the three that is not the one.</summary>
    public static string Wrong(JsonNode signIn, string number) => signIn["numbers"]!.AsArray().Select(choice => (string)choice!).First(choice => choice != number);
}

/// <summary>Somebody whose phone is a second factor.</summary>
public sealed record Phoned(Person Person, Tokens Tokens, SimulatedDevice Phone, string FactorId, string[] RecoveryCodes);
