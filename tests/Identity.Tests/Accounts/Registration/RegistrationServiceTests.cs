using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Events;
using Identity.Accounts.Registration;

namespace Identity.Tests.Accounts.Registration;

public sealed class RegistrationServiceTests
{
    [Fact]
    public async Task Register_WhenDone_TellsWithoutMetadataOrSecrets()
    {
        await using var world = new World();
        var created = Assert.IsType<RegistrationResult.Created>(await world.RegisterAsync(new NewAccount(" Ada@Example.com ", World.Password, "ada", "+436601234567", "Ada", "Lovelace", new JsonObject { ["plan"] = "gold", ["none"] = null })));
        Assert.Equal("Ada@Example.com", created.Account.Email);
        Assert.Equal("""{"plan":"gold"}""", created.Metadata.ToJsonString());
        var told = Assert.Single(world.Events.Of(EventTypes.UserCreated));
        Assert.Equal(created.Account.Id.ToString(), (string?)told.Data["id"]);
        Assert.False(told.Data.ContainsKey("metadata"));
        Assert.DoesNotContain(World.Password, told.ToCloudEvent().ToJsonString(), StringComparison.Ordinal);
        Assert.Single(world.Audit.All, record => record is { Action: "register", Outcome: "success" });
        await world.SignedInAsync("ada");
    }

    [Fact]
    public async Task Register_WhenTheSameAddressRaces_OneIsMade()
    {
        await using var world = new World();
        var results = await World.RaceAsync(i => world.RegisterAsync(new NewAccount(i % 2 == 0 ? "ada@example.com" : "ADA@EXAMPLE.COM", World.Password)));
        Assert.Single(results.OfType<RegistrationResult.Created>());
        Assert.All(results.OfType<RegistrationResult.Taken>(), taken => Assert.Equal(AccountWrite.EmailTaken, taken.Member));
        Assert.Single(world.Events.Of(EventTypes.UserCreated));
    }

