using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Data.Mongo;

/// <summary>Where the credentials and metadata of this database live, as the database itself says; nothing is noted where it never met MongoDB.</summary>
internal sealed class CredentialHome(StoreDatabase database, TimeProvider timeProvider)
{
    public const string Mongo = "mongodb";

    /// <summary>
    /// The home is about to change: nodes that know write neither here nor there what cannot be put in order afterwards, until all of them know.
    /// New passwords are rows, which are the truth wherever they are.
    /// </summary>
    public const string Closing = "closing";

    /// <summary>They are being brought back: rows are the truth, and nothing is moved to MongoDB or written there any more.</summary>
    public const string Leaving = "leaving";

    /// <summary>They were brought back. Nodes that still run with MONGO_URI go on as while leaving.</summary>
    public const string Relational = "relational";

    internal const string Name = "credentials_home";

    private readonly ShortCache<string, string> _cache = new(timeProvider);

    /// <summary>Whether rows are the truth, as of a second ago at most: then nothing may be written to MongoDB.</summary>
    public async ValueTask<bool> IsLeftAsync(CancellationToken cancellationToken) => await CurrentAsync(cancellationToken) is Closing or Leaving or Relational;

    public async ValueTask<bool> IsClosingAsync(CancellationToken cancellationToken) => await CurrentAsync(cancellationToken) is Closing;

    /// <summary>Notes another home; other nodes know within a second.</summary>
    public async Task ChangeAsync(string home, CancellationToken cancellationToken)
    {
        await NoteAsync(database, home, replaces: true, cancellationToken);
        _cache.Remove("");
    }

    public static Task<string?> ReadAsync(StoreDatabase database, CancellationToken cancellationToken) =>
        database.ReadAsync((context, token) => context.StoreValues.Where(r => r.Name == Name).Select(r => r.Value).FirstOrDefaultAsync(token), cancellationToken);

    /// <param name="database">Whose.</param>
    /// <param name="home">One of the above.</param>
    /// <param name="replaces">False: what is noted already stays.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static Task NoteAsync(StoreDatabase database, string home, bool replaces, CancellationToken cancellationToken)
    {
        var set = new Dictionary<string, string>(StringComparer.Ordinal);
        if (replaces)
        {
            set["value"] = "excluded.value";
        }

        var insert = database.Dialect.Upsert("store_values", ["name"], ["name", "value"], set, where: null);
        object[] values = [Name, home];
        return database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(insert, values, token), cancellationToken);
    }

    private ValueTask<string?> CurrentAsync(CancellationToken cancellationToken) => _cache.GetAsync("", (_, token) => ReadAsync(database, token), cancellationToken);
}
