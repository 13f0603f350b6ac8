// JSON Lines, as application/x-ndjson: one value a line, UTF-8.
using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace Identity.Accounts.Import;

/// <summary>A line of what is imported.</summary>
/// <param name="Number">From 1; as an editor counts.</param>
/// <param name="Json">Its bytes; empty for a blank line; longer than <see cref="JsonLines.LongestLine"/> where it was cut off.</param>
public sealed record ImportLine(long Number, ReadOnlyMemory<byte> Json);

/// <summary>Cuts a stream into lines without holding more than one of them.</summary>
public static class JsonLines
{
    public const int LongestLine = 64 * 1024;

    // What is handed on for a line that is longer: it cannot be right, and is refused by its length.
    private static readonly byte[] TooLong = [.. Enumerable.Repeat((byte)' ', LongestLine + 1)];

    public static async IAsyncEnumerable<ImportLine> ReadAsync(Stream stream, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var reader = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 64 * 1024, leaveOpen: true));
        var (number, skipping) = (0L, false);
        try
        {
            while (true)
            {
                var result = await reader.ReadAsync(cancellationToken);
                var buffer = result.Buffer;
                while (buffer.PositionOf((byte)'\n') is { } end)
                {
                    var line = buffer.Slice(0, end);
                    yield return new ImportLine(++number, skipping || line.Length > LongestLine ? TooLong : Trim(line, number));
                    skipping = false;
                    buffer = buffer.Slice(buffer.GetPosition(1, end));
                }

                if (result.IsCompleted)
                {
                    if (skipping || buffer.Length > LongestLine)
                    {
                        yield return new ImportLine(++number, TooLong);
                    }
                    else if (buffer.Length > 0)
                    {
                        yield return new ImportLine(++number, Trim(buffer, number));
                    }

                    yield break;
                }

                if (buffer.Length > LongestLine)
                {
                    (skipping, buffer) = (true, buffer.Slice(buffer.End));
                }

                reader.AdvanceTo(buffer.Start, buffer.End);
            }
        }
        finally
        {
            await reader.CompleteAsync();
        }
    }

    private static byte[] Trim(ReadOnlySequence<byte> line, long number)
    {
        var bytes = line.ToArray().AsSpan();
        if (number == 1 && bytes.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]))
        {
            bytes = bytes[3..];
        }

        return bytes.Trim(" \t\r"u8).ToArray();
    }
}
