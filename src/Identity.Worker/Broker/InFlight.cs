namespace Identity.Worker.Broker;

/// <summary>Counts what is being worked on, and tells when it has come to nothing.</summary>
internal sealed class InFlight
{
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _count;
    private bool _closed;

    public bool TryEnter()
    {
        lock (_lock)
        {
            if (_closed)
            {
                return false;
            }

            _count++;
            return true;
        }
    }

    public void Leave()
    {
        lock (_lock)
        {
            if (--_count == 0 && _closed)
            {
                _drained.TrySetResult();
            }
        }
    }

    public Task DrainAsync()
    {
        lock (_lock)
        {
            _closed = true;
            if (_count == 0)
            {
                _drained.TrySetResult();
            }

            return _drained.Task;
        }
    }
}
