// A person's devices on their account: what is told of each, and how one is taken out.
using System.Net;
using Identity.Accounts;
using Identity.Accounts.Devices;
using Identity.Accounts.Sessions;
using Identity.Tests.Kit.Hosting;
using Identity.Tests.Kit.Push;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Pages;

[Collection(PagesCollection.Name)]
public sealed class DevicesPageTests(PagesFixture fixture)
{
    private DeviceRegistry Registry => fixture.Server.Services.GetRequiredService<DeviceRegistry>();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Page_WhenThereIsNoDevice_SaysHowOneComes()
    {
        var (browser, _) = await SignedInAsync();
        using var _browser = browser;
        var page = await browser.ReadAsync("/account/devices");
        Assert.Contains("No device yet", page.Body!.TextContent, StringComparison.Ordinal);
        Assert.DoesNotContain(page.Forms, form => form.GetAttribute("action")?.Contains("handler=Remove", StringComparison.Ordinal) == true);
    }

    [Fact]
    public async Task Page_WhenDevicesAreThere_TellsWhatTheyAreAndNeverTheirTokens()
    {
        var (browser, account) = await SignedInAsync();
        using var _ = browser;
        var android = await AddAsync(account, DevicePlatforms.Android);
        var ios = await AddAsync(account, DevicePlatforms.Ios);
        var page = await browser.ReadAsync("/account/devices");
        var lines = page.QuerySelectorAll(".rows > li").Select(line => line.TextContent).ToArray();
        Assert.Equal(2, lines.Length);
        Assert.Contains("iPhone or iPad", lines[0], StringComparison.Ordinal);
        Assert.Contains("Android phone or tablet", lines[1], StringComparison.Ordinal);
        Assert.All(lines, line => Assert.Contains("com.example.<app>", line, StringComparison.Ordinal));
        Assert.DoesNotContain(android.Token, page.DocumentElement.OuterHtml, StringComparison.Ordinal);
        Assert.DoesNotContain(ios.Token, page.DocumentElement.OuterHtml, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Remove_WhenItIsOnesOwn_TakesThatOneAndNoOther()
    {
        var (browser, account) = await SignedInAsync();
        using var _ = browser;
        var kept = await AddAsync(account, DevicePlatforms.Android);
        var removed = await AddAsync(account, DevicePlatforms.Android);
        var answer = await RemoveAsync(browser, removed.Id);
        Assert.Equal((HttpStatusCode.SeeOther, "/account/devices?done=DeviceRemoved"), (answer.StatusCode, answer.Headers.Location!.OriginalString));
        Assert.Equal(kept.Id, Assert.Single(await Registry.ListAsync(account.Id, sessionId: null, Cancel)).Id);
        Assert.Contains("The device is removed", (await browser.ReadAsync("/account/devices?done=DeviceRemoved")).Body!.TextContent, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("nonsense")]
    public async Task Remove_WhenItIsAnothersOrNone_TakesNothing(string? id)
    {
        var (victimsBrowser, victim) = await SignedInAsync();
        using var _ = victimsBrowser;
        var theirs = await AddAsync(victim, DevicePlatforms.Ios);
        var (browser, account) = await SignedInAsync();
        using var __ = browser;
        await AddAsync(account, DevicePlatforms.Ios);
        Assert.Equal(HttpStatusCode.SeeOther, (await RemoveAsync(browser, theirs.Id, id)).StatusCode);
        Assert.Single(await Registry.ListAsync(victim.Id, sessionId: null, Cancel));
        Assert.Single(await Registry.ListAsync(account.Id, sessionId: null, Cancel));
    }

    [Fact]
    public async Task Remove_WithoutTheFormsToken_Is400AndTakesNothing()
    {
        var (browser, account) = await SignedInAsync();
        using var _ = browser;
        var device = await AddAsync(account, DevicePlatforms.Android);
        var (action, fields) = PageClient.Form(await browser.ReadAsync("/account/devices"), "handler=Remove");
        fields.Remove("__RequestVerificationToken");
        Assert.Equal(HttpStatusCode.BadRequest, (await browser.PostAsync(action, fields)).StatusCode);
        Assert.Equal(device.Id, Assert.Single(await Registry.ListAsync(account.Id, sessionId: null, Cancel)).Id);
    }

    [Fact]
    public async Task Tab_WhenPushIsSet_LeadsThere()
    {
        await using var fcm = await StandInFcm.StartAsync();
        await using var server = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["FIREBASE_CREDENTIALS"] = fcm.Credentials, ["FCM_ENDPOINT"] = fcm.Address.AbsoluteUri });
        using var with = new PageClient(server.Url);
        var email = PagesFixture.NewEmail();
        await server.RegisterAsync(email, PagesFixture.Password);
        await with.SignInAsync(email, PagesFixture.Password);
        var (without, _) = await SignedInAsync();
        using var __ = without;
        Assert.NotNull((await with.ReadAsync("/account")).QuerySelector("nav a[href='/account/devices']"));
        Assert.Null((await without.ReadAsync("/account")).QuerySelector("nav a[href='/account/devices']"));
    }

    private static async Task<HttpResponseMessage> RemoveAsync(PageClient browser, Guid id, string? instead = null)
    {
        var (action, fields) = PageClient.Form(await browser.ReadAsync("/account/devices"), "handler=Remove");
        fields["id"] = instead ?? id.ToString();
        return await browser.PostAsync(action, fields);
    }

    private async Task<(PageClient Browser, Account Account)> SignedInAsync()
    {
        var browser = fixture.Browser();
        var account = await fixture.RegisterAsync(PagesFixture.NewEmail());
        await browser.SignInAsync(account.Email, PagesFixture.Password);
        return (browser, account);
    }

    private async Task<(Guid Id, string Token)> AddAsync(Account account, string platform)
    {
        var session = (await fixture.Server.Services.GetRequiredService<ISessionStore>().ListLiveAsync(account.Id, DateTimeOffset.UtcNow, Cancel))[0];
        var token = Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32));
        var registered = await Registry.RegisterAsync(account.Id, session.Id, new NewDevice(platform, token, AppId: "com.example.<app>", Environment: platform == DevicePlatforms.Ios ? "production" : null), new Caller(null, null), notice: null, Cancel);
        return (Assert.IsType<DeviceRegistration.Registered>(registered).Device.Id, token);
    }
}
