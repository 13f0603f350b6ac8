// RFC 7518 §3.1: the key that an algorithm signs with, when it is made.
namespace Identity.OAuth.Keys;

/// <summary>Where new signing keys come from: <see cref="SigningKey.Generate"/>, unless another one is registered before <see cref="OAuthServiceCollectionExtensions.AddIdentityOAuth"/>.</summary>
/// <param name="algorithm">One of <see cref="SigningKey.SupportedAlgorithms"/>.</param>
/// <returns>A private key that nobody had before, as PKCS#8.</returns>
public delegate byte[] PrivateKeySource(string algorithm);
