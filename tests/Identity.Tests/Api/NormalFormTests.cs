// The wire contract: e-mail, phone numbers and codes have one form on every way in.
using System.Net;

namespace Identity.Tests.Api;

public sealed class NormalFormTests(ApiServer server)
{
    [Fact]
    public async Task Names_InWhateverFormAndMember_SignIn()
    {
        var id = Guid.NewGuid().ToString("N")[..12];
        var digits = Random.Shared.NextInt64(10_000_000, 99_999_999);
        var registered = await server.PostAsync("register", new { email = $" {id}@b\u00FCcher.example\u00A0", password = ApiServer.Password, userName = "user." + id, phoneNumber = $"+49 (0)151-{digits}" });
        Assert.Equal(HttpStatusCode.Created, registered.Status);
        Assert.Equal($"{id}@xn--bcher-kva.example", registered.Value("email"));
        Assert.Equal($"+49151{digits}", registered.Value("phoneNumber"));
        string[] names = [$"{id}@b\u00FCcher.example", $"{id}@xn--bcher-kva.example ", $"\u200B{id.ToUpperInvariant()}@BU\u0308CHER.example", "USER." + id, $"0049151{digits}", $"+49 151 {digits}", $"+49 (0) 151/{digits}"];
        foreach (var name in names)
        {
            foreach (var member in (string[])["email", "username", "userName", "phoneNumber"])
            {
                var answer = await server.PostAsync("login", new Dictionary<string, string> { [member] = name, ["password"] = ApiServer.Password });
                Assert.True(answer.Status == HttpStatusCode.OK, $"{member} {name}: {answer.Text}");
                Assert.Equal(registered.Value("id"), (string)answer.Json["user"]!["id"]!);
            }
        }

        (await server.PostAsync("register", new { email = $"{id}@BU\u0308CHER.example", password = ApiServer.Password })).AssertFailure(409, "email_taken");
        (await server.PostAsync("register", new { email = $"other{id}@example.com", password = ApiServer.Password, phoneNumber = $"0049 151 {digits}" })).AssertFailure(409, "phone_number_taken");
    }

