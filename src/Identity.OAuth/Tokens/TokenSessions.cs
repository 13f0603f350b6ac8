// RFC 7009 and OpenID Connect Core §2 (sid): whether what a person's access token hangs on still lives, in one statement where all of it is in the database.
using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Sessions;
using Identity.OAuth.Storage;
using Microsoft.EntityFrameworkCore;

namespace Identity.OAuth.Tokens;

/// <summary>The live session that a token hangs on.</summary>
/// <param name="Subject"><c>sub</c>.</param>
/// <param name="Account">The same person's account where it was read with the session; null: it was not.</param>
public sealed record TokenSession(string Subject, Account? Account);

/// <summary>Sessions of access tokens, each with what may have denied its token.</summary>
public sealed class TokenSessions
{
    private readonly StoreDatabase _database;
    private readonly IDenyList _denyList;
    private readonly ISessionStore _sessions;
    private readonly TimeProvider _timeProvider;

    // Null where the database is in the process: a read is no round trip then.
    private readonly GroupedReads<Question, Row?>? _grouped;

    private readonly Func<IdentityDbContext, string, string, string, string, DateTimeOffset, DateTimeOffset, CancellationToken, Task<Row?>> _one =
        EF.CompileAsyncQuery((IdentityDbContext context, string sid, string first, string second, string third, DateTimeOffset began, DateTimeOffset now, CancellationToken token) =>
            context.Sessions
                .Where(session => session.Id == sid && session.EndedAt == null)
                .Join(context.Accounts.Where(account => account.IsActive), session => session.AccountId, account => account.Id, (session, account) => new Row(
                    session.Id,
                    session.ExpiresAt,
                    account,
                    context.DenyEntries.Any(entry => (entry.Id == first || entry.Id == second || entry.Id == third) && entry.GrantedUntil >= began && entry.ExpiresAt > now)))
                .FirstOrDefault());

    private readonly Func<IdentityDbContext, string[], IAsyncEnumerable<Row>> _many =
        EF.CompileAsyncQuery((IdentityDbContext context, string[] sids) =>
            context.Sessions
                .Where(session => sids.Contains(session.Id) && session.EndedAt == null)
                .Join(context.Accounts.Where(account => account.IsActive), session => session.AccountId, account => account.Id, (session, account) => new Row(session.Id, session.ExpiresAt, account, false)));

    private readonly Func<IdentityDbContext, string[], DateTimeOffset, IAsyncEnumerable<DenyEntryRow>> _denied =
        EF.CompileAsyncQuery((IdentityDbContext context, string[] ids, DateTimeOffset now) => context.DenyEntries.Where(entry => ids.Contains(entry.Id) && entry.ExpiresAt > now));

    public TokenSessions(StoreDatabase database, IDenyList denyList, ISessionStore sessions, TimeProvider timeProvider)
    {
        ArgumentNullException.ThrowIfNull(database);
        (_database, _denyList, _sessions, _timeProvider) = (database, denyList, sessions, timeProvider);
        _grouped = database.IsEmbedded ? null : new(atOnce: 2, database.IsAway, ReadAsync);
    }

    /// <summary>Null where the session has ended or expired, its account is not active, or one of the ids was denied.</summary>
    /// <param name="sessionId"><c>sid</c>.</param>
    /// <param name="ids">What the deny list is asked for.</param>
    /// <param name="began">When it was granted: what was denied before does not concern it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<TokenSession?> FindLiveAsync(string sessionId, string[] ids, DateTimeOffset began, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(ids);
        if (!_denyList.IsInDatabase || _database.SessionCache is not null || ids.Length > 3)
        {
            // Redis answers both, or the chain of exchanges is long.
            return await _denyList.IsDeniedAsync(ids, began, cancellationToken) || await _sessions.FindLiveAsync(sessionId, _timeProvider.GetUtcNow(), cancellationToken) is not { } session
                ? null
                : new TokenSession(session.AccountId.ToString("D"), Account: null);
        }

        var question = new Question(sessionId, ids, began);
        var row = _grouped is null ? await ReadAsync(question, cancellationToken) : await _grouped.ReadAsync(question).WaitAsync(cancellationToken);
        return row is { IsDenied: false } && row.ExpiresAt > _timeProvider.GetUtcNow() ? new TokenSession(row.Account.Id.ToString("D"), SqlAccountStore.Map(row.Account)) : null;
    }

    private Task<Row?> ReadAsync(Question question, CancellationToken cancellationToken)
    {
        var (sid, ids, began) = question;
        var now = _timeProvider.GetUtcNow();
        return _database.ReadAsync((context, token) => _one(context, sid, ids[0], ids[ids.Length / 2], ids[^1], began, now, token), cancellationToken);
    }

    private async Task<IReadOnlyList<Row?>> ReadAsync(IReadOnlyList<Question> questions)
    {
        if (questions is [var only])
        {
            return [await ReadAsync(only, CancellationToken.None)];
        }

        var now = _timeProvider.GetUtcNow();
        string[] sids = [.. questions.Select(question => question.SessionId).Distinct(StringComparer.Ordinal)];
        string[] ids = [.. questions.SelectMany(question => question.Ids).Distinct(StringComparer.Ordinal)];
        var (live, denied) = await _database.ReadAsync(
            async (context, token) =>
            {
                Dictionary<string, Row> rows = new(StringComparer.Ordinal);
                await foreach (var row in _many(context, sids).WithCancellation(token))
                {
                    rows[row.SessionId] = row;
                }

                Dictionary<string, DateTimeOffset> until = new(StringComparer.Ordinal);
                await foreach (var entry in _denied(context, ids, now).WithCancellation(token))
                {
                    until[entry.Id] = entry.GrantedUntil;
                }

                return (rows, until);
            },
            CancellationToken.None);
        return [.. questions.Select(question => live.GetValueOrDefault(question.SessionId) is { } row && !question.Ids.Any(id => denied.TryGetValue(id, out var until) && until >= question.Began) ? row : null)];
    }

    private sealed record Question(string SessionId, string[] Ids, DateTimeOffset Began);

    private sealed record Row(string SessionId, DateTimeOffset ExpiresAt, AccountRow Account, bool IsDenied);
}
