// RFC 9700 §4.14.2: whoever was told to come again is no thief. A rotation that the database does not answer is over while there is time to come again.
using System.Net;
using System.Security.Cryptography;
using Identity.OAuth;
using Identity.OAuth.Refresh;
using Identity.OAuth.Storage;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Identity.Tests.Security;

public sealed class SlowRotationTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0, null)]
    [InlineData(1, 1)]
    [InlineData(8.5, 1)]
    [InlineData(9, 1)]
    [InlineData(10, 2)]
    [InlineData(10.9, 2)]
    [InlineData(20, 12)]
    [InlineData(60, 20)]
    public void Rotation_ByTheWindow_LeavesTimeToComeAgain(double grace, int? seconds)
    {
        Assert.Equal(seconds is { } limit ? TimeSpan.FromSeconds(limit) : null, RefreshTokenGrant.RotationLimit(TimeSpan.FromSeconds(grace)));
        Assert.Equal(StoreOutage.RetryAfter, $"{StoreOutage.Wait.TotalSeconds}");
        Assert.True(grace < 9 || TimeSpan.FromSeconds(seconds!.Value + 3) + StoreOutage.Wait <= TimeSpan.FromSeconds(grace));
    }

    [Fact]
    public async Task Refresh_WhenItsRotationHangs_Is503InsideTheWindow_AndTheSameTokenWorksAfterwards()
    {
        await using var postgres = await PostgresServer.StartAsync();
        Assert.SkipWhen(postgres is null, PostgresServer.WhatIsMissing);
        var directory = Directory.CreateTempSubdirectory("identity-slow-rotation-test-");
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var settings = await RunningServer.WriteClientsAsync(directory.FullName, key);
        postgres.AddSettings(settings);
        await using (var server = await HostedServer.StartAsync(settings: settings.ToDictionary(setting => setting.Key.Replace("__", ":", StringComparison.Ordinal), setting => setting.Value, StringComparer.Ordinal)))
        {
            using var node = new AddressedNode(server.Url);
            using var browser = await node.SignedInAsync();
            var token = (string)(await node.TokensAsync(browser))["refresh_token"]!;
            var grace = server.Services.GetRequiredService<IOptions<OAuthOptions>>().Value.RefreshGrace;
            DateTimeOffset asked, answered;
            await using (var other = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Database = settings["DB_NAME"], Pooling = false }.ConnectionString))
            {
                await other.OpenAsync(Cancel);
                await using var transaction = await other.BeginTransactionAsync(Cancel);
                await using var locking = new NpgsqlCommand("SELECT 1 FROM authorizations FOR UPDATE", other, transaction);
                await locking.ExecuteNonQueryAsync(Cancel);

                asked = TimeProvider.System.GetUtcNow();
                using var refused = await node.Http.PostAsync(new Uri(node.Address, "/connect/token"), new FormUrlEncodedContent([new("grant_type", "refresh_token"), new("client_id", "spa"), new("refresh_token", token)]), Cancel);
                answered = TimeProvider.System.GetUtcNow();
                Assert.Equal((HttpStatusCode.ServiceUnavailable, StoreOutage.Wait), (refused.StatusCode, refused.Headers.RetryAfter?.Delta));
                await transaction.RollbackAsync(Cancel);
            }

            Assert.True(!TimeLimit.IsHeld || answered - asked + StoreOutage.Wait < grace, $"{answered - asked}");
            var (status, body) = await node.RefreshAsync(token);
            Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
            Assert.Equal(HttpStatusCode.OK, (await node.RefreshAsync((string)body["refresh_token"]!)).Status);
            Assert.Equal(HttpStatusCode.OK, await node.UserInfoAsync((string)body["access_token"]!));
        }

        directory.Delete(recursive: true);
    }
}
