using Identity.Accounts.Data;
using Identity.Tests.Kit;

namespace Identity.Data.Tests.Sql;

public sealed class GroupedReadsTests
{
    // Statements that answer when the test says so.
    private readonly List<(IReadOnlyList<int> Questions, TaskCompletionSource<IReadOnlyList<string>> Answer)> _statements = [];
    private readonly GroupedReads<int, string> _reads;

    public GroupedReadsTests() => _reads = new(atOnce: 1, exception => exception is StoreUnavailableException, questions =>
    {
        _statements.Add((questions, new()));
        return _statements[^1].Answer.Task;
    });

    [Fact]
    public async Task Read_WhenNothingIsUnderWay_GoesAtOnceAndAlone()
    {
        var one = _reads.ReadAsync(1);
        Assert.Equal([1], Assert.Single(_statements).Questions);
        Answer(0);
        Assert.Equal("1", await one);

        var two = _reads.ReadAsync(2);
        Answer(1);
        Assert.Equal("2", await two);
    }

    [Fact]
    public async Task Read_WhileAnotherIsUnderWay_IsNotAnsweredByItAndTravelsWithTheNext()
    {
        var first = _reads.ReadAsync(1);
        var waiting = Enumerable.Range(2, 450).Select(_reads.ReadAsync).ToArray();
        Assert.Single(_statements);
        Answer(0);
        Assert.Equal("1", await first);
        for (var next = 1; next <= 3; next++)
        {
            Assert.Equal(next + 1, _statements.Count);
            Answer(next);
        }

        Assert.Equal([1, 200, 200, 50], _statements.Select(statement => statement.Questions.Count));
        Assert.Equal(Enumerable.Range(2, 450).Select(question => $"{question}"), await Task.WhenAll(waiting));
    }

    [Fact]
    public async Task Read_WhenItsStatementFails_FailsForEachAndTheNextIsReadAgain()
    {
        var first = _reads.ReadAsync(1);
        var second = _reads.ReadAsync(2);
        var third = _reads.ReadAsync(3);
        Answer(0);
        await first;
        _statements[1].Answer.SetException(new StoreUnavailableException("away"));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => second);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => third);

        var fourth = _reads.ReadAsync(4);
        Answer(2);
        Assert.Equal("4", await fourth);
    }

    [Fact]
    public async Task Read_WhenTheStoreIsAway_FailsForEachWhoWaitsByThen_AndForNobodyAfter()
    {
        var first = _reads.ReadAsync(1);
        var waiting = Enumerable.Range(2, 450).Select(_reads.ReadAsync).ToArray();
        _statements[0].Answer.SetException(new StoreUnavailableException("away"));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => first);
        foreach (var one in waiting)
        {
            await Assert.ThrowsAsync<StoreUnavailableException>(() => one);
        }

        Assert.Single(_statements);
        var after = _reads.ReadAsync(500);
        Answer(1);
        Assert.Equal("500", await after);
    }

    [Fact]
    public async Task Read_WhenItsStatementIsWrong_FailsForItsGroupAlone()
    {
        var first = _reads.ReadAsync(1);
        var second = _reads.ReadAsync(2);
        _statements[0].Answer.SetException(new InvalidOperationException("A bug."));
        await Assert.ThrowsAsync<InvalidOperationException>(() => first);
        Answer(1);
        Assert.Equal("2", await second);
    }

    [Fact]
    public async Task Read_WhenVeryManyWait_IsRefusedAtOnce_AndNotOnceTheyAreAnswered()
    {
        var first = _reads.ReadAsync(1);
        var waiting = Enumerable.Range(2, GroupedReads<int, string>.MostWaiting).Select(_reads.ReadAsync).ToArray();
        var refused = _reads.ReadAsync(0);
        Assert.True(refused.IsFaulted);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => refused);

        for (var next = 0; next < _statements.Count; next++)
        {
            Answer(next);
        }

        await first;
        await Task.WhenAll(waiting);
        var after = _reads.ReadAsync(0);
        Answer(_statements.Count - 1);
        Assert.Equal("0", await after);
    }

    // Outages and answers while others come: each is told one or the other, and none waits for ever.
    [Fact]
    public async Task Read_WhileTheStoreComesAndGoes_IsAnsweredOrRefusedForEach()
    {
        var turn = 0;
        var reads = new GroupedReads<int, string>(atOnce: 2, exception => exception is StoreUnavailableException, async questions =>
        {
            await Task.Yield();
            return Interlocked.Increment(ref turn) % 3 == 0 ? throw new StoreUnavailableException("away") : [.. questions.Select(question => $"{question}")];
        });
        var (answered, refused) = (0, 0);
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Task.Run(async () =>
        {
            for (var j = 0; j < 200; j++)
            {
                try
                {
                    Assert.Equal($"{(i * 1000) + j}", await reads.ReadAsync((i * 1000) + j).WaitAsync(TimeLimit.Patience));
                    Interlocked.Increment(ref answered);
                }
                catch (StoreUnavailableException)
                {
                    Interlocked.Increment(ref refused);
                }
            }
        })));
        Assert.Equal(50 * 200, answered + refused);
        Assert.True(answered > 0 && refused > 0, $"{answered} answered, {refused} refused");
    }

    [Fact]
    public async Task Read_FiftyAtOnce_AreEachAnsweredTheirOwn()
    {
        var reads = new GroupedReads<int, string>(atOnce: 2, _ => false, async questions =>
        {
            await Task.Yield();
            return [.. questions.Select(question => $"{question}")];
        });
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Task.Run(async () =>
        {
            for (var j = 0; j < 200; j++)
            {
                Assert.Equal($"{(i * 1000) + j}", await reads.ReadAsync((i * 1000) + j));
            }

            return i;
        })));
        Assert.Equal(50, answers.Length);
    }

    private void Answer(int statement) => _statements[statement].Answer.SetResult([.. _statements[statement].Questions.Select(question => $"{question}")]);
}
