// PHC string format; bcrypt; RFC 9106 (Argon2); RFC 8018 §5.2 (PBKDF2); RFC 7914 (scrypt): hashes that other systems made.
using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Org.BouncyCastle.Crypto.Generators;
using Org.BouncyCastle.Crypto.Parameters;

namespace Identity.Accounts.Passwords;

/// <summary>
/// A password hash of another system, by its form. What it costs to check is bounded before anything is computed: the parameters come
/// from whoever filled the store, and a hash of a gigabyte or a minute would be paid for at every guess.
/// </summary>
internal abstract partial record BroughtHash
{
    /// <summary>Longest that is kept.</summary>
    public const int MaximumLength = 512;

    /// <summary>PBKDF2 rounds. Django 6 takes 1,200,000.</summary>
    public const int MaximumIterations = 2_000_000;

    /// <summary>bcrypt's exponent: about a second of one core.</summary>
    public const int MaximumBcryptCost = 14;

    /// <summary>KiB that Argon2 or scrypt may fill.</summary>
    public const int MaximumMemory = 256 * 1024;

    /// <summary>KiB written in all: memory times passes.</summary>
    public const int MaximumWork = 1024 * 1024;

    // Hashes that fill this much (KiB) are checked one at a time, else as many gigabytes could be asked for as there are cores.
    private const int MuchMemory = 32 * 1024;

    private const int ShortestKey = 16;
    private const int LongestKey = 128;

    private static readonly Lock MuchMemoryGate = new();

    /// <summary>Why a hash cannot be taken, as the end of a sentence that begins with the member's name; null: it can be checked here.</summary>
    public static string? FindProblem(string text)
    {
        if (text.Length > MaximumLength || text.Any(c => c is < '!' or > '~'))
        {
            return "must be at most 512 printable ASCII characters";
        }

        string? problem = null;
        return IsIdentityFormat(text) || Parse(text, out problem) is not null ? null : problem;
    }

    /// <summary>Null where it is of no form that is known here, or asks for more than is allowed.</summary>
    public static BroughtHash? Parse(string text) => text.Length > MaximumLength ? null : Parse(text, out _);

    /// <summary>Whether it is the format of ASP.NET Core Identity (v2, or v3 with bearable parameters), which its own hasher reads.</summary>
    public static bool IsIdentityFormat(string text)
    {
        Span<byte> bytes = stackalloc byte[MaximumLength];
        if (text.Length is 0 or > MaximumLength || !Convert.TryFromBase64String(text, bytes, out var length))
        {
            return false;
        }

        // v3: marker, PRF, iterations, length of the salt, salt, subkey. v2: marker, salt of 16, subkey of 32.
        return bytes[0] switch
        {
            0 => length == 49,
            1 => length >= 13 + 16 + 16
                && BinaryPrimitives.ReadUInt32BigEndian(bytes[1..]) <= 2
                && BinaryPrimitives.ReadUInt32BigEndian(bytes[5..]) is >= 1 and <= MaximumIterations
                && BinaryPrimitives.ReadUInt32BigEndian(bytes[9..]) is >= 16 and <= 64 and var salt
                && length >= 13 + salt + 16,
            _ => false,
        };
    }

    /// <summary>The form's name, for the log: never a piece of the hash itself.</summary>
    public static string Describe(string text) => Form().Match(text) is { Success: true } match ? match.Groups["form"].Value : "unrecognized";

    public abstract bool Matches(string password);

    private static BroughtHash? Parse(string text, out string problem)
    {
        problem = "is of a form that cannot be checked here";
        if (BcryptForm().Match(text) is { Success: true } bcrypt)
        {
            var cost = Number(bcrypt.Groups["cost"]);
            return Within(cost is >= 4 and <= MaximumBcryptCost, new Bcrypt(text), ref problem);
        }

        if (Argon2Form().Match(text) is { Success: true } argon2 && Bytes(argon2.Groups["salt"]) is { Length: >= 8 and <= 64 } argonSalt && ReadKey(argon2.Groups["key"]) is { } argonKey)
        {
            var (memory, passes, lanes) = (Number(argon2.Groups["m"]), Number(argon2.Groups["t"]), Number(argon2.Groups["p"]));
            return Within(
                lanes is >= 1 and <= 16 && passes >= 1 && memory >= 8 * lanes && memory <= MaximumMemory && (long)memory * passes <= MaximumWork,
                new Argon2(argon2.Groups["kind"].Value == "id", memory, passes, lanes, argonSalt, argonKey),
                ref problem);
        }

        if (Pbkdf2Form().Match(text) is { Success: true } pbkdf2 && Bytes(pbkdf2.Groups["salt"]) is { Length: >= 4 and <= 128 } salt && ReadKey(pbkdf2.Groups["key"]) is { } key)
        {
            var iterations = Number(pbkdf2.Groups["i"]);
            return Within(iterations is >= 1 and <= MaximumIterations, new Pbkdf2(ReadDigest(pbkdf2.Groups["digest"].Value), iterations, salt, key), ref problem);
        }

        if (DjangoForm().Match(text) is { Success: true } django && ReadKey(django.Groups["key"]) is { } djangoKey)
        {
            var iterations = Number(django.Groups["i"]);
            return Within(
                iterations is >= 1 and <= MaximumIterations,
                new Pbkdf2(ReadDigest(django.Groups["digest"].Value), iterations, Encoding.ASCII.GetBytes(django.Groups["salt"].Value), djangoKey),
                ref problem);
        }

        if (ScryptForm().Match(text) is { Success: true } scrypt && Bytes(scrypt.Groups["salt"]) is { Length: >= 4 and <= 128 } scryptSalt && ReadKey(scrypt.Groups["key"]) is { } scryptKey)
        {
            var (ln, r, p) = (Number(scrypt.Groups["ln"]), Number(scrypt.Groups["r"]), Number(scrypt.Groups["p"]));
            var memory = ln is >= 1 and <= 24 && r is >= 1 and <= 1024 ? (r << ln) / 8L : long.MaxValue;
            return Within(
                p is >= 1 and <= 64 && memory <= MaximumMemory && 2 * memory * p <= MaximumWork,
                new ScryptHash(1 << Math.Min(ln, 24), r, p, scryptSalt, scryptKey),
                ref problem);
        }

        return null;
    }

