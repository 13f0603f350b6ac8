namespace Identity.Accounts.Export;

/// <summary>
/// For libraries that write without waiting, to where that is not possible: holds what comes so until somebody waits, and hands it on then.
/// Disposing hands nothing on; a file that was given up must not look whole.
/// </summary>
internal sealed class HeldStream(Stream inner) : Stream
{
    private const int BlockSize = 64 * 1024;

    private readonly List<(byte[] Block, int Length)> _held = [];
    private long _written;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => _written;

    public override long Position
    {
        get => _written;
        set => throw new NotSupportedException();
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        _written += buffer.Length;
        while (buffer.Length > 0)
        {
            if (_held.Count == 0 || _held[^1].Length == BlockSize)
            {
                _held.Add((new byte[BlockSize], 0));
            }

            var (block, length) = _held[^1];
            var piece = Math.Min(buffer.Length, BlockSize - length);
            buffer[..piece].CopyTo(block.AsSpan(length));
            _held[^1] = (block, length + piece);
            buffer = buffer[piece..];
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await HandOnAsync(cancellationToken);
        _written += buffer.Length;
        await inner.WriteAsync(buffer, cancellationToken);
    }

    public override void Flush()
    {
    }

    public override async Task FlushAsync(CancellationToken cancellationToken)
    {
        await HandOnAsync(cancellationToken);
        await inner.FlushAsync(cancellationToken);
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private async ValueTask HandOnAsync(CancellationToken cancellationToken)
    {
        foreach (var (block, length) in _held)
        {
            await inner.WriteAsync(block.AsMemory(0, length), cancellationToken);
        }

        _held.Clear();
    }
}
