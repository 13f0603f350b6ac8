using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.ServiceDefaults.Settings;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using SQLitePCL;

namespace Identity.Data.Tests.Sql;

/// <summary>What SQLite has compiled on a connection is seen in SQLite's own list of statements.</summary>
public sealed class PreparedStatementsTests : IAsyncLifetime
{
    // More than once is not enough to be kept.
    private const int Often = 20;

    private readonly TemporaryDirectory _directory = new();
    private StoreHost _host = null!;
    private IdentityDbContext _context = null!;

    public async ValueTask InitializeAsync()
    {
        _host = await StoreHost.StartAsync(StorageSettings.Embedded(_directory.Path));
        _context = _host.Get<StoreDatabase>().CreateContext();
        ((SqliteConnection)_context.Database.GetDbConnection()).Handle!.enable_sqlite3_next_stmt(true);
    }

    public async ValueTask DisposeAsync()
    {
        await _context.DisposeAsync();
        await _host.DisposeAsync();
        _directory.Dispose();
    }

    [Fact]
    public async Task Statement_WhenItComesAgain_IsCompiledOnceAndAnswersWhatIsAskedEachTime()
    {
        for (var i = 0; i < Often; i++)
        {
            Assert.Equal(1, await AddAsync($"id-{i}"));
            Assert.Equal([$"id-{i}"], await FindAsync($"id-{i}"));
            Assert.Empty(await FindAsync($"id-{i + 1}"));
        }

        Assert.Single(Compiled(), text => text.Contains("FROM \"deny_entries\"", StringComparison.Ordinal) || text.Contains("FROM deny_entries", StringComparison.Ordinal));
        Assert.Single(Compiled(), text => text.Contains("INSERT", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Statement_WhenItComesRarely_IsNotKept()
    {
        await FindAsync("id");
        Assert.Empty(Compiled());
    }

    [Fact]
    public async Task Statement_WhileItIsReadFrom_IsCompiledAnewForTheSecondReader()
    {
        foreach (var id in new[] { "a", "b", "c" })
        {
            await AddAsync(id);
        }

        for (var i = 0; i < Often; i++)
        {
            List<string> inner = [];
            await foreach (var outer in _context.DenyEntries.OrderBy(entry => entry.Id).Select(entry => entry.Id).AsAsyncEnumerable())
            {
                inner.AddRange(await _context.DenyEntries.OrderBy(entry => entry.Id).Select(entry => entry.Id).ToListAsync());
            }

            Assert.Equal(["a", "b", "c", "a", "b", "c", "a", "b", "c"], inner);
        }
    }

    [Fact]
    public async Task Statement_AfterARowWasRefused_IsGoodForTheNext()
    {
        for (var i = 0; i < Often; i++)
        {
            await AddAsync($"id-{i}");
            await Assert.ThrowsAsync<SqliteException>(() => AddAsync($"id-{i}"));
        }

        Assert.Equal(Often, await _context.DenyEntries.CountAsync());
    }

    [Fact]
    public async Task Statement_WhenTheSchemaChanges_IsCompiledAgain()
    {
        for (var i = 0; i < Often; i++)
        {
            await FindAsync("id");
        }

        await using (var other = _host.Get<StoreDatabase>().CreateContext())
        {
            await other.Database.ExecuteSqlRawAsync("ALTER TABLE deny_entries ADD COLUMN note TEXT NOT NULL DEFAULT ''; INSERT INTO deny_entries (id, granted_until, expires_at) VALUES ('id', 1, 1)");
        }

        Assert.Equal(["id"], await FindAsync("id"));
    }

    [Fact]
    public async Task Statements_OfManyTexts_AreKeptUpToABound()
    {
        for (var text = 0; text < PreparedStatements.MostKept * 2; text++)
        {
            for (var i = 0; i < Often; i++)
            {
                Assert.Equal(0, await _context.DenyEntries.TagWith($"{text}").CountAsync());
            }
        }

        Assert.Equal(PreparedStatements.MostKept, Compiled().Count);
    }

    [Fact]
    public async Task Statements_WhenOthersComeNow_GiveWay()
    {
        async Task SendAsync(string text, int times)
        {
            for (var i = 0; i < times; i++)
            {
                Assert.Equal(0, await _context.DenyEntries.TagWith(text).CountAsync());
            }
        }

        for (var text = 0; text < PreparedStatements.MostKept; text++)
        {
            await SendAsync($"early {text}", Often);
        }

        // Kept ones that still come stay, and one that came once more than the others does.
        await SendAsync("early 0", Often);
        await SendAsync("late", PreparedStatements.GivesWayAfter);
        var kept = Compiled();
        Assert.Equal(PreparedStatements.MostKept, kept.Count);
        Assert.Contains(kept, text => text.Contains("-- late", StringComparison.Ordinal));
        Assert.Contains(kept, text => text.Contains("-- early 0\n", StringComparison.Ordinal));
        Assert.DoesNotContain(kept, text => text.Contains("-- early 1\n", StringComparison.Ordinal));
    }

    private Task<int> AddAsync(string id) => _context.Database.ExecuteSqlRawAsync("INSERT INTO deny_entries (id, granted_until, expires_at) VALUES ({0}, 1, 1)", id);

    private Task<List<string>> FindAsync(string id) => _context.DenyEntries.Where(entry => entry.Id == id).Select(entry => entry.Id).ToListAsync();

    private List<string> Compiled()
    {
        var database = ((SqliteConnection)_context.Database.GetDbConnection()).Handle!;
        List<string> texts = [];
        for (var statement = raw.sqlite3_next_stmt(database, null); statement is { IsInvalid: false }; statement = raw.sqlite3_next_stmt(database, statement))
        {
            texts.Add(raw.sqlite3_sql(statement).utf8_to_string());
        }

        return texts;
    }
}
