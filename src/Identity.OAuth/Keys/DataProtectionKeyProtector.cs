// RFC 7517 §4 (keys), at rest: their private halves only under the store's own protection.
using Identity.OAuth.Keys;
using Microsoft.AspNetCore.DataProtection;

namespace Identity.OAuth.Keys;

/// <summary>Signing keys at rest are protected by the key ring that all nodes share.</summary>
internal sealed class DataProtectionKeyProtector(IDataProtectionProvider provider) : IKeyProtector
{
    private readonly IDataProtector _protector = provider.CreateProtector("Identity.SigningKeys", "v1");

    public byte[] Protect(byte[] plaintext) => _protector.Protect(plaintext);

    public byte[] Unprotect(byte[] protectedData) => _protector.Unprotect(protectedData);
}