    [Fact]
    public async Task Register_WhenANameOrPhoneIsTaken_SaysWhich()
    {
        await using var world = new World();
        await world.AddAsync(userName: "ada", phoneNumber: "+436601234567");
        Assert.Equal(new RegistrationResult.Taken(AccountWrite.UserNameTaken), await world.RegisterAsync(new NewAccount("b@example.com", World.Password, "ADA")));
        Assert.Equal(new RegistrationResult.Taken(AccountWrite.PhoneNumberTaken), await world.RegisterAsync(new NewAccount("b@example.com", World.Password, null, "+436601234567")));
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task Register_WhenConcealed_AnswersAlikeAndTellsTheOwner(bool byPage, bool bySetting)
    {
        await using var world = new World(options => options.ConcealExistingAccounts = bySetting);
        var owner = await world.AddAsync();
        var hashed = world.Hasher.Hashed;
        var made = Assert.IsType<RegistrationResult.Created>(await world.RegisterAsync(new NewAccount("ada@example.com", World.Other), byPage));
        Assert.Equal(hashed + 1, world.Hasher.Hashed);
        Assert.NotEqual(owner.Id, made.Account.Id);
        Assert.Null(await world.Accounts.FindAsync(made.Account.Id, World.Cancel));
        await world.StopDeliveryAsync();
        Assert.Equal(("ada@example.com", "You already have an account"), (Assert.Single(world.Mail.All).To, world.Mail.All.First().Subject));
        await world.SignedInAsync();
    }

    [Theory]
    [InlineData("eve@example.com", "ADA", null, "Your account could not be made")]
    [InlineData("eve@example.com", null, "+436601234567", "Your account could not be made")]
    [InlineData("ada@example.com", "ADA", null, "You already have an account")]
    public async Task Register_WhenConcealedAndANameOrPhoneIsTaken_AnswersAlikeAndTellsTheAddress(string email, string? userName, string? phoneNumber, string subject)
    {
        await using var world = new World(options => options.ConcealExistingAccounts = true);
        await world.AddAsync(userName: "ada", phoneNumber: "+436601234567");
        var made = Assert.IsType<RegistrationResult.Created>(await world.RegisterAsync(new NewAccount(email, World.Other, userName, phoneNumber)));
        Assert.Equal((userName, phoneNumber), (made.Account.UserName, made.Account.PhoneNumber));
        Assert.Null(await world.Accounts.FindAsync(made.Account.Id, World.Cancel));
        await world.StopDeliveryAsync();
        Assert.Equal((email, subject), (Assert.Single(world.Mail.All).To, world.Mail.All.First().Subject));
    }

    [Theory]
    [InlineData("ada@example.com", null)]
    [InlineData("eve@example.com", "ADA")]
    public async Task Register_OfWhatIsTakenFiftyTimesAtOnce_MailsItsAddressThreeTimesADay(string email, string? userName)
    {
        await using var world = new World(options => options.ConcealExistingAccounts = true);
        await world.AddAsync(userName: "ada");
        var all = await World.RaceAsync(i => world.RegisterAsync(new NewAccount(i % 2 == 0 ? email : email.ToUpperInvariant(), World.Other, userName), conceal: true));
        Assert.All(all, result => Assert.IsType<RegistrationResult.Created>(result));
        world.Time.Advance(TimeSpan.FromDays(1));
        Assert.IsType<RegistrationResult.Created>(await world.RegisterAsync(new NewAccount(email, World.Other, userName)));
        await world.StopDeliveryAsync();
        Assert.Equal(4, world.Mail.All.Count);
    }

    [Fact]
    public async Task Register_OfOneTakenNameWithManyAddresses_MailsNoMoreOfThemThanAreSentCodes()
    {
        await using var world = new World(options => (options.ConcealExistingAccounts, options.OneTimeCodesPerAddress) = (true, 7));
        await world.AddAsync(userName: "ada");
        var all = await World.RaceAsync(i => world.RegisterAsync(new NewAccount($"eve{i}@example.com", World.Other, "ada")));
        Assert.All(all, result => Assert.IsType<RegistrationResult.Created>(result));
        await world.StopDeliveryAsync();
        Assert.Equal(7, world.Mail.All.Count);
    }

    [Fact]
    public async Task Register_WhenMetadataIsOver16KB_MakesNothing()
    {
        await using var world = new World();
        Assert.IsType<RegistrationResult.MetadataTooLarge>(await world.RegisterAsync(new NewAccount("ada@example.com", World.Password, Metadata: new JsonObject { ["x"] = new string('x', 17_000) })));
        Assert.Empty(world.Events.All);
    }

    [Fact]
    public async Task AdminSeed_WhenThereIsNone_MakesOneAndShowsItsPasswordOnce()
    {
        await using var world = new World();
        var seed = world.Get<AdminSeed>();
        var seeded = (await seed.EnsureAsync("admin@example.com", null, isShown: true, [], World.Cancel)).Made!;
        Assert.Equal(20, seeded.GeneratedPassword!.Length);
        Assert.Equal(new AdminSeeding(Made: null, IsAddressTaken: false), await seed.EnsureAsync("admin@example.com", null, isShown: true, [], World.Cancel));
        Assert.Equal(new AdminSeeding(Made: null, IsAddressTaken: false), await seed.EnsureAsync("other@example.com", null, isShown: true, [], World.Cancel));
        var session = await world.SignedInAsync("admin@example.com", seeded.GeneratedPassword);
        Assert.Equal(["admin"], (await world.Accounts.FindAsync(session.AccountId, World.Cancel))!.Roles);
    }

    // Whoever registered the operator's address first would be the administrator: nobody is, and the operator is told.
    [Fact]
    public async Task AdminSeed_WhenTheAddressIsAnAccountsAndThereIsNoAdmin_GivesItNothingAndSaysSo()
    {
        await using var world = new World();
        await world.RegisterAsync(new NewAccount("admin@example.com", World.Password));
        Assert.Equal(new AdminSeeding(Made: null, IsAddressTaken: true), await world.Get<AdminSeed>().EnsureAsync("admin@example.com", null, isShown: true, [], World.Cancel));
        Assert.False(await world.Accounts.AnyInRoleAsync(AdminSeed.AdminRole, World.Cancel));
    }
}
