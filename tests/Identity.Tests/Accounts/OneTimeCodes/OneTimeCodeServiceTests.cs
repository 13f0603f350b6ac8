using System.Threading.Channels;
using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Accounts.Events;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.SignIn;
using Identity.Tests.Accounts.SignIn;

namespace Identity.Tests.Accounts.OneTimeCodes;

public sealed class OneTimeCodeServiceTests
{
    [Fact]
    public async Task Verify_WhenTheCodeIsRight_MarksTheAddressVerifiedOnce()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        var sent = await world.GenerateAsync();
        Assert.Equal(world.Time.GetUtcNow().AddMinutes(5), sent.ExpiresAt);
        var code = await world.NextCodeAsync();
        var results = await World.RaceAsync(_ => world.TryAsync(sent.Id, code));
        Assert.Single(results.OfType<TriedCode.Verified>());
        Assert.Equal(World.Width - 1, results.OfType<TriedCode.Invalid>().Count());
        Assert.True((await world.CurrentAsync(account)).EmailVerified);
        Assert.Single(world.Events.Of(EventTypes.UserEmailVerified));
    }

    [Fact]
    public async Task Verify_WhenItCameBySms_MarksThePhoneVerified()
    {
        await using var world = new World();
        var account = await world.AddAsync(phoneNumber: "+436601234567");
        var sent = Assert.IsType<GeneratedCode.Sent>(await world.Codes.GenerateAsync(new CodeRecipient(null, null, "+436601234567"), null, "verification", world.Caller, World.Cancel));
        Assert.Equal("sms", sent.Channel);
        Assert.IsType<TriedCode.Verified>(await world.TryAsync(sent.Id, await world.NextCodeAsync(world.Sms)));
        var current = await world.CurrentAsync(account);
        Assert.True(current.PhoneNumberVerified);
        Assert.False(current.EmailVerified);
        Assert.Single(world.Events.Of(EventTypes.UserPhoneVerified));
    }

    [Fact]
    public async Task Verify_WhenFiveGuessesWereWrong_RefusesTheRightOne()
    {
        await using var world = new World();
        await world.AddAsync();
        var sent = await world.GenerateAsync();
        var code = await world.NextCodeAsync();
        for (var i = 0; i < 5; i++)
        {
            Assert.IsType<TriedCode.Invalid>(await world.TryAsync(sent.Id, World.Wrong(code)));
        }

        Assert.IsType<TriedCode.Invalid>(await world.TryAsync(sent.Id, code));
    }

    [Fact]
    public async Task Verify_WhenExpiredReplacedOrOfAnotherPurpose_IsInvalid()
    {
        await using var world = new World();
        await world.AddAsync();
        var first = await world.GenerateAsync();
        var firstCode = await world.NextCodeAsync();
        var second = await world.GenerateAsync();
        var secondCode = await world.NextCodeAsync();
        Assert.IsType<TriedCode.Invalid>(await world.TryAsync(first.Id, firstCode));
        for (var i = 0; i < 6; i++)
        {
            // Spends no guess: it could not have succeeded.
            Assert.IsType<TriedCode.Invalid>(await world.TryAsync(second.Id, secondCode, purpose: "transaction"));
        }

        world.Time.Advance(TimeSpan.FromMinutes(5) - TimeSpan.FromSeconds(1));
        Assert.IsType<TriedCode.Verified>(await world.TryAsync(second.Id, secondCode, purpose: "verification"));
        var third = await world.GenerateAsync();
        var thirdCode = await world.NextCodeAsync();
        world.Time.Advance(TimeSpan.FromMinutes(5));
        Assert.IsType<TriedCode.Invalid>(await world.TryAsync(third.Id, thirdCode));
    }

    [Fact]
    public async Task Verify_WhenTheAddressChangedSince_ProvesNothingOfTheNewOne()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        var sent = await world.GenerateAsync();
        var code = await world.NextCodeAsync();
        Assert.IsType<AccountChangeResult.Changed>(await world.Changes.ChangeAsync(account.Id, new AccountChange { Email = "victim@example.com" }, null, world.Caller, World.Cancel));
        Assert.IsType<TriedCode.Invalid>(await world.TryAsync(sent.Id, code));
        Assert.False((await world.CurrentAsync(account)).EmailVerified);
    }

    [Fact]
    public async Task Verify_WhenLockedOrDisabled_IsInvalid()
    {
        await using var world = new World();
        var locked = await world.AddAsync("locked@example.com");
        var lockedCode = await world.GenerateAsync("locked@example.com");
        var disabled = await world.AddAsync("disabled@example.com");
        var first = await world.NextCodeAsync();
        var disabledCode = await world.GenerateAsync("disabled@example.com");
        var second = await world.NextCodeAsync();
        await PasswordSignInTests.LockAsync(world, locked);
        await world.Changes.ChangeAsync(disabled.Id, new AccountChange { IsActive = false }, null, world.Caller, World.Cancel);
        Assert.IsType<TriedCode.Invalid>(await world.TryAsync(lockedCode.Id, first));
        Assert.IsType<TriedCode.Invalid>(await world.TryAsync(disabledCode.Id, second));
    }

    [Fact]
    public async Task Generate_WhenTheRecipientIsUnknown_AnswersAlikeAndSendsNothing()
    {
        await using var world = new World();
        await world.AddAsync();
        var known = await world.GenerateAsync();
        var unknown = await world.GenerateAsync("nobody@elsewhere.example");
        Assert.Equal("a***@e***.com", known.MaskedDestination);
        Assert.Equal("n***@e***.example", unknown.MaskedDestination);
        Assert.Equal((known.Channel, known.ExpiresAt), (unknown.Channel, unknown.ExpiresAt));
        Assert.IsType<TriedCode.Invalid>(await world.TryAsync(unknown.Id, "123456"));
        var byId = Assert.IsType<GeneratedCode.Sent>(await world.Codes.GenerateAsync(new CodeRecipient(Guid.NewGuid(), null, null), null, "verification", world.Caller, World.Cancel));
        Assert.Matches(@"^[a-z]\*\*\*@[a-z]\*\*\*\.com$", byId.MaskedDestination);
        await world.StopDeliveryAsync();
        Assert.Equal("ada@example.com", Assert.Single(world.Mail.All).To);
    }

    [Theory]
    [InlineData("a@")]
    [InlineData("@")]
    [InlineData("a@b")]
    [InlineData("no address")]
    public async Task Generate_WhenTheAddressIsNone_StillAnswers(string email)
    {
        await using var world = new World();
        await world.GenerateAsync(email);
    }

    [Fact]
    public async Task Verify_WhenUnknownOrWrong_CostsTheSame()
    {
        await using var world = new World(options => options.AllowCodeSignIn = true);
        await world.AddAsync(change: account => account.EmailVerified = true);
        await world.GenerateAsync(purpose: "login");
        var code = await world.NextCodeAsync();
        var before = (world.Statements, world.Audit.All.Count);
        Assert.IsType<TriedCode.Invalid>(await world.Codes.VerifyAsync(new CodeRecipient(null, "ada@example.com", null), "login", World.Wrong(code), world.Caller, World.Cancel));
        var between = (world.Statements, world.Audit.All.Count);
        Assert.IsType<TriedCode.Invalid>(await world.Codes.VerifyAsync(new CodeRecipient(null, "nobody@example.com", null), "login", code, world.Caller, World.Cancel));
        Assert.Equal((between.Statements - before.Statements, between.Count - before.Count), (world.Statements - between.Statements, world.Audit.All.Count - between.Count));
    }

    [Fact]
    public async Task Generate_WhenStrangersUsedTheLimitUp_StillServesTheAccountsOwnDevice()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        await world.Get<KnownDevices>().RememberAsync(account.Id, world.Caller, World.Cancel);
        var (recipient, stranger) = (new CodeRecipient(null, account.Email, null), new Caller("203.0.113.9", "curl", DeviceId: "another phone"));
        Task<GeneratedCode> AskAsync(Caller caller) => world.Codes.GenerateAsync(recipient, null, "password_reset", caller, World.Cancel);
        Assert.Equal(5, (await World.RaceAsync(_ => AskAsync(stranger))).OfType<GeneratedCode.Sent>().Count());
        Assert.Equal(5, (await World.RaceAsync(_ => AskAsync(world.Caller))).OfType<GeneratedCode.Sent>().Count());
        Assert.IsType<GeneratedCode.RateLimited>(await AskAsync(stranger));

        // Who is signed in shares them; who is signed in elsewhere has none.
        Assert.IsType<GeneratedCode.RateLimited>(await AskAsync(stranger with { AccountId = account.Id }));
        world.Time.Advance(TimeSpan.FromMinutes(15));
        await World.RaceAsync(_ => AskAsync(stranger));
        Assert.IsType<GeneratedCode.RateLimited>(await AskAsync(stranger with { AccountId = Guid.NewGuid() }));
        Assert.IsType<GeneratedCode.Sent>(await AskAsync(stranger with { AccountId = account.Id }));
    }

    [Fact]
    public async Task Generate_WhenPurposesAreMadeUp_CountsThemTogetherPerAccount()
    {
        await using var world = new World();
        var account = await world.AddAsync(userName: "ada", phoneNumber: "+436601234567");
        CodeRecipient[] names = [new(account.Id, null, null), new(null, "ADA@example.com", null), new(null, null, "+436601234567")];
        var results = await World.RaceAsync(i => world.Codes.GenerateAsync(names[i % 3], null, $"purpose{i}", world.Caller, World.Cancel));
        Assert.Equal(5, results.OfType<GeneratedCode.Sent>().Count());
        Assert.All(results.OfType<GeneratedCode.RateLimited>(), limited => Assert.InRange(limited.RetryAfter, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(15)));
        world.Time.Advance(TimeSpan.FromMinutes(15));
        await world.GenerateAsync();
    }

    [Fact]
    public async Task Generate_WhenTheAddressAsksTooOften_IsLimitedWhoeverItIsFor()
    {
        await using var world = new World(options => options.OneTimeCodesPerAddress = 7);
        var results = await World.RaceAsync(i => world.Codes.GenerateAsync(new CodeRecipient(null, $"u{i}@example.com", null), null, "verification", world.Caller, World.Cancel));
        Assert.Equal(7, results.OfType<GeneratedCode.Sent>().Count());
    }

    [Fact]
    public async Task Generate_WhenAUserIsUnknown_LimitsAlike()
    {
        await using var world = new World();
        var results = await World.RaceAsync(_ => world.Codes.GenerateAsync(new CodeRecipient(null, "nobody@example.com", null), null, "verification", world.Caller, World.Cancel));
        Assert.Equal(5, results.OfType<GeneratedCode.Sent>().Count());
    }

    [Fact]
    public async Task Login_WhenAllowedAndTheAddressIsVerified_SignsInOnce()
    {
        await using var world = new World(options => options.AllowCodeSignIn = true);
        await world.AddAsync(change: account => account.EmailVerified = true);
        var sent = await world.GenerateAsync(purpose: "login");
        var code = await world.NextCodeAsync();
        var results = await World.RaceAsync(_ => world.TryAsync(sent.Id, code, "login"));
        var session = Assert.Single(results.OfType<TriedCode.Verified>()).Session;
        Assert.Equal(["otp"], session!.Amr);
        Assert.Single(world.Events.Of(EventTypes.SessionCreated));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Login_WhenNotAllowed_SendsNoCodeAndAnswersAlike(bool verified)
    {
        await using var world = new World(options => options.AllowCodeSignIn = false);
        await world.AddAsync(change: account => account.EmailVerified = verified);
        var sent = await world.GenerateAsync(purpose: "login");
        Assert.Equal("a***@e***.com", sent.MaskedDestination);
        await world.StopDeliveryAsync();
        Assert.Empty(world.Mail.All);
    }

    [Fact]
    public async Task Login_WhenCodesAreGuessed_LocksTheAccount()
    {
        await using var world = new World(options => (options.AllowCodeSignIn, options.LockoutThreshold) = (true, 5));
        await world.AddAsync(change: account => account.EmailVerified = true);
        var sent = await world.GenerateAsync(purpose: "login");
        var code = await world.NextCodeAsync();
        for (var i = 0; i < 5; i++)
        {
            await world.TryAsync(sent.Id, World.Wrong(code), "login");
        }

        Assert.Single(world.Events.Of(EventTypes.UserLockedOut));
        Assert.IsNotType<Identity.Accounts.SignIn.SignInAttempt.Succeeded>(await world.SignInAsync());
    }

    [Fact]
    public async Task Store_WhenACodeIsMade_HoldsNeitherItNorAPlainHashOfIt()
    {
        await using var world = new World();
        await world.AddAsync();
        var sent = await world.GenerateAsync();
        var code = System.Text.Encoding.UTF8.GetBytes(await world.NextCodeAsync());
        var stored = (await world.Get<IOneTimeCodeStore>().FindAsync(sent.Id, World.Cancel))!.CodeHash;
        Assert.Equal(32, stored.Length);
        Assert.NotEqual(System.Security.Cryptography.SHA256.HashData(code), stored);
        Assert.DoesNotContain(world.Events.All, e => e.Data.ToJsonString().Contains(System.Text.Encoding.UTF8.GetString(code), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Delivery_WhenTheSenderFailsAtFirst_IsTriedAgain()
    {
        await using var world = new World();
        var waits = Channel.CreateUnbounded<TimeSpan>();
        world.Time.OnTimer = wait => waits.Writer.TryWrite(wait);
        world.Mail.Failures = 1;
        await world.AddAsync();
        await world.GenerateAsync();
        var next = world.NextCodeAsync();
        while (await Task.WhenAny(next, waits.Reader.WaitToReadAsync(World.Cancel).AsTask()) != next)
        {
            while (waits.Reader.TryRead(out var wait))
            {
                world.Time.Advance(wait > TimeSpan.Zero ? wait : TimeSpan.Zero);
            }
        }

        Assert.Matches("^[0-9]{6}$", await next);
    }
}
