using System.Globalization;
using Identity.Accounts;
using Identity.Accounts.Passwords;
using Microsoft.AspNetCore.Identity;

namespace Identity.Tests.Accounts.Passwords;

public sealed class PasswordPolicyTests
{
    [Theory]
    [InlineData("walnut ferry tangerine")]
    [InlineData("ααααβγδε")]
    [InlineData("        long spaces        ")]
    [InlineData("🐘🐙🐢🐝🐳🦊🐧🐺")]
    [InlineData("1357924680135")]
    [InlineData("90817263544536")]
    public async Task FindProblems_WhenLongAndUncommon_FindsNone(string password)
    {
        await using var world = new World();
        Assert.Empty(world.Get<PasswordPolicy>().FindProblems(password, ["ada@example.com"]));
    }

    [Theory]
    [InlineData("🐘🐙🐢🐝🐳🦊🐧", "must be at least 8 characters long")]
    [InlineData("short", "must be at least 8 characters long")]
    [InlineData("password", "is one that attackers try first: choose another, a few unrelated words for example")]
    [InlineData("PASSWORD123", "is one that attackers try first: choose another, a few unrelated words for example")]
    [InlineData("ｐａｓｓｗｏｒｄ", "is one that attackers try first: choose another, a few unrelated words for example")]
    [InlineData("aaaaaaaaaaaa", "is one that attackers try first: choose another, a few unrelated words for example")]
    [InlineData("12345678910", "is one that attackers try first: choose another, a few unrelated words for example")]
    [InlineData("1234567891011", "is one that attackers try first: choose another, a few unrelated words for example")]
    [InlineData("89012345678", "is one that attackers try first: choose another, a few unrelated words for example")]
    [InlineData("3210987654", "is one that attackers try first: choose another, a few unrelated words for example")]
    [InlineData("10987654321", "is one that attackers try first: choose another, a few unrelated words for example")]
    [InlineData("9899100101102", "is one that attackers try first: choose another, a few unrelated words for example")]
    [InlineData("12345678910!", "is one that attackers try first: choose another, a few unrelated words for example")]
    [InlineData("hgfedcba", "is one that attackers try first: choose another, a few unrelated words for example")]
    [InlineData("lovelace@example.com", "must not be your name or e-mail address")]
    [InlineData("Lovelace2024", "must not be your name or e-mail address")]
    public async Task FindProblems_WhenGuessable_SaysWhatToDo(string password, string problem)
    {
        await using var world = new World();
        Assert.Equal([problem], world.Get<PasswordPolicy>().FindProblems(password, ["lovelace@example.com"]));
    }

    [Fact]
    public async Task FindProblems_WhenLengthsAreAtTheLimits_CountsCodePoints()
    {
        await using var world = new World();
        var policy = world.Get<PasswordPolicy>();
        Assert.Empty(policy.FindProblems(string.Concat(Enumerable.Repeat("🐘x", 64)), []));
        Assert.Equal(["must be at most 128 characters long"], policy.FindProblems(string.Concat(Enumerable.Repeat("🐘x", 64)) + "x", []));
        Assert.NotEmpty(policy.FindProblems("walnut \ud800 ferry", []));
    }

    [Fact]
    public async Task FindProblems_WhenThePersonReadsGerman_SpeaksGerman()
    {
        await using var world = new World();
        var before = CultureInfo.CurrentUICulture;
        try
        {
            CultureInfo.CurrentUICulture = CultureInfo.GetCultureInfo("de-AT");
            Assert.Equal(["muss mindestens 8 Zeichen lang sein"], world.Get<PasswordPolicy>().FindProblems("kurz", []));
        }
        finally
        {
            CultureInfo.CurrentUICulture = before;
        }
    }

    [Fact]
    public async Task Hash_WhenMade_IsIdentityV3WithTheIterationsAsked()
    {
        await using var world = new World(options => options.PasswordHashIterations = 1234, realHasher: true);
        var hash = Convert.FromBase64String(await world.Get<PasswordHashing>().HashAsync("é", World.Cancel));
        Assert.Equal(1, hash[0]);
        Assert.Equal([0, 0, 0, 2], hash[1..5]);
        Assert.Equal(1234, System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(hash.AsSpan(5)));
        Assert.Equal(PasswordVerificationResult.Success, await world.Get<PasswordHashing>().VerifyAsync(Convert.ToBase64String(hash), "e\u0301", World.Cancel));
        Assert.Equal(PasswordVerificationResult.Failed, await world.Get<PasswordHashing>().VerifyAsync(Convert.ToBase64String(hash), "e", World.Cancel));
        await using var stronger = new World(options => options.PasswordHashIterations = 2345, realHasher: true);
        Assert.Equal(PasswordVerificationResult.SuccessRehashNeeded, await stronger.Get<PasswordHashing>().VerifyAsync(Convert.ToBase64String(hash), "é", World.Cancel));
    }

    [Theory]
    [InlineData(nameof(AccountsOptions.PasswordHashIterations), "Accounts:PasswordHashIterations: expected 210000 to 10000000 outside Development.")]
    [InlineData(nameof(AccountsOptions.MinimumPasswordLength), "Accounts:MinimumPasswordLength: expected 8 to 64.")]
    [InlineData(nameof(AccountsOptions.OneTimeCodeKey), "Accounts:OneTimeCodeKey: expected 32 bytes or more, derived from the master key by the host.")]
    public void Options_WhenUnusable_NamesTheSetting(string setting, string message)
    {
        var options = new AccountsOptions { OneTimeCodeKey = new byte[32] };
        Assert.True(new AccountsOptionsValidation(allowWeakHash: false).Validate(null, options).Succeeded);
        switch (setting)
        {
            case nameof(AccountsOptions.PasswordHashIterations):
                options.PasswordHashIterations = 209_999;
                Assert.True(new AccountsOptionsValidation(allowWeakHash: true).Validate(null, options).Succeeded);
                break;
            case nameof(AccountsOptions.MinimumPasswordLength):
                options.MinimumPasswordLength = 7;
                break;
            default:
                options.OneTimeCodeKey = [];
                break;
        }

        Assert.Equal([message], new AccountsOptionsValidation(allowWeakHash: false).Validate(null, options).Failures);
    }
}
