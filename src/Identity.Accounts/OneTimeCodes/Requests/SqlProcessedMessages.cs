using Identity.Accounts.Data;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.OneTimeCodes.Requests;

internal sealed class SqlProcessedMessages(StoreDatabase database) : IProcessedMessages
{
    // Before an answer whose work has begun and was not told done. No answer begins so, and to JSON it is nothing: a version before this one reads the same answer.
    private const string Begun = " ";

    private readonly string _claim = database.Dialect.Upsert(
        "processed_messages",
        ["key"],
        ["key", "claim", "claimed_until", "expires_at"],
        new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["claim"] = "excluded.claim",
            ["claimed_until"] = "excluded.claimed_until",
            ["answer"] = "NULL",
            ["expires_at"] = "excluded.expires_at",
        },
        where: "old.expires_at <= {4}");

    public async Task<MessageClaim> ClaimAsync(string messageId, Guid claim, DateTimeOffset now, DateTimeOffset claimedUntil, DateTimeOffset expiresAt, CancellationToken cancellationToken)
    {
        var key = Text.Hash(messageId);
        object[] values = [key, database.Dialect.Id(claim), database.Dialect.Time(claimedUntil), database.Dialect.Time(expiresAt), database.Dialect.Time(now)];
        if (await database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(_claim, values, token), cancellationToken) == 1)
        {
            return new(MessageState.Claimed, null);
        }

        var again = await database.WriteAsync(
            (context, token) => context.ProcessedMessages
                .Where(r => r.Key == key && r.Answer == null && r.ClaimedUntil <= now)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.Claim, claim).SetProperty(r => r.ClaimedUntil, claimedUntil).SetProperty(r => r.ExpiresAt, expiresAt), token),
            cancellationToken);
        if (again == 1)
        {
            return new(MessageState.ClaimedAgain, null);
        }

        var row = await database.ReadAsync(
            (context, token) => context.ProcessedMessages.Where(r => r.Key == key).Select(r => new { r.Answer, r.ClaimedUntil }).FirstOrDefaultAsync(token),
            cancellationToken);
        return row?.Answer is not { } answer ? new(MessageState.Busy, null)
            : !answer.StartsWith(Begun, StringComparison.Ordinal) ? new(MessageState.Done, answer)
            : new(row.ClaimedUntil > now ? MessageState.Busy : MessageState.InDoubt, null);
    }

    public async Task<bool> TryCommitAsync(string messageId, Guid claim, string answer, DateTimeOffset expiresAt, CancellationToken cancellationToken)
    {
        var key = Text.Hash(messageId);
        return await database.WriteAsync(
            (context, token) => context.ProcessedMessages
                .Where(r => r.Key == key && r.Claim == claim && r.Answer == null)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.Answer, answer).SetProperty(r => r.ExpiresAt, expiresAt), token),
            cancellationToken) == 1;
    }

    public async Task<bool> TryBeginAsync(string messageId, Guid claim, string answer, DateTimeOffset until, DateTimeOffset expiresAt, CancellationToken cancellationToken)
    {
        var key = Text.Hash(messageId);
        var begun = Begun + answer;
        return await database.WriteAsync(
            (context, token) => context.ProcessedMessages
                .Where(r => r.Key == key && r.Claim == claim && r.Answer == null)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.Answer, begun).SetProperty(r => r.ClaimedUntil, until).SetProperty(r => r.ExpiresAt, expiresAt), token),
            cancellationToken) == 1;
    }

    public Task HoldAsync(string messageId, Guid claim, DateTimeOffset until, CancellationToken cancellationToken)
    {
        var key = Text.Hash(messageId);
        return database.WriteAsync(
            (context, token) => context.ProcessedMessages
                .Where(r => r.Key == key && r.Claim == claim && r.Answer != null && r.Answer.StartsWith(Begun))
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.ClaimedUntil, until), token),
            cancellationToken);
    }

    public Task EndAsync(string messageId, Guid claim, CancellationToken cancellationToken)
    {
        var key = Text.Hash(messageId);
        return database.WriteAsync(
            (context, token) => context.ProcessedMessages
                .Where(r => r.Key == key && r.Claim == claim && r.Answer != null && r.Answer.StartsWith(Begun))
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.Answer, r => r.Answer!.Substring(1)), token),
            cancellationToken);
    }

    public Task ReleaseAsync(string messageId, Guid claim, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var key = Text.Hash(messageId);
        return database.WriteAsync(
            (context, token) => context.ProcessedMessages
                .Where(r => r.Key == key && r.Claim == claim)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.Answer, (string?)null).SetProperty(r => r.ClaimedUntil, now), token),
            cancellationToken);
    }

    public Task ForgetAsync(string messageId, Guid claim, CancellationToken cancellationToken)
    {
        var key = Text.Hash(messageId);
        return database.WriteAsync(
            (context, token) => context.ProcessedMessages.Where(r => r.Key == key && r.Claim == claim).ExecuteDeleteAsync(token),
            cancellationToken);
    }
}
