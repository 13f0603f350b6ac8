using System.Net;
using System.Text.RegularExpressions;
using System.Threading.Channels;
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
        var arrived = Channel.CreateUnbounded<bool>();
        fcm.Before = async () => await arrived.Writer.WriteAsync(true);
        await using var server = await ApiServer.StartAsync(new() { ["FIREBASE_CREDENTIALS"] = fcm.Credentials, ["FCM_ENDPOINT"] = fcm.Address.AbsoluteUri, ["Accounts:AllowCodeSignIn"] = "true" }, isReal: true);
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

        await arrived.Reader.ReadAsync(TestContext.Current.CancellationToken);
        var code = await CodeAsync(fcm, 1);
        (await server.PostAsync("otp/verify", new { otpId = asked.Value("otpId"), code = OtpTests.Wrong(code) })).AssertFailure(400, "otp_invalid");
        (await server.PostAsync("otp/verify", new { otpId = asked.Value("otpId"), code })).AssertOk();

        // It proves no address.
        var user = await server.GetAsync("users/" + person.Id, tokens.Access);
        Assert.False((bool)user.Json["emailVerified"]!);
        Assert.False((bool)user.Json["phoneNumberVerified"]!);

        // And where codes may sign in, this one does.
        var login = await server.PostAsync("otp/generate", new { userId = person.Id, channel = "push", purpose = "login" });
        await arrived.Reader.ReadAsync(TestContext.Current.CancellationToken);
        var signedIn = await server.PostAsync("otp/verify", new { otpId = login.Value("otpId"), code = await CodeAsync(fcm, 2) });
        signedIn.AssertOk();
        Assert.Equal(person.Id, (string)signedIn.Json["user"]!["id"]!);
        Assert.Empty(fcm.Complaints);
        Assert.DoesNotContain(server.Logs.Lines, line => line.Contains(code, StringComparison.Ordinal) && line.Contains("code", StringComparison.OrdinalIgnoreCase));
    }

    private static async Task<string> CodeAsync(StandInFcm fcm, int nth)
    {
        // Taken right after it arrived.
        while (fcm.Taken.Count < nth)
        {
            await Task.Yield();
        }

        return Regex.Match((string)fcm.Taken.ElementAt(nth - 1)["notification"]!["body"]!, "[0-9]{6}", RegexOptions.None, TimeSpan.FromSeconds(1)).Value;
    }
}
