// NIST SP 800-38D (AES-GCM): Data Protection's keys at rest.
using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection.XmlEncryption;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Accounts.Data.Keys;

/// <summary>Encrypts a key element with AES-256-GCM under a key derived from the master key.</summary>
internal sealed class MasterKeyXmlEncryptor(MasterKey masterKey) : IXmlEncryptor
{
    internal const string Purpose = "data-protection-xml";
    internal const int NonceLength = 12;
    internal const int TagLength = 16;

    public EncryptedXmlInfo Encrypt(XElement plaintextElement)
    {
        ArgumentNullException.ThrowIfNull(plaintextElement);
        var plaintext = Encoding.UTF8.GetBytes(plaintextElement.ToString(SaveOptions.DisableFormatting));
        var sealedElement = new byte[NonceLength + plaintext.Length + TagLength];
        var nonce = sealedElement.AsSpan(0, NonceLength);
        RandomNumberGenerator.Fill(nonce);
        using (var cipher = new AesGcm(masterKey.Derive(Purpose), TagLength))
        {
            cipher.Encrypt(nonce, plaintext, sealedElement.AsSpan(NonceLength, plaintext.Length), sealedElement.AsSpan(NonceLength + plaintext.Length));
        }

        CryptographicOperations.ZeroMemory(plaintext);
        var element = new XElement(
            "masterKeyEncrypted",
            new XAttribute("algorithm", "A256GCM"),
            new XElement("value", Convert.ToBase64String(sealedElement)));
        return new(element, typeof(MasterKeyXmlDecryptor));
    }
}

/// <summary>The other half; Data Protection makes it by name, through this constructor.</summary>
internal sealed class MasterKeyXmlDecryptor(IServiceProvider services) : IXmlDecryptor
{
    private readonly MasterKey _masterKey = services.GetRequiredService<MasterKey>();

    /// <exception cref="CryptographicException">Another master key, or a changed element.</exception>
    public XElement Decrypt(XElement encryptedElement)
    {
        ArgumentNullException.ThrowIfNull(encryptedElement);
        var sealedElement = Convert.FromBase64String((string?)encryptedElement.Element("value") ?? "");
        var length = sealedElement.Length - MasterKeyXmlEncryptor.NonceLength - MasterKeyXmlEncryptor.TagLength;
        if (length < 0)
        {
            throw new CryptographicException("A stored key is cut short.");
        }

        var plaintext = new byte[length];
        using var cipher = new AesGcm(_masterKey.Derive(MasterKeyXmlEncryptor.Purpose), MasterKeyXmlEncryptor.TagLength);
        cipher.Decrypt(
            sealedElement.AsSpan(0, MasterKeyXmlEncryptor.NonceLength),
            sealedElement.AsSpan(MasterKeyXmlEncryptor.NonceLength, length),
            sealedElement.AsSpan(MasterKeyXmlEncryptor.NonceLength + length),
            plaintext);
        return XElement.Parse(Encoding.UTF8.GetString(plaintext));
    }
}