    private static BroughtHash? Within(bool bearable, BroughtHash hash, ref string problem)
    {
        problem = bearable ? "" : "costs more to check than is allowed here";
        return bearable ? hash : null;
    }

    private static int Number(Group group) => int.TryParse(group.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : int.MaxValue;

    private static byte[]? ReadKey(Group group) => Bytes(group) is { Length: >= ShortestKey and <= LongestKey } key ? key : null;

    // PHC leaves the padding out; passlib writes '.' for '+'.
    private static byte[]? Bytes(Group group)
    {
        var text = group.Value.TrimEnd('=').Replace('.', '+');
        var bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text.PadRight((text.Length + 3) / 4 * 4, '='), bytes, out var length) ? bytes[..length] : null;
    }

    private static HashAlgorithmName ReadDigest(string name) => name switch
    {
        "" or "sha1" => HashAlgorithmName.SHA1,
        "sha256" => HashAlgorithmName.SHA256,
        "sha384" => HashAlgorithmName.SHA384,
        "sha512" => HashAlgorithmName.SHA512,
        _ => throw new ArgumentOutOfRangeException(nameof(name)),
    };

    private static bool WithMuchMemory(int kibibytes, Func<bool> work)
    {
        if (kibibytes < MuchMemory)
        {
            return work();
        }

        lock (MuchMemoryGate)
        {
            return work();
        }
    }

    [GeneratedRegex(@"^\$2[aby]\$(?<cost>[0-9]{2})\$[./A-Za-z0-9]{53}\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex BcryptForm();

    // Version 0x13 alone: what is older than 2016 has another inner function.
    [GeneratedRegex(@"^\$argon2(?<kind>id|i)\$v=19\$m=(?<m>[0-9]{1,8}),t=(?<t>[0-9]{1,4}),p=(?<p>[0-9]{1,3})\$(?<salt>[A-Za-z0-9+/]+)\$(?<key>[A-Za-z0-9+/]+)\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Argon2Form();

    [GeneratedRegex(@"^\$pbkdf2(?:-(?<digest>sha1|sha256|sha384|sha512))?\$(?:i=)?(?<i>[0-9]{1,8})(?:,l=[0-9]{1,3})?\$(?<salt>[A-Za-z0-9+/.]+={0,2})\$(?<key>[A-Za-z0-9+/.]+={0,2})\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Pbkdf2Form();

    [GeneratedRegex(@"^pbkdf2_(?<digest>sha1|sha256)\$(?<i>[0-9]{1,8})\$(?<salt>[!-#%-~]{1,128})\$(?<key>[A-Za-z0-9+/]+={0,2})\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex DjangoForm();

    [GeneratedRegex(@"^\$scrypt\$ln=(?<ln>[0-9]{1,2}),r=(?<r>[0-9]{1,4}),p=(?<p>[0-9]{1,3})\$(?<salt>[A-Za-z0-9+/.]+={0,2})\$(?<key>[A-Za-z0-9+/.]+={0,2})\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex ScryptForm();

    [GeneratedRegex(@"^\$?(?<form>[a-z][a-z0-9_-]{0,19}|[0-9][a-z]?)\$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Form();

    private sealed record Bcrypt(string Text) : BroughtHash
    {
        public override bool Matches(string password) => BCrypt.Net.BCrypt.Verify(password, Text);
    }

    private sealed record Argon2(bool IsId, int Memory, int Passes, int Lanes, byte[] Salt, byte[] Key) : BroughtHash
    {
        public override bool Matches(string password) => WithMuchMemory(Memory, () =>
        {
            var argon2 = new Argon2BytesGenerator();
            argon2.Init(new Argon2Parameters.Builder(IsId ? Argon2Parameters.Argon2id : Argon2Parameters.Argon2i)
                .WithVersion(Argon2Parameters.Version13).WithMemoryAsKB(Memory).WithIterations(Passes).WithParallelism(Lanes).WithSalt(Salt).Build());
            var key = new byte[Key.Length];
            argon2.GenerateBytes(Encoding.UTF8.GetBytes(password), key);
            return CryptographicOperations.FixedTimeEquals(key, Key);
        });
    }

    private sealed record Pbkdf2(HashAlgorithmName Digest, int Iterations, byte[] Salt, byte[] Key) : BroughtHash
    {
        public override bool Matches(string password) =>
            CryptographicOperations.FixedTimeEquals(Rfc2898DeriveBytes.Pbkdf2(Encoding.UTF8.GetBytes(password), Salt, Iterations, Digest, Key.Length), Key);
    }

    private sealed record ScryptHash(int N, int R, int P, byte[] Salt, byte[] Key) : BroughtHash
    {
        public override bool Matches(string password) => WithMuchMemory(
            (int)((long)N * R / 8),
            () => CryptographicOperations.FixedTimeEquals(SCrypt.Generate(Encoding.UTF8.GetBytes(password), Salt, N, R, P, Key.Length), Key));
    }
}
