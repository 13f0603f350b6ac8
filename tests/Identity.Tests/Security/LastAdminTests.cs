// OWASP ASVS 5.0 §8.1, docs/decisions/0009-people.md: somebody is always left who may let the others in.
using System.Net;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Tests.Api;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

public sealed class LastAdminTests
{
    [Fact]
    public async Task LastAdmin_ByAnyDoor_StaysOne()
    {
        await using var server = await ApiServer.StartAsync([]);
        var admin = await server.AdminAsync();
        var id = await IdAsync(server, admin);
        (await server.PutAsync($"users/{id}", new { isActive = false }, admin.Access)).AssertFailure(409, "last_admin");
        (await server.PutAsync($"users/{id}", new { roles = Array.Empty<string>() }, admin.Access)).AssertFailure(409, "last_admin");
        (await server.SendAsync(HttpMethod.Delete, $"users/{id}", new { currentPassword = ApiServer.Password }, admin.Access)).AssertFailure(409, "last_admin");

        // Somebody who has the role but may not sign in is no administrator.
        var (person, _) = await server.SignedInAsync();
        (await server.PutAsync($"users/{person.Id}", new { roles = new[] { "admin" }, isActive = false }, admin.Access)).AssertOk();
        (await server.PutAsync($"users/{id}", new { roles = Array.Empty<string>() }, admin.Access)).AssertFailure(409, "last_admin");

        // Nor does the store, which the command line and ASP.NET Core Identity write through, let it go.
        var accounts = server.Services.GetRequiredService<IAccountStore>();
        var account = (await accounts.FindAsync(id, TestContext.Current.CancellationToken))!;
        account.IsActive = false;
        Assert.Equal(AccountWrite.LastAdmin, await accounts.UpdateAsync(account, account.Version, [], TestContext.Current.CancellationToken));
        Assert.Equal(Erasure.LastAdmin, await server.Services.GetRequiredService<AccountErasure>().EraseAsync(id, expectedVersion: null, new Caller(null, null), TestContext.Current.CancellationToken));
        await using var scope = server.Services.CreateAsyncScope();
        var users = scope.ServiceProvider.GetRequiredService<UserManager<Account>>();
        var found = (await users.FindByIdAsync(id.ToString("D")))!;
        found.Roles = [];
        Assert.Equal("LastAdmin", Assert.Single((await users.UpdateAsync(found)).Errors).Code);

        (await server.GetAsync("users?limit=1", admin.Access)).AssertOk();

        // With a second one the first may go.
        (await server.PutAsync($"users/{person.Id}", new { isActive = true }, admin.Access)).AssertOk();
        Assert.Equal(HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Delete, $"users/{id}", new { currentPassword = ApiServer.Password }, admin.Access)).Status);
        var other = await server.LoginAsync(person.Email);
        (await server.PutAsync($"users/{person.Id}", new { isActive = false }, other.Access)).AssertFailure(409, "last_admin");
    }

    [Fact]
    public async Task TwoAdmins_RemovingEachOtherFiftyTimesAtOnce_LeaveOne()
    {
        await using var server = await ApiServer.StartAsync([]);
        var first = await server.AdminAsync();
        var firstId = await IdAsync(server, first);
        for (var round = 0; round < 4; round++)
        {
            var (person, _) = await server.SignedInAsync();
            (await server.PutAsync($"users/{person.Id}", new { roles = new[] { "admin" }, isActive = true }, first.Access)).AssertOk();
            var second = await server.LoginAsync(person.Email);
            var secondId = Guid.Parse(person.Id);
            var start = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var attempts = Enumerable.Range(0, 50).Select(i => Task.Run(async () =>
            {
                await start.Task;
                var (by, whom) = i % 2 == 0 ? (first, secondId) : (second, firstId);
                return i % 3 == 2
                    ? await server.SendAsync(HttpMethod.Delete, $"users/{whom}", null, by.Access)
                    : await server.PutAsync($"users/{whom}", i % 3 == 0 ? (object)new { isActive = false } : new { roles = Array.Empty<string>() }, by.Access);
            })).ToArray();
            start.SetResult();
            await Task.WhenAll(attempts);
            var left = (await server.Services.GetRequiredService<IAccountStore>().SearchAsync(new AccountFilter(null, "admin", true), null, 10, TestContext.Current.CancellationToken)).ToList();
            var winner = Assert.Single(left);
            (first, firstId) = winner.Id == firstId ? (first, firstId) : (second, secondId);
            (await server.GetAsync("users?limit=1", first.Access)).AssertOk();
        }
    }

    private static async Task<Guid> IdAsync(ApiServer server, Tokens tokens) => Guid.Parse((await server.GetAsync("users/me", tokens.Access)).Value("id"));
}
