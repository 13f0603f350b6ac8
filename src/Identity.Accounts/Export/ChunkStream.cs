namespace Identity.Accounts.Export;

/// <summary>Cuts what is written into pieces for the store.</summary>
internal sealed class ChunkStream(int size, Func<int, byte[], CancellationToken, Task> store) : Stream
{
    private readonly byte[] _buffer = new byte[size];
    private int _filled;
    private int _ordinal;
    private long _length;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => _length;

    public override long Position
    {
        get => _length;
        set => throw new NotSupportedException();
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (buffer.Length > 0)
        {
            var piece = Math.Min(buffer.Length, size - _filled);
            buffer[..piece].CopyTo(_buffer.AsMemory(_filled));
            _filled += piece;
            _length += piece;
            buffer = buffer[piece..];
            if (_filled == size)
            {
                await StoreAsync(cancellationToken);
            }
        }
    }

    /// <summary>Stores what is left, once and at the end.</summary>
    public async Task EndAsync(CancellationToken cancellationToken)
    {
        if (_filled > 0)
        {
            await StoreAsync(cancellationToken);
        }
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
    }

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private async Task StoreAsync(CancellationToken cancellationToken)
    {
        await store(_ordinal, _buffer[.._filled], cancellationToken);
        (_ordinal, _filled) = (_ordinal + 1, 0);
    }
}
