namespace Identity.Accounts.Data;

/// <summary>
/// Look-ups that come while others are under way travel together as the next statement: under load a round trip is shared by many, alone each goes at once.
/// None is answered by a statement that began before it was asked, so that what was acknowledged before is seen.
/// </summary>
/// <param name="atOnce">Statements that may be under way at a time.</param>
/// <param name="isOutage">Whether what a statement threw would meet those that wait as well.</param>
/// <param name="read">Answers several look-ups, in their order. What it throws, each of them throws.</param>
public sealed class GroupedReads<TQuestion, TAnswer>(int atOnce, Func<Exception, bool> isOutage, Func<IReadOnlyList<TQuestion>, Task<IReadOnlyList<TAnswer>>> read)
{
    /// <summary>Databases bound the parameters of a statement.</summary>
    private const int MaximumGroup = 200;

    // Two dozen groups: a dozen round trips, a few hundredths of a second, where statements are answered at all. More than this wait at a database that hangs,
    // each with its request in memory, and no sooner answered for waiting.
    internal const int MostWaiting = 5000;

    private readonly Lock _gate = new();
    private readonly Queue<(TQuestion Question, TaskCompletionSource<TAnswer> Answer)> _waiting = new();
    private int _underWay;

    /// <summary>No caller can call it off: it goes on for the others. Who no longer wants to wait leaves the task.</summary>
    /// <exception cref="StoreUnavailableException">Very many wait already; in the task.</exception>
    public Task<TAnswer> ReadAsync(TQuestion question)
    {
        var answer = new TaskCompletionSource<TAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_waiting.Count == MostWaiting)
            {
                return Task.FromException<TAnswer>(new StoreUnavailableException("The database does not answer: very many wait for it already."));
            }

            _waiting.Enqueue((question, answer));
            if (_underWay == atOnce)
            {
                return answer.Task;
            }

            _underWay++;
        }

        // It goes on for others, so not as a part of this caller's trace.
        using (ExecutionContext.IsFlowSuppressed() ? default(AsyncFlowControl?) : ExecutionContext.SuppressFlow())
        {
            _ = WorkAsync();
        }

        return answer.Task;
    }

    // Reads until nothing waits.
    private async Task WorkAsync()
    {
        while (Take() is { Count: > 0 } group)
        {
            try
            {
                var answers = await read([.. group.Select(waiting => waiting.Question)]);
                foreach (var (waiting, answer) in group.Zip(answers))
                {
                    waiting.Answer.SetResult(answer);
                }
            }
            catch (Exception exception)
            {
                // Told to each who asked: an outage is theirs to answer. It would meet those too who wait by now, one time limit after the other.
                foreach (var (_, answer) in isOutage(exception) ? group.Concat(TakeAll()) : group)
                {
                    answer.TrySetException(exception);

                    // Whoever asked may have left.
                    _ = answer.Task.Exception;
                }
            }
        }
    }

    private (TQuestion, TaskCompletionSource<TAnswer>)[] TakeAll()
    {
        lock (_gate)
        {
            var all = _waiting.ToArray();
            _waiting.Clear();
            return all;
        }
    }

    private List<(TQuestion Question, TaskCompletionSource<TAnswer> Answer)> Take()
    {
        lock (_gate)
        {
            List<(TQuestion, TaskCompletionSource<TAnswer>)> group = [];
            while (group.Count < MaximumGroup && _waiting.TryDequeue(out var waiting))
            {
                group.Add(waiting);
            }

            if (group.Count == 0)
            {
                _underWay--;
            }

            return group;
        }
    }
}
