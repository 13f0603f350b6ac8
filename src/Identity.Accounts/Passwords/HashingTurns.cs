// OWASP ASVS 5.0 §15.2.2: work that costs much is bounded, and who costs most of it does not shut out the rest.
namespace Identity.Accounts.Passwords;

/// <summary>Why a password is hashed.</summary>
internal enum HashingReason
{
    /// <summary>By somebody who has an account, or tries to get into one.</summary>
    SignIn,
    /// <summary>For an account that is only being made.</summary>
    Registration,
    /// <summary>A proof that works once was used up for it: it waits however long the line is.</summary>
    Owed,
}

/// <summary>
/// Who hashes next. People who have an account, or try to get into one, go before those who make one: of four places that come free while both wait, three
/// are theirs. A line that would take longer than ten seconds takes nobody more: who is told so at once can try again, and who waits is not.
/// </summary>
internal sealed class HashingTurns(int places, TimeProvider timeProvider)
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);
    private const int Share = 4;
    private const double LongestWork = 1;

    private readonly Lock _lock = new();
    private readonly LinkedList<TaskCompletionSource> _first = new();
    private readonly LinkedList<TaskCompletionSource> _registrations = new();
    private readonly int _places = places;
    private int _free = places;
    private int _sinceRegistration;
    private double _seconds;

    /// <summary>When a place is free. Each is given back by <see cref="Leave"/>.</summary>
    /// <exception cref="HashingBusyException">Too many wait.</exception>
    public async Task EnterAsync(HashingReason reason, CancellationToken cancellationToken)
    {
        var isRegistration = reason == HashingReason.Registration;
        var line = isRegistration ? _registrations : _first;
        LinkedListNode<TaskCompletionSource> turn;
        lock (_lock)
        {
            if (_free > 0)
            {
                _free--;
                return;
            }

            if (reason != HashingReason.Owed && (line.Count + 1) * _seconds * (isRegistration && _first.Count > 0 ? Share : 1) / _places > LongestWait.TotalSeconds)
            {
                throw new HashingBusyException();
            }

            turn = line.AddLast(new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        await using var gone = cancellationToken.Register(() =>
        {
            lock (_lock)
            {
                if (turn.List is not null)
                {
                    line.Remove(turn);
                    turn.Value.SetCanceled(cancellationToken);
                }
            }
        });
        await turn.Value.Task;
    }

    /// <param name="started">When the work began (<see cref="TimeProvider.GetTimestamp"/>): how long it took says how long a line is.</param>
    public void Leave(long started)
    {
        // A machine that slept meanwhile was not busy.
        var took = Math.Min(timeProvider.GetElapsedTime(started).TotalSeconds, LongestWork);
        lock (_lock)
        {
            _seconds = _seconds == 0 ? took : (_seconds * 0.9) + (took * 0.1);
            var line = _first.Count == 0 || (_registrations.Count > 0 && _sinceRegistration >= Share - 1) ? _registrations : _first;
            if (line.First is not { } next)
            {
                _free++;
                return;
            }

            _sinceRegistration = line == _registrations ? 0 : _sinceRegistration + 1;
            line.RemoveFirst();
            next.Value.SetResult();
        }
    }
}