    // The long s becomes S and the Kelvin sign k where case is folded: what is typed finds the account, and the mail goes where the account says.
    [Theory]
    [InlineData("s", "\u017F")]
    [InlineData("k", "\u212A")]
    public async Task Codes_AskedForByALookAlikeOfAnAddress_GoToTheAddressThatIsStored(string letter, string lookAlike)
    {
        var id = Guid.NewGuid().ToString("N")[..12];
        var person = await server.RegisterAsync($"a{letter}{id}@example.com");
        var typed = $"a{lookAlike}{id}@example.com";
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("password/forgot", new { email = typed })).Status);
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("otp/generate", new { email = typed })).Status);
        await server.PostAsync("otp/generate", new { email = person.Email });
        await server.Messages.CodeAsync(person.Email);
        Assert.Equal(0, server.Messages.CountTo(typed));
        var registered = await server.PostAsync("register", new { email = typed, password = ApiServer.Password });
        Assert.True((int)registered.Status is 400 or 409, registered.Text);
    }

    [Fact]
    public async Task UserName_ThatIsAnotherAccountsAddress_IsNobodysToTake()
    {
        const string rule = "userName must be 3 to 64 letters, digits, dots, dashes or underscores";
        var victim = await server.RegisterAsync();
        var (person, tokens) = await server.SignedInAsync();
        foreach (var userName in (string[])[victim.Email, " " + victim.Email.ToUpperInvariant(), victim.Email.Replace('@', '\uFF20'), "@victim"])
        {
            (await server.PostAsync("register", new { email = $"p{Guid.NewGuid():N}@example.com", password = ApiServer.Password, userName })).AssertProblems(rule);
            (await server.PutAsync("users/" + person.Id, new { userName, currentPassword = person.Password }, tokens.Access)).AssertProblems(rule);
        }
    }

    [Fact]
    public async Task PhoneNumber_OfTheDefaultRegion_IsTakenOnEveryWayIn()
    {
        await using var german = await ApiServer.StartAsync(new() { ["DEFAULT_REGION"] = "DE" });
        var registered = await german.PostAsync("register", new { email = "ada@example.com", password = ApiServer.Password, phoneNumber = "0151 / 123 456 78" });
        Assert.Equal("+4915112345678", registered.Value("phoneNumber"));
        (await german.PostAsync("login", new { phoneNumber = "015112345678", password = ApiServer.Password })).AssertOk();
        var sent = await german.PostAsync("otp/generate", new { phoneNumber = "0151-12345678" });
        Assert.Equal("sms", sent.Value("channel"));
        Assert.Equal("+49*****78", sent.Value("destination"));
        (await german.PostAsync("otp/verify", new { phoneNumber = "0151 12345678", code = await german.Messages.CodeAsync("+4915112345678") })).AssertOk();
    }

    [Theory]
    [InlineData("{0} {1}")]
    [InlineData("{0}-{1}")]
    [InlineData("\u200B{0}\u00A0{1}\uFEFF")]
    public async Task Code_WithWhatCopyingAdds_IsRight(string form)
    {
        var person = await server.RegisterAsync();
        await server.PostAsync("otp/generate", new { email = person.Email });
        var code = await server.Messages.CodeAsync(person.Email);
        (await server.PostAsync("otp/verify", new { email = person.Email, code = string.Format(System.Globalization.CultureInfo.InvariantCulture, form, code[..3], code[3..]) })).AssertOk();
    }

    [Theory]
    [InlineData('\u0660')]
    [InlineData('\uFF10')]
    public async Task Code_InOtherDigits_IsRight(char zero)
    {
        var person = await server.RegisterAsync();
        await server.PostAsync("password/forgot", new { email = person.Email });
        var code = await server.Messages.CodeAsync(person.Email);
        (await server.PostAsync("password/reset", new { email = person.Email, code = string.Concat(code.Select(digit => (char)(zero + digit - '0'))), newPassword = "another sound phrase 8" })).AssertOk();
        await server.LoginAsync(person.Email, "another sound phrase 8");
    }

    [Fact]
    public async Task Code_AsANumber_IsRightAlsoWithoutItsLeadingZeros()
    {
        for (var zero = false; !zero;)
        {
            var person = await server.RegisterAsync();
            var sent = await server.PostAsync("otp/generate", new { email = person.Email });
            var code = await server.Messages.CodeAsync(person.Email);
            zero = code[0] == '0';
            (await server.PostAsync("otp/verify", $$"""{"otpId":"{{sent.Value("otpId")}}","otp":{{int.Parse(code, System.Globalization.CultureInfo.InvariantCulture)}}}""")).AssertOk();
        }
    }

    [Fact]
    public async Task Code_ThatIsNone_SpendsNoGuess()
    {
        var person = await server.RegisterAsync();
        var sent = await server.PostAsync("otp/generate", new { email = person.Email });
        var code = await server.Messages.CodeAsync(person.Email);
        foreach (var none in (object[])["12345", "1234567", "abcdef", "12 34", "12345\u00B2", 1234567, 1.5, "123456; 654321", "1e5", -12345])
        {
            (await server.PostAsync("otp/verify", new { otpId = sent.Value("otpId"), code = none })).AssertFailure(400, "otp_invalid");
            (await server.PostAsync("otp/verify", new { email = person.Email, code = none })).AssertFailure(400, "otp_invalid");
        }

        (await server.PostAsync("otp/verify", new { otpId = sent.Value("otpId"), code = true })).AssertProblems("code must be a string");
        (await server.PostAsync("otp/verify", new { otpId = sent.Value("otpId"), code })).AssertOk();
    }

    [Fact]
    public async Task ResetCode_ThatIsNone_SpendsNoGuess()
    {
        var person = await server.RegisterAsync();
        await server.PostAsync("password/forgot", new { email = person.Email });
        var code = await server.Messages.CodeAsync(person.Email);
        for (var i = 0; i < 8; i++)
        {
            (await server.PostAsync("password/reset", new { email = person.Email, code = "no code", newPassword = "another sound phrase 8" })).AssertFailure(400, "otp_invalid");
        }

        (await server.PostAsync("password/reset", new { email = " " + person.Email, code = " " + code, newPassword = "another sound phrase 8" })).AssertOk();
    }
}
