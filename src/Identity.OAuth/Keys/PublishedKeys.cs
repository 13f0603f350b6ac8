// RFC 7517 and OpenID Connect Core §10.1.1: the keys of the store as OpenIddict's, followed while the server runs, at every node.
using Identity.Accounts.Data.Keys;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Server;

namespace Identity.OAuth.Keys;

/// <summary>Every published key is a signing key to OpenIddict, so that it is in the key set; which of them signs is decided for each token.</summary>
internal sealed class PublishedKeys(KeyRing ring, MasterKey masterKey) : IConfigureOptions<OpenIddictServerOptions>, IOptionsChangeTokenSource<OpenIddictServerOptions>
{
    public string Name => Options.DefaultName;

    public void Configure(OpenIddictServerOptions options)
    {
        // ES256 first: what has no algorithm of its own is signed with the first.
        options.SigningCredentials.AddRange(ring.Published.OrderBy(key => key.Algorithm, StringComparer.Ordinal).Select(key => key.Credentials));

        // Codes and requests at rest: the same key on every node, and not in the database.
        options.EncryptionCredentials.Add(new EncryptingCredentials(
            new SymmetricSecurityKey(masterKey.Derive("openiddict-encryption")),
            SecurityAlgorithms.Aes256KW,
            SecurityAlgorithms.Aes256CbcHmacSha512));
    }

    public IChangeToken GetChangeToken() => ring.Changed;
}
