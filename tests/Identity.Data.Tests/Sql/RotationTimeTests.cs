using Identity.Accounts.Data;
using Identity.OAuth.Refresh;
using Identity.OAuth.Storage;
using Identity.Tests.Kit.Conformance;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Identity.Data.Tests.Sql;

/// <summary>The window in which an older refresh token gets the same successor begins when the rotation is done, however long it was on its way, and a server that hangs is soon given up.</summary>
public sealed class RotationTimeTests(PostgresFixture fixture)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Rotation_WhenItIsDoneLate_CountsFromThen()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewDatabaseAsync());
        var sent = TimeProvider.System.GetUtcNow().AddSeconds(-20);
        var rotated = await RotateAsync(host, sent);
        Assert.InRange(rotated, sent.AddSeconds(19), TimeProvider.System.GetUtcNow().AddSeconds(1));
    }

    // Nodes and servers keep time together; where one does not, the window must not stay open for as much.
    [Fact]
    public async Task Rotation_WhenTheServersClockIsFarFromOurs_CountsByOursButForHalfAMinute()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewDatabaseAsync());
        var (past, future) = (new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero), DateTimeOffset.FromUnixTimeSeconds(TimeProvider.System.GetUtcNow().ToUnixTimeSeconds()).AddHours(1));
        Assert.Equal(past.AddSeconds(30), await RotateAsync(host, past));
        Assert.Equal(future, await RotateAsync(host, future));
    }

    [Fact]
    public async Task Rotation_WhenTheServerHangs_IsGivenUpInItsOwnTime_AndStatementsAfterHaveTheirs()
    {
        var settings = await fixture.NewDatabaseAsync();
        settings = settings with { ConnectionString = new NpgsqlConnectionStringBuilder(settings.ConnectionString) { CommandTimeout = 77 }.ConnectionString };
        await using var host = await StoreHost.StartAsync(settings);
        var (families, database) = (host.Get<RefreshFamilies>(), host.Get<StoreDatabase>());
        var now = TimeProvider.System.GetUtcNow();
        var family = RefreshFamilyStoreConformance.NewFamily(Guid.CreateVersion7(now), now);
        await families.CreateAsync(family, Cancel);

        await using var other = new NpgsqlConnection(settings.ConnectionString);
        await other.OpenAsync(Cancel);
        await using var transaction = await other.BeginTransactionAsync(Cancel);
        await using (var locking = new NpgsqlCommand("SELECT 1 FROM authorizations FOR UPDATE", other, transaction))
        {
            await locking.ExecuteNonQueryAsync(Cancel);
        }

        var thrown = await Assert.ThrowsAnyAsync<Exception>(() => families.TryRotateAsync(family.Id, 1, now, Cancel, TimeSpan.FromSeconds(1)));
        Assert.True(StoreOutage.Is(thrown), thrown.ToString());
        await transaction.RollbackAsync(Cancel);

        // What was given up was called off as well.
        Assert.Equal(1, (await families.FindAsync(family.Id, Cancel))!.Generation);
        Assert.True(await families.TryRotateAsync(family.Id, 1, now, Cancel, TimeSpan.FromSeconds(1)));
        Assert.Equal(77, await database.WriteAsync((context, _) => Task.FromResult(context.Database.GetCommandTimeout() ?? new NpgsqlConnectionStringBuilder(context.Database.GetConnectionString()).CommandTimeout), Cancel));
    }

    private static async Task<DateTimeOffset> RotateAsync(StoreHost host, DateTimeOffset now)
    {
        var families = host.Get<RefreshFamilies>();
        var family = RefreshFamilyStoreConformance.NewFamily(Guid.CreateVersion7(now), now);
        await families.CreateAsync(family, Cancel);
        Assert.True(await families.TryRotateAsync(family.Id, 1, now, Cancel));
        return (await families.FindAsync(family.Id, Cancel))!.RotatedAt;
    }
}
