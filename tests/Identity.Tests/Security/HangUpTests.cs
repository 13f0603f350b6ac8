using System.Net;
using System.Reflection;
using System.Security.Cryptography;
using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.Sessions;
using Identity.OAuth.Clients;
using Identity.OAuth.Refresh;
using Identity.OAuth.Sessions;
using Identity.Tests.Kit.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

/// <summary>Whoever asked goes away in the midst of it: what ends access is done whole.</summary>
public sealed class HangUpTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ReuseOfARefreshToken_WhenItsSenderHangsUp_StillEndsTheSession()
    {
        using var files = new TemporaryFiles();
        using var hangUp = new CancellationTokenSource();
        await using var server = await HostedServer.StartAsync(settings: await RunningServer.WriteClientsAsync(files.Path, files.Key));
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        var first = (string)(await node.TokensAsync(browser))["refresh_token"]!;
        var second = (string)(await node.RefreshAsync(first)).Body["refresh_token"]!;
        var third = (await node.RefreshAsync(second)).Body;

        var client = (await server.Services.GetRequiredService<ClientStore>().FindAsync("spa", Cancel))!;
        var sessions = new SignInSessions(Sessions(server, "FindAsync", hangUp), server.Services.GetRequiredService<ExternalSessions>());
        var answer = await ActivatorUtilities.CreateInstance<RefreshTokenGrant>(server.Services, sessions).ProveAsync(first, presented: null, scopes: [], requested: [], client, isBound: false, hangUp.Token);
        Assert.True(hangUp.IsCancellationRequested);
        Assert.False(answer.TryGet(out _, out _));
        Assert.Equal(HttpStatusCode.Unauthorized, await node.UserInfoAsync((string)third["access_token"]!));
        Assert.Equal("invalid_grant", (string?)(await node.RefreshAsync((string)third["refresh_token"]!)).Body["error"]);
    }

    [Fact]
    public async Task SignOutEverywhere_WhenWhoAskedHangsUp_EndsEverySession()
    {
        using var hangUp = new CancellationTokenSource();
        await using var server = await HostedServer.StartAsync();
        var account = await server.RegisterAsync("ada@example.com", Node.Password);
        var sessions = Sessions(server, "EndAsync", hangUp);
        for (var i = 0; i < 3; i++)
        {
            await sessions.StartAsync(account, ["pwd"], new Caller(null, null), Cancel);
        }

        await sessions.EndAllAsync(account.Id, SessionEndReasons.Logout, new Caller(null, null), hangUp.Token);
        Assert.True(hangUp.IsCancellationRequested);
        Assert.Empty(await sessions.ListAsync(account.Id, Cancel));
        Assert.Equal(3, await server.Services.GetRequiredService<StoreDatabase>().ReadAsync((context, token) => context.Set<AuditRow>().CountAsync(r => r.Action == "sign_out" && r.AccountId == account.Id, token), Cancel));
    }

    private static SessionService Sessions(HostedServer server, string at, CancellationTokenSource hangUp)
    {
        var proxy = DispatchProxy.Create<ISessionStore, HangingUp>();
        var hanging = (HangingUp)(object)proxy;
        (hanging.Store, hanging.At, hanging.HangUp) = (server.Services.GetRequiredService<ISessionStore>(), at, hangUp);
        return ActivatorUtilities.CreateInstance<SessionService>(server.Services, proxy);
    }

    private sealed class TemporaryFiles : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("identity-hang-up-test-").FullName;

        public ECDsa Key { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

        public void Dispose()
        {
            Key.Dispose();
            Directory.Delete(Path, recursive: true);
        }
    }

    /// <summary>The request is cancelled the moment that the store is asked this.</summary>
    public class HangingUp : DispatchProxy
    {
        public ISessionStore Store { get; set; } = null!;

        public string At { get; set; } = "";

        public CancellationTokenSource HangUp { get; set; } = null!;

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            if (targetMethod!.Name == At)
            {
                HangUp.Cancel();
            }

            return targetMethod.Invoke(Store, args);
        }
    }
}
