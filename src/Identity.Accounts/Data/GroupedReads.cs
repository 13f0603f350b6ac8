namespace Identity.Accounts.Data;

/// <summary>
/// Look-ups that come while others are under way travel together as the next statement: under load a round trip is shared by many, alone each goes at once.
/// None is answered by a statement that began before it was asked, so that what was acknowledged before is seen.
/// </summary>
/// <param name="atOnce">Statements that may be under way at a time.</param>
/// <param name="read">Answers several look-ups, in their order. What it throws, each of them throws.</param>
public sealed class GroupedReads<TQuestion, TAnswer>(int atOnce, Func<IReadOnlyList<TQuestion>, Task<IReadOnlyList<TAnswer>>> read)
{
    /// <summary>Databases bound the parameters of a statement.</summary>
    private const int MaximumGroup = 200;

    private readonly Lock _gate = new();
    private readonly Queue<(TQuestion Question, TaskCompletionSource<TAnswer> Answer)> _waiting = new();
    private int _underWay;

    /// <summary>No caller can call it off: it goes on for the others.</summary>
    public Task<TAnswer> ReadAsync(TQuestion question)
    {
        var answer = new TaskCompletionSource<TAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
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
                // Told to each who asked: an outage is theirs to answer.
                foreach (var (_, answer) in group)
                {
                    answer.TrySetException(exception);
                }
            }
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
