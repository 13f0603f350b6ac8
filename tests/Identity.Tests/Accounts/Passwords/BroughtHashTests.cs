using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Credentials;
using Identity.Accounts.Passwords;
using Identity.Tests.Kit;
using Identity.Tests.Repository;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Identity.Tests.Accounts.Passwords;

/// <summary>Hashes that other programs made (hashes/make.py says which).</summary>
public sealed class BroughtHashTests
{
    private static readonly Account Nobody = new() { Id = Guid.Empty, Email = "", NormalizedEmail = "" };

    private readonly AccountPasswordHasher _hasher = new(Options.Create(new PasswordHasherOptions { IterationCount = 1000 }), NullLogger<AccountPasswordHasher>.Instance);

    public static TheoryData<string, string, string> Made()
    {
        var data = new TheoryData<string, string, string>();
        foreach (var row in JsonNode.Parse(File.ReadAllText(Path.Combine(RepositoryRoot.Path, "tests/Identity.Tests/Accounts/Passwords/hashes/hashes.json")))!.AsArray())
        {
            data.Add($"{row!["form"]} by {row["madeBy"]}", (string)row["password"]!, (string)row["hash"]!);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Made))]
    public void Verify_OfAHashThatAnotherProgramMade_TakesItsPasswordAlone(string form, string password, string hash)
    {
        Assert.Null(BroughtHash.FindProblem(hash));
        Assert.True(_hasher.VerifyHashedPassword(Nobody, hash, password) == PasswordVerificationResult.SuccessRehashNeeded, form);
        foreach (var wrong in (string[])["", password[1..], password.ToUpperInvariant(), "x" + password])
        {
            // bcrypt reads 72 bytes and no more.
            if (!(form.StartsWith("bcrypt", StringComparison.Ordinal) && password.Length > 72 && wrong.StartsWith(password[..72], StringComparison.Ordinal)))
            {
                Assert.True(_hasher.VerifyHashedPassword(Nobody, hash, wrong) == PasswordVerificationResult.Failed, form);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Made))]
    public void Verify_OfAHashWhoseLastCharacterWasChanged_Fails(string form, string password, string hash)
    {
        // The last but two: the last characters hold unused bits.
        var at = hash.TrimEnd('=').Length - 3;
        var broken = hash[..at] + (hash[at] == 'a' ? 'b' : 'a') + hash[(at + 1)..];
        Assert.True(_hasher.VerifyHashedPassword(Nobody, broken, password) == PasswordVerificationResult.Failed, form);
    }

    [Fact]
    public void Verify_OfAPasswordTypedOnAnotherKeyboard_TakesBothForms()
    {
        var composed = "Pässwörd ☃ tangerine";
        var decomposed = composed.Normalize(NormalizationForm.FormD);
        Assert.NotEqual(composed, decomposed);
        foreach (var row in Made().Select(row => row.Data).Where(row => row.Item2 == composed))
        {
            Assert.Equal(PasswordVerificationResult.SuccessRehashNeeded, _hasher.VerifyHashedPassword(Nobody, row.Item3, decomposed));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("plain text")]
    [InlineData("5f4dcc3b5aa765d61d8327deb882cf99")]
    [InlineData("$1$abcdefgh$irWbblnpmw.5z7wgBnprh0")]
    [InlineData("$6$rounds=5000$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g.")]
    [InlineData("$2x$05$ZMFY4JsPLZmGzle/953doea7peBorWUIy31djGp04blQItyD.zoKW")]
    [InlineData("$2y$05$ZMFY4JsPLZmGzle/953doea7peBorWUIy31djGp04blQItyD.zoK")]
    [InlineData("$2b$99$ZMFY4JsPLZmGzle/953doea7peBorWUIy31djGp04blQItyD.zoKW")]
    [InlineData("$2b$15$ZMFY4JsPLZmGzle/953doea7peBorWUIy31djGp04blQItyD.zoKW")]
    [InlineData("$argon2d$v=19$m=8192,t=3,p=4$YW5vdGhlcnNhbHR2YWx1ZQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    [InlineData("$argon2id$v=16$m=8192,t=3,p=4$YW5vdGhlcnNhbHR2YWx1ZQ$pZMUI1dhJ2b1XahNDbDgYnqVBYGDKrB0Ag1t0xWn3b8")]
    [InlineData("$argon2id$v=19$m=99999999,t=1,p=1$YW5vdGhlcnNhbHR2YWx1ZQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    [InlineData("$argon2id$v=19$m=65536,t=9999,p=1$YW5vdGhlcnNhbHR2YWx1ZQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    [InlineData("$argon2id$v=19$m=262144,t=3,p=999$YW5vdGhlcnNhbHR2YWx1ZQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    [InlineData("$argon2id$v=19$m=0,t=0,p=0$YW5vdGhlcnNhbHR2YWx1ZQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    [InlineData("$argon2id$v=19$m=4096,t=2,p=1$c29tZXNhbHQxNmJ5dGVzIQ$x")]
    [InlineData("$pbkdf2-sha256$i=99999999,l=32$c29tZXNhbHQxNmJ5dGVzIQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    [InlineData("$pbkdf2-sha256$i=0$c29tZXNhbHQxNmJ5dGVzIQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    [InlineData("$pbkdf2-md5$i=1000$c29tZXNhbHQxNmJ5dGVzIQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    [InlineData("$scrypt$ln=30,r=8,p=1$c29tZXNhbHQxNmJ5dGVzIQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    [InlineData("$scrypt$ln=17,r=8,p=64$c29tZXNhbHQxNmJ5dGVzIQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    [InlineData("$scrypt$ln=20,r=1024,p=1$c29tZXNhbHQxNmJ5dGVzIQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    [InlineData("$scrypt$ln=0,r=0,p=0$c29tZXNhbHQxNmJ5dGVzIQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    // Identity v3 with 4,294,967,295 iterations, with a PRF of nobody, of no length, and base64 that is none.
    [InlineData("AQAAAAL/////AAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")]
    [InlineData("AQAAAAkAAABkAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")]
    [InlineData("AQAAAAIAAABk/////wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")]
    [InlineData("AQ==")]
    [InlineData("AA==")]
    [InlineData("AQAAAAIA!!!")]
    public void Verify_OfAHashThatIsUnknownOrCostsTooMuch_IsRefusedAtOnce(string hash)
    {
        Assert.NotNull(BroughtHash.FindProblem(hash));
        var watch = Stopwatch.StartNew();
        Assert.Equal(PasswordVerificationResult.Failed, _hasher.VerifyHashedPassword(Nobody, hash, "correct horse battery"));
        Assert.True(watch.Elapsed < TimeLimit.Seconds(2), watch.Elapsed.ToString());
    }

    [Theory]
    [InlineData("$2b$14$ZMFY4JsPLZmGzle/953doea7peBorWUIy31djGp04blQItyD.zoKW")]
    [InlineData("$argon2id$v=19$m=65536,t=4,p=1$YW5vdGhlcnNhbHR2YWx1ZQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    [InlineData("$argon2id$v=19$m=262144,t=3,p=1$YW5vdGhlcnNhbHR2YWx1ZQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    [InlineData("$pbkdf2-sha256$i=1200000,l=32$c29tZXNhbHQxNmJ5dGVzIQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    [InlineData("$scrypt$ln=17,r=8,p=1$c29tZXNhbHQxNmJ5dGVzIQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    public void FindProblem_OfTheDefaultsOfOtherSystems_FindsNone(string hash) => Assert.Null(BroughtHash.FindProblem(hash));

    // RFC 7914 §12, but the one without salt and with a block of one, which no store holds.
    [Theory]
    [InlineData("password", "NaCl", 10, 8, 16, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640")]
    [InlineData("pleaseletmein", "SodiumChloride", 14, 8, 1, "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887")]
    public void Verify_WhenTheHashIsAVectorOfTheScryptRfc_TakesItsPassword(string password, string salt, int ln, int r, int p, string key)
    {
        var hash = $"$scrypt$ln={ln},r={r},p={p}${Convert.ToBase64String(Encoding.ASCII.GetBytes(salt)).TrimEnd('=')}${Convert.ToBase64String(Convert.FromHexString(key)).TrimEnd('=')}";
        Assert.Equal(PasswordVerificationResult.SuccessRehashNeeded, _hasher.VerifyHashedPassword(Nobody, hash, password));
        Assert.Equal(PasswordVerificationResult.Failed, _hasher.VerifyHashedPassword(Nobody, hash, password + "x"));
    }

    [Fact]
    public async Task SignIn_WithAHashThatWasBroughtAlong_StoresItAnewAndTheSessionsLive()
    {
        await using var world = new World(realHasher: true);
        var account = await world.AddAsync();
        var first = await world.SignedInAsync();
        const string bcrypt = "$2b$10$qPdd.SX5B0W4crLYo60HAO9oVhTR1rWySATmvIGcF9mrmqVUrL5yC";
        await PutAsync(world, account, bcrypt);

        Assert.IsType<Identity.Accounts.SignIn.SignInAttempt.Refused>(await world.SignInAsync(password: "wrong horse battery"));
        Assert.Equal(bcrypt, (await world.CredentialsAsync(account))!.PasswordHash);
        await world.SignedInAsync(password: "correct horse battery");
        var stored = (await world.CredentialsAsync(account))!.PasswordHash!;
        Assert.Equal(1, Convert.FromBase64String(stored)[0]);
        await world.SignedInAsync(password: "correct horse battery");
        Assert.Equal(stored, (await world.CredentialsAsync(account))!.PasswordHash);
        Assert.NotNull(await world.Sessions.FindLiveAsync(first.Id, World.Cancel));
    }

    [Fact]
    public async Task SignIn_When50RaceOverAHashThatWasBroughtAlong_AllSucceedAndOneStoresItAnew()
    {
        await using var world = new World(realHasher: true);
        var account = await world.AddAsync();
        await PutAsync(world, account, "$2y$05$ZMFY4JsPLZmGzle/953doea7peBorWUIy31djGp04blQItyD.zoKW");
        var attempts = await World.RaceAsync(_ => world.SignInAsync(password: "correct horse battery"));
        Assert.All(attempts, attempt => Assert.IsType<Identity.Accounts.SignIn.SignInAttempt.Succeeded>(attempt));
        Assert.Equal(1, Convert.FromBase64String((await world.CredentialsAsync(account))!.PasswordHash!)[0]);
    }

    private static async Task PutAsync(World world, Account account, string hash)
    {
        var credentials = world.Get<ICredentialStore>();
        var before = (await world.CredentialsAsync(account))!.PasswordHash;
        Assert.True(await credentials.TrySetPasswordAsync(account.Id, before, hash, world.Time.GetUtcNow(), World.Cancel));
    }
}
