using Identity.Accounts.Audit;

namespace Identity.Tests.Kit.Conformance;

public abstract class AuditLogConformance(StoreFixture fixture) : StoreConformance<IAuditLog>(fixture)
{
    [Fact]
    public async Task List_AfterWrite_GivesEveryMemberBackNewestFirst()
    {
        var account = NewId();
        var records = new List<AuditRecord>();
        for (var i = 0; i < 3; i++)
        {
            records.Add(new(NewId(), Now, "sign_in", "wrong_password", account, "actor", "client", "sid", "::1", "agent"));
            await Store.WriteAsync(records[i], Cancel);
            Time.Advance(TimeSpan.FromSeconds(1));
        }

        await Store.WriteAsync(new(NewId(), Now, "sign_in", "unknown_user", null, null, null, null, null, null), Cancel);
        Assert.Equal(records.AsEnumerable().Reverse(), await Store.ListAsync(account, 10, Cancel));
        Assert.Equal([records[2]], await Store.ListAsync(account, 1, Cancel));
        Assert.Empty(await Store.ListAsync(NewId(), 10, Cancel));
        Assert.Equal(2, (await Store.ListAsync(accountId: null, 2, Cancel)).Count);
    }
}
