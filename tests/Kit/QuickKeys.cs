// RFC 8017 §3.2: an RSA key is two primes, and what follows from them.
using System.Numerics;
using System.Security.Cryptography;
using Identity.OAuth.Keys;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Kit;

/// <summary>
/// RSA keys for tests alone. To find primes is slow, hundreds of servers start here with two keys each, and a fifth of the HTTP tests' processor time went by in OpenSSL. Each key
/// is another one, of two primes that were found for earlier ones; new primes are looked for when all pairs are used up.
/// </summary>
public static class QuickKeys
{
    private static readonly BigInteger s_exponent = 65537;
    private static readonly Lock s_lock = new();
    private static readonly List<BigInteger> s_primes = [];
    private static readonly Queue<(BigInteger P, BigInteger Q)> s_pairs = [];

    /// <summary>A <see cref="PrivateKeySource"/>.</summary>
    public static byte[] Generate(string algorithm)
    {
        if (algorithm == SecurityAlgorithms.EcdsaSha256)
        {
            return SigningKey.Generate(algorithm);
        }

        using var rsa = CreateRsa();
        return rsa.ExportPkcs8PrivateKey();
    }

    /// <summary>A key of 2048 bits, which is the caller's to dispose.</summary>
    public static RSA CreateRsa()
    {
        (BigInteger P, BigInteger Q) pair;
        lock (s_lock)
        {
            if (!s_pairs.TryDequeue(out pair))
            {
                return Find();
            }
        }

        return Combine(pair.P, pair.Q);
    }

    private static RSA Find()
    {
        var rsa = RSA.Create(2048);
        var found = rsa.ExportParameters(includePrivateParameters: true);
        BigInteger[] primes = [Read(found.P!), Read(found.Q!)];
        foreach (var other in s_primes)
        {
            foreach (var prime in primes)
            {
                s_pairs.Enqueue((prime, other));
            }
        }

        s_primes.AddRange(primes);
        return rsa;
    }

    private static RSA Combine(BigInteger p, BigInteger q)
    {
        var totient = (p - 1) * (q - 1);

        // The inverse of a prime exponent: the totient's multiple that is one short of the exponent's, by Fermat.
        var multiple = s_exponent - BigInteger.ModPow(totient % s_exponent, s_exponent - 2, s_exponent);
        var d = ((totient * multiple) + 1) / s_exponent;
        return RSA.Create(new RSAParameters
        {
            Modulus = Write(p * q, 256),
            Exponent = Write(s_exponent, 3),
            D = Write(d, 256),
            P = Write(p, 128),
            Q = Write(q, 128),
            DP = Write(d % (p - 1), 128),
            DQ = Write(d % (q - 1), 128),
            InverseQ = Write(BigInteger.ModPow(q, p - 2, p), 128),
        });
    }

    private static BigInteger Read(byte[] bytes) => new(bytes, isUnsigned: true, isBigEndian: true);

    private static byte[] Write(BigInteger number, int length)
    {
        var bytes = new byte[length];
        var written = number.GetByteCount(isUnsigned: true);
        number.TryWriteBytes(bytes.AsSpan(length - written), out _, isUnsigned: true, isBigEndian: true);
        return bytes;
    }
}
