// NIST SP 800-38D (AES-GCM): values that must be read again and that nobody may read in the database.
using System.Security.Cryptography;
using System.Text;

namespace Identity.Accounts.Data.Keys;

/// <summary>AES-256-GCM under a key derived from the master key for one purpose. What a value belongs to is authenticated with it: moved to another row it does not open.</summary>
internal sealed class SealedText(MasterKey masterKey, string purpose)
{
    private const int NonceLength = 12;
    private const int TagLength = 16;

    private readonly byte[] _key = masterKey.Derive(purpose);

    public byte[] Seal(string text, Guid owner)
    {
        var plain = Encoding.UTF8.GetBytes(text);
        var result = new byte[NonceLength + plain.Length + TagLength];
        RandomNumberGenerator.Fill(result.AsSpan(0, NonceLength));
        using var cipher = new AesGcm(_key, TagLength);
        cipher.Encrypt(result.AsSpan(0, NonceLength), plain, result.AsSpan(NonceLength, plain.Length), result.AsSpan(NonceLength + plain.Length), owner.ToByteArray(bigEndian: true));
        return result;
    }

    /// <exception cref="CryptographicException">Another master key, another owner, or a changed value.</exception>
    public string Open(byte[] value, Guid owner)
    {
        var length = value.Length - NonceLength - TagLength;
        if (length < 0)
        {
            throw new CryptographicException("A sealed value is cut short.");
        }

        var plain = new byte[length];
        using var cipher = new AesGcm(_key, TagLength);
        cipher.Decrypt(value.AsSpan(0, NonceLength), value.AsSpan(NonceLength, length), value.AsSpan(NonceLength + length), plain, owner.ToByteArray(bigEndian: true));
        return Encoding.UTF8.GetString(plain);
    }
}
