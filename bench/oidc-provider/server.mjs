// npm oidc-provider for bench/run.sh: in memory, ES256 JWTs for client credentials, introspection of opaque ones.
//   node server.mjs PORT
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

const port = Number(process.argv[2]);
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: [{ ...key, use: 'sig', alg: 'ES256', kid: 'bench' }] },
  clients: [{ client_id: 'bench', client_secret: process.env.BENCH_SECRET, grant_types: ['client_credentials'], redirect_uris: [], response_types: [], id_token_signed_response_alg: 'ES256' }],
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx) => (ctx.oidc.params.scope?.includes('opaque') ? undefined : 'urn:api'),
      getResourceServerInfo: () => ({ scope: 'api', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
    },
  },
  scopes: ['api', 'opaque'],
  ttl: { ClientCredentials: 3600 },
});
provider.listen(port, '127.0.0.1');
