using System.Text.Json.Nodes;
using Identity.Accounts.Credentials;
using Identity.Tests.Api;
using Identity.Tests.Repository;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

/// <summary>Hashes that other systems made, over HTTP.</summary>
public sealed class BroughtHashOverHttpTests(ApiServer server)
{
    [Fact]
    public async Task Login_WithEveryFormOfHash_SucceedsAndWithAWrongPasswordIsRefused()
    {
        foreach (var row in JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(RepositoryRoot.Path, "tests/Identity.Tests/Accounts/Passwords/hashes/hashes.json"), TestContext.Current.CancellationToken))!.AsArray())
        {
            var person = await server.RegisterAsync();
            await PutAsync(person, (string)row!["hash"]!);
            (await server.PostAsync("login", new { email = person.Email, password = "another pass phrase" })).AssertFailure(401, "invalid_credentials");
            await server.LoginAsync(person.Email, (string)row["password"]!);
            var stored = await StoredAsync(person);
            Assert.True(stored.StartsWith("AQAAAA", StringComparison.Ordinal), stored);
            await server.LoginAsync(person.Email, (string)row["password"]!);
        }
    }

    [Theory]
    [InlineData("$9y$unknown$form")]
    [InlineData("not base64!")]
    [InlineData("$argon2id$v=19$m=99999999,t=1,p=1$YW5vdGhlcnNhbHR2YWx1ZQ$2FGlvlez78mLRkIWiVR5HIuKlJA28F+iE6drQZNo0OE")]
    public async Task Login_WithAHashOfAnUnknownForm_IsTheOrdinaryRefusalAndOneLogLineWithoutTheHash(string hash)
    {
        var person = await server.RegisterAsync();
        await PutAsync(person, hash);
        var before = server.Logs.Lines.Count(line => line.Contains("of a form that cannot be checked", StringComparison.Ordinal));
        (await server.PostAsync("login", new { email = person.Email, password = person.Password })).AssertFailure(401, "invalid_credentials");
        var lines = server.Logs.Lines.Where(line => line.Contains("of a form that cannot be checked", StringComparison.Ordinal)).Skip(before).ToList();
        Assert.DoesNotContain(hash, Assert.Single(lines), StringComparison.Ordinal);
        Assert.Equal(hash, await StoredAsync(person));
    }

    private async Task PutAsync(Person person, string hash) => Assert.True(await server.Services.GetRequiredService<ICredentialStore>()
        .TrySetPasswordAsync(Guid.Parse(person.Id), await StoredAsync(person), hash, server.Time.GetUtcNow(), TestContext.Current.CancellationToken));

    private async Task<string> StoredAsync(Person person) =>
        (await server.Services.GetRequiredService<ICredentialStore>().FindAsync(Guid.Parse(person.Id), TestContext.Current.CancellationToken))!.PasswordHash!;
}
