// RFC 7517 §4 (keys), at rest: their private halves only under the store's own protection.
using Microsoft.AspNetCore.DataProtection;

namespace Identity.OAuth.Keys;

/// <summary>Encrypts signing keys at rest by the key ring that all nodes share.</summary>
public sealed class KeyProtector(IDataProtectionProvider provider)
{
    private readonly IDataProtector _protector = provider.CreateProtector("Identity.SigningKeys", "v1");

    public byte[] Protect(byte[] plaintext) => _protector.Protect(plaintext);

    /// <exception cref="System.Security.Cryptography.CryptographicException">It was protected under another key ring.</exception>
    public byte[] Unprotect(byte[] protectedData) => _protector.Unprotect(protectedData);
}
