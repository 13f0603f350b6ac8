// WCAG 2.2 §1.4.3: mails as people open them, in every language, light and dark. With IDENTITY_UPDATE_SCREENSHOTS=1 each is kept as a picture in artifacts/mails, to be looked at.
using System.Globalization;
using Identity.Accounts;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Profile;
using Identity.Accounts.SignIn;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;
using MimeKit;

namespace Identity.Browser.Tests;

[Collection(BrowserCollection.Name)]
public sealed class MailPreviewTests(BrowserFixture fixture)
{
    private static readonly string Pictures = Path.GetFullPath(Path.Combine(BrowserFixture.SourceDirectory(), "..", "..", "artifacts", "mails"));

    private static readonly Dictionary<string, Func<IServiceProvider, Account, Task>> Mails = new(StringComparer.Ordinal)
    {
        ["code"] = (services, account) => services.GetRequiredService<OneTimeCodeService>().GenerateAsync(new CodeRecipient(account.Id, null, null), "email", OneTimeCodePurposes.PasswordReset, new Caller(null, null, ClientName: "Atlas"), CancellationToken.None),
        ["notice"] = (services, account) => services.GetRequiredService<IAccessNoticeStore>().AddAsync(services.GetRequiredService<AccessNotices>().Write(account, AccessChange.EmailChangeAsked), CancellationToken.None),
        ["lockout"] = (services, account) => services.GetRequiredService<LockoutNotice>().TellAsync(account, CancellationToken.None),
        ["existing"] = async (services, account) => await services.GetRequiredService<Identity.Accounts.Registration.RegistrationService>().RegisterAsync(new(account.Email, BrowserFixture.Password), conceal: true, new Caller(null, null), CancellationToken.None),
    };

    public static TheoryData<string, string> Previews
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var mail in Mails.Keys)
            {
                foreach (var language in new[] { "en", "de", "fr", "es", "ar" })
                {
                    data.Add(mail, language);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Previews))]
    public async Task Mail_AsItIsOpened_CanBeReadLightAndDarkAndLoadsNothing(string kind, string language)
    {
        await using var visit = await fixture.VisitAsync(javaScript: true);
        await visit.RegisterAccountAsync();
        var services = fixture.Server.Services;
        var accounts = services.GetRequiredService<IAccountStore>();
        var account = (await accounts.FindByEmailAsync(visit.Email.ToUpperInvariant(), CancellationToken.None))!;
        (account.EmailVerified, account.Profile["locale"]) = (true, language);
        Assert.Equal(AccountWrite.Done, await accounts.UpdateAsync(account, account.Version, [], CancellationToken.None));
        account = (await accounts.FindAsync(account.Id, CancellationToken.None))!;
        await Mails[kind](services, account);
        var mail = await ReadAsync(visit.Email);
        var types = Assert.IsType<MultipartAlternative>(mail.Body).Select(part => part.ContentType.MimeType);
        Assert.Equal(["text/plain", "text/html"], types);

        var loaded = new List<string>();
        visit.Page.Request += (_, request) => loaded.Add(request.Url);
        await visit.Page.SetContentAsync(mail.HtmlBody!);
        foreach (var width in (int[])[640, 390])
        {
            await visit.Page.SetViewportSizeAsync(width, 720);
            Assert.True(await visit.Page.EvaluateAsync<bool>("() => document.documentElement.scrollWidth <= innerWidth"));
            foreach (var scheme in (ColorScheme[])[ColorScheme.Light, ColorScheme.Dark])
            {
                await visit.Page.EmulateMediaAsync(new() { ColorScheme = scheme });
                Assert.Empty(await visit.FindAccessibilityProblemsAsync("wcag2aa"));
                if (Environment.GetEnvironmentVariable("IDENTITY_UPDATE_SCREENSHOTS") == "1")
                {
                    Directory.CreateDirectory(Pictures);
                    var name = string.Create(CultureInfo.InvariantCulture, $"{kind}-{language}-{width}-{(scheme == ColorScheme.Dark ? "dark" : "light")}.png");
                    await visit.Page.ScreenshotAsync(new() { Path = Path.Combine(Pictures, name), FullPage = true });
                }
            }
        }

        Assert.Empty(loaded);
    }

    private async Task<MimeMessage> ReadAsync(string email)
    {
        for (var attempt = 0; attempt < 200; attempt++)
        {
            foreach (var file in Directory.Exists(fixture.Server.OutboxDirectory) ? Directory.GetFiles(fixture.Server.OutboxDirectory, "*.eml") : [])
            {
                var mail = await MimeMessage.LoadAsync(file);
                if (mail.To.Mailboxes.Any(mailbox => mailbox.Address == email))
                {
                    return mail;
                }
            }

            await Task.Delay(50);
        }

        throw new InvalidOperationException("No mail came.");
    }
}
