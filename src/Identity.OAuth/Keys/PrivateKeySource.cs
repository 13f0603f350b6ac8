// RFC 7517 §9.3: where private keys come from.
namespace Identity.OAuth.Keys;

/// <summary>Where new signing keys come from: <see cref="SigningKey.Generate"/>, unless another one is registered before <see cref="OAuthServiceCollectionExtensions.AddIdentityOAuth"/>.</summary>
/// <param name="algorithm">One of <see cref="SigningKey.SupportedAlgorithms"/>.</param>
/// <returns>A private key that nobody had before, as PKCS#8.</returns>
public delegate byte[] PrivateKeySource(string algorithm);
