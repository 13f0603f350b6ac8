// RFC 7914: scrypt. No library that restores here has it; the test holds it to the RFC's vectors.
using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;

namespace Identity.Accounts.Passwords;

/// <summary>The key derivation function, for verifying hashes that people bring along. Who calls it bounds the cost.</summary>
internal static class Scrypt
{
    private const int WordsPerBlock = 16;

    /// <summary>§6. <paramref name="n"/> is a power of two; it takes 128 · n · r bytes.</summary>
    public static byte[] DeriveKey(ReadOnlySpan<byte> password, ReadOnlySpan<byte> salt, int n, int r, int p, int length)
    {
        var laneBytes = 128 * r;
        var blocks = Rfc2898DeriveBytes.Pbkdf2(password, salt, 1, HashAlgorithmName.SHA256, p * laneBytes);
        var lane = new uint[laneBytes / sizeof(uint)];
        var table = new uint[(long)n * lane.Length];
        for (var i = 0; i < p; i++)
        {
            var bytes = blocks.AsSpan(i * laneBytes, laneBytes);
            Read(bytes, lane);
            Mix(lane, table, n, r);
            Write(lane, bytes);
        }

        return Rfc2898DeriveBytes.Pbkdf2(password, blocks, 1, HashAlgorithmName.SHA256, length);
    }

    // §5: scryptROMix.
    private static void Mix(Span<uint> x, uint[] table, int n, int r)
    {
        var words = x.Length;
        var y = new uint[words];
        for (var i = 0; i < n; i++)
        {
            x.CopyTo(table.AsSpan(i * words, words));
            MixBlocks(x, y, r);
        }

        for (var i = 0; i < n; i++)
        {
            // Integerify: the last 64-byte block as a little-endian number; n is a power of two below 2^32.
            var j = (int)(x[words - WordsPerBlock] & (uint)(n - 1));
            var row = table.AsSpan(j * words, words);
            for (var k = 0; k < words; k++)
            {
                x[k] ^= row[k];
            }

            MixBlocks(x, y, r);
        }
    }

    // §4: scryptBlockMix.
    private static void MixBlocks(Span<uint> b, Span<uint> y, int r)
    {
        Span<uint> x = stackalloc uint[WordsPerBlock];
        b[^WordsPerBlock..].CopyTo(x);
        for (var i = 0; i < 2 * r; i++)
        {
            var block = b.Slice(i * WordsPerBlock, WordsPerBlock);
            for (var k = 0; k < WordsPerBlock; k++)
            {
                x[k] ^= block[k];
            }

            Salsa20Over8(x);
            x.CopyTo(y[(((i / 2) + (i % 2 * r)) * WordsPerBlock)..]);
        }

        y.CopyTo(b);
    }

    // §3: the Salsa20/8 core.
    private static void Salsa20Over8(Span<uint> block)
    {
        Span<uint> x = stackalloc uint[WordsPerBlock];
        block.CopyTo(x);
        for (var round = 0; round < 8; round += 2)
        {
            Quarter(x, 0, 4, 8, 12);
            Quarter(x, 5, 9, 13, 1);
            Quarter(x, 10, 14, 2, 6);
            Quarter(x, 15, 3, 7, 11);
            Quarter(x, 0, 1, 2, 3);
            Quarter(x, 5, 6, 7, 4);
            Quarter(x, 10, 11, 8, 9);
            Quarter(x, 15, 12, 13, 14);
        }

        for (var i = 0; i < WordsPerBlock; i++)
        {
            block[i] += x[i];
        }
    }

    private static void Quarter(Span<uint> x, int a, int b, int c, int d)
    {
        x[b] ^= BitOperations.RotateLeft(x[a] + x[d], 7);
        x[c] ^= BitOperations.RotateLeft(x[b] + x[a], 9);
        x[d] ^= BitOperations.RotateLeft(x[c] + x[b], 13);
        x[a] ^= BitOperations.RotateLeft(x[d] + x[c], 18);
    }

    private static void Read(ReadOnlySpan<byte> bytes, Span<uint> words)
    {
        for (var i = 0; i < words.Length; i++)
        {
            words[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(i * sizeof(uint))..]);
        }
    }

    private static void Write(ReadOnlySpan<uint> words, Span<byte> bytes)
    {
        for (var i = 0; i < words.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes[(i * sizeof(uint))..], words[i]);
        }
    }
}
