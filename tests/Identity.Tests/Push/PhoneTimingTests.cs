// Security catalogue, Web: whether somebody exists and lets their phone sign them in does not show in how long the answer takes.
using System.Globalization;
using System.Net;
using Identity.Accounts.Devices;
using Identity.Accounts.Events;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Identity.Tests.Kit.Push;
using Identity.Tests.Pages;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Push;

public sealed class PhoneTimingTests
{
    // As many as a measurement may ask for: each is asked once, so that none is asked too often.
    private static readonly int People = (PairedTiming.Pairs * 3) + 20;

    [Fact]
    public async Task Phone_OfAnUnknownName_TakesAsLongAsOfSomebodyWhoIsAsked()
    {
        await using var fcm = await StandInFcm.StartAsync();
        await using var server = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["FIREBASE_CREDENTIALS"] = fcm.Credentials, ["FCM_ENDPOINT"] = fcm.Address.AbsoluteUri });
        var services = server.Services;
        using var phone = new SimulatedDevice();
        var key = DevicePublicKey.Parse(phone.PublicKey);
        for (var i = 0; i < People; i++)
        {
            var account = await server.RegisterAsync(string.Create(CultureInfo.InvariantCulture, $"phoned{i}@example.com"), PagesFixture.Password);
            var started = await services.GetRequiredService<SessionService>().StartAsync(account, ["pwd"], new(null, null), CancellationToken.None);
            Assert.IsType<DeviceRegistration.Registered>(await services.GetRequiredService<DeviceRegistry>().RegisterAsync(account.Id, started!.Value.Session.Id, new NewDevice("android", "t:" + account.Id.ToString("N"), PublicKey: key), new(null, null), notice: null, CancellationToken.None));
            var factor = new SecondFactor(Guid.CreateVersion7(), account.Id, FactorKinds.Push, FactorEnrolment.ChannelSlot(FactorKinds.Push, account.Id), "", FactorKinds.Alone, 0, account.CreatedAt, null);
            Assert.True(await services.GetRequiredService<ISecondFactorStore>().AddAsync(factor, services.GetRequiredService<LifecycleEvents>().OfUser(EventTypes.UserFactorAdded, account), notice: null, CancellationToken.None));
        }

        using var browser = new PageClient(server.Url);
        var page = await browser.ReadAsync("/signin");
        var target = page.QuerySelector("button[formaction*='handler=Phone']")!.GetAttribute("formaction")!;
        var (_, fields) = PageClient.Form(page);
        async Task AskAsync(string login)
        {
            using var answer = await browser.PostAsync(target, new Dictionary<string, string>(fields, StringComparer.Ordinal) { ["Login"] = login });
            Assert.Equal((HttpStatusCode.SeeOther, "/signin/phone"), (answer.StatusCode, answer.Headers.Location!.OriginalString));
        }

        var (known, unknown) = (0, 0);

        // The message is written beside its answer, which takes a machine of two cores about a millisecond.
        await PairedTiming.AssertAlikeAsync(
            _ => AskAsync(string.Create(CultureInfo.InvariantCulture, $"nobody{unknown++}@example.com")),
            _ => AskAsync(string.Create(CultureInfo.InvariantCulture, $"phoned{known++}@example.com")),
            floor: 2.5);
        Assert.True(known <= People);
    }
}
