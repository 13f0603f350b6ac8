// A resource server as its author would write it with npm jose: RFC 9068 tokens by the published keys, or HS256 tokens by a shared secret.
// Prints its port, then answers GET with the token's claims, or 401.
import { createServer } from 'node:http';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const [issuer, audience, secret] = process.argv.slice(2);

async function verifier() {
  if (secret) {
    const key = new TextEncoder().encode(secret);
    return token => jwtVerify(token, key, { issuer, audience, algorithms: ['HS256'] });
  }
  const discovery = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  const keys = createRemoteJWKSet(new URL(discovery.jwks_uri));
  return token => jwtVerify(token, keys, { issuer, audience, algorithms: ['ES256'], typ: 'at+jwt' });
}

const verify = await verifier();
const server = createServer(async (request, response) => {
  try {
    const { payload } = await verify((request.headers.authorization ?? '').replace(/^Bearer /, ''));
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(payload));
  } catch (error) {
    response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ error: error.code ?? error.message }));
  }
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
