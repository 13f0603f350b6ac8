// GDPR Art. 15, 17 and 20: second factors, devices and notices are told without a secret, and erased with the account.
using System.Net;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Data;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.SignIn;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.SecondFactors;

[Collection(nameof(FactorServer))]
public sealed class FactorDataTests(FactorServer server)
{
    private static readonly string[] Members = ["secondFactors", "recoveryCodes", "rememberedBrowsers", "knownDevices", "accessNotices"];

    [Fact]
    public async Task Data_OfSomebodyWithFactors_TellsKindsAndTimesAndNoSecret_AndDeletionErasesAll()
    {
        var ada = await server.ArmedAsync();
        var id = Guid.Parse(ada.Person.Id);
        var (mfaToken, _) = await server.BeginAsync(ada.Person);
        (await server.PostAsync("login", new { mfaToken, code = server.Totp(ada.Secret) })).AssertOk();
        await server.Services.GetRequiredService<KnownDevices>().RememberAsync(id, new Caller("127.0.0.1", "Firefox") { DeviceId = "the phone of Ada" }, TestContext.Current.CancellationToken);
        var proofs = server.Services.GetRequiredService<IFactorProofStore>();
        var now = server.Time.GetUtcNow();
        await proofs.RememberAsync(new RememberedBrowser(Guid.CreateVersion7(now), id, "hash-of-a-browser", "stamp", now, now, now.AddDays(30), "127.0.0.1", "Firefox"), notice: null, TestContext.Current.CancellationToken);
        await server.Messages.WithAsync(ada.Person.Email, "A second step was added");

        var answer = await server.GetAsync($"users/{id}/data", ada.Tokens.Access);
        answer.AssertOk();
        var factor = Assert.Single(answer.Json["secondFactors"]!.AsArray())!;
        Assert.Equal("totp", (string)factor["kind"]!);
        Assert.NotNull(factor["createdAt"]);
        Assert.NotNull(factor["lastUsedAt"]);
        Assert.Equal(10, answer.Json["recoveryCodes"]!.AsArray().Count);
        Assert.Equal("Firefox", (string)Assert.Single(answer.Json["rememberedBrowsers"]!.AsArray())!["userAgent"]!);
        Assert.NotEmpty(answer.Json["knownDevices"]!.AsArray());
        Assert.NotEmpty(answer.Json["accessNotices"]!.AsArray());
        var stored = Assert.Single(await server.Services.GetRequiredService<ISecondFactorStore>().ListAsync(id, TestContext.Current.CancellationToken));
        foreach (var secret in (string[])[ada.Secret, stored.Data, stored.Slot, "hash-of-a-browser", .. ada.RecoveryCodes, "codeHash", "tokenHash", "\"key\""])
        {
            Assert.DoesNotContain(secret, answer.Text, StringComparison.OrdinalIgnoreCase);
        }

        Assert.Equal(HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Delete, $"users/{id}", null, (await server.AdminAsync()).Access)).Status);
        Assert.All(await CountAsync(id), table => Assert.True(table.Value == 0, table.Key));
        Assert.Empty(await server.Services.GetRequiredService<ISecondFactorStore>().ListAsync(id, TestContext.Current.CancellationToken));
    }

    private Task<Dictionary<string, long>> CountAsync(Guid id)
    {
        var database = server.Services.GetRequiredService<StoreDatabase>();
        return database.ReadAsync(
            async (context, token) =>
            {
                var counts = new Dictionary<string, long>(StringComparer.Ordinal);
                foreach (var (type, property) in AccountErasure.PersonalTables(context.Model).Where(table => Members.Contains(table.Type.GetTableName()!.Replace("_", "", StringComparison.Ordinal), StringComparer.OrdinalIgnoreCase)))
                {
                    object value = property.ClrType == typeof(string) ? id.ToString() : database.Dialect.Id(id);

                    // Names of the model, none of a request.
                    var statement = "SELECT COUNT(*) AS \"Value\" FROM \"" + type.GetTableName() + "\" WHERE \"" + property.GetColumnName() + "\" = {0}";
                    counts[type.GetTableName()!] = await context.Database.SqlQueryRaw<long>(statement, value).SingleAsync(token);
                }

                Assert.Equal(Members.Length, counts.Count);
                return counts;
            },
            TestContext.Current.CancellationToken);
    }
}
