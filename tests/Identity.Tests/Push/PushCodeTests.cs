using System.Net;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Identity.Tests.Api;
using Identity.Tests.Kit.Push;

namespace Identity.Tests.Push;

/// <summary>One-time codes with channel push, from the route to the device, in a server without a worker.</summary>
public sealed class PushCodeTests
{
    [Fact]
    public async Task Code_WhenAskedByPush_ReachesTheDeviceAndVerifies()
    {
        await using var fcm = await StandInFcm.StartAsync();
        await using var server = await StartAsync(fcm);
        var (person, tokens) = await server.SignedInAsync();
        var stranger = await server.RegisterAsync();
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("devices", new { platform = "android", token = "device-of-ada" }, tokens.Access)).Status);

        var asked = await server.PostAsync("otp/generate", new { email = person.Email, channel = "push", purpose = "verification" });
        asked.AssertOk();
        Assert.Equal(("push", "***"), (asked.Value("channel"), asked.Value("destination")));
        foreach (var other in (string[])[stranger.Email, "nobody@example.com"])
        {
            var same = await server.PostAsync("otp/generate", new { email = other, channel = "push", purpose = "verification" });
            same.AssertOk();
            Assert.Equal(asked.Json.Select(member => member.Key), same.Json.Select(member => member.Key));
            Assert.Equal("***", same.Value("destination"));
        }

        var code = await CodeAsync(fcm);
        (await server.PostAsync("otp/verify", new { otpId = asked.Value("otpId"), code = OtpTests.Wrong(code) })).AssertFailure(400, "otp_invalid");
        (await server.PostAsync("otp/verify", new { otpId = asked.Value("otpId"), code })).AssertOk();

        // It proves no address.
        var user = await server.GetAsync("users/" + person.Id, tokens.Access);
        Assert.False((bool)user.Json["emailVerified"]!);
        Assert.False((bool)user.Json["phoneNumberVerified"]!);

        Assert.Empty(fcm.Complaints);
        Assert.DoesNotContain(server.Logs.Lines, line => line.Contains(code, StringComparison.Ordinal) && line.Contains("code", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task LoginCode_WhenAskedByPush_GoesToDevicesWithAKeyOnlyAndSignsIn()
    {
        await using var fcm = await StandInFcm.StartAsync();
        await using var server = await StartAsync(fcm);
        var (person, tokens) = await server.SignedInAsync();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("devices", new { platform = "android", token = "without-key" }, tokens.Access)).Status);
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("devices", new { platform = "android", token = "with-key", publicKey = Convert.ToBase64String(key.ExportSubjectPublicKeyInfo()) }, tokens.Access)).Status);
        var login = await server.PostAsync("otp/generate", new { userId = person.Id, channel = "push", purpose = "login" });
        var signedIn = await server.PostAsync("otp/verify", new { otpId = login.Value("otpId"), code = await CodeAsync(fcm) });
        signedIn.AssertOk();
        Assert.Equal(person.Id, (string)signedIn.Json["user"]!["id"]!);

        // What is asked for next reaches both: the login code was not still on its way to the other.
        await server.PostAsync("otp/generate", new { userId = person.Id, channel = "push" });
        await CodeAsync(fcm);
        await CodeAsync(fcm);
        Assert.Equal(["with-key", "with-key", "without-key"], fcm.Taken.Select(message => (string)message["token"]!).Order());
    }

    [Fact]
    public async Task ResetCode_WhenAskedByAnythingButMail_IsNotSentAndResetsNothing()
    {
        await using var fcm = await StandInFcm.StartAsync();
        await using var server = await StartAsync(fcm);
        var (person, tokens) = await server.SignedInAsync();
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("devices", new { platform = "android", token = "device-of-ada" }, tokens.Access)).Status);
        (await server.PostAsync("otp/generate", new { userId = person.Id, channel = "push", purpose = "password_reset" })).AssertOk();
        await server.PostAsync("otp/generate", new { userId = person.Id, channel = "push" });
        var code = await CodeAsync(fcm);
        (await server.PostAsync("password/reset", new { email = person.Email, code, newPassword = "copper lantern meadow" })).AssertFailure(400, "otp_invalid");
        Assert.Single(fcm.Taken);
    }

    private static Task<ApiServer> StartAsync(StandInFcm fcm) =>
        ApiServer.StartAsync(new() { ["FIREBASE_CREDENTIALS"] = fcm.Credentials, ["FCM_ENDPOINT"] = fcm.Address.AbsoluteUri, ["Accounts:AllowCodeSignIn"] = "true" }, isReal: true);

    private static async Task<string> CodeAsync(StandInFcm fcm) =>
        Regex.Match((string)(await fcm.Arrivals.ReadAsync(TestContext.Current.CancellationToken))["notification"]!["body"]!, "[0-9]{6}", RegexOptions.None, TimeSpan.FromSeconds(1)).Value;
}
