// APIs as their authors would write them with npm jose and oauth4webapi: told by APIS which there are, and what each expects.
// /{library}/{name} checks an access token as that library does, JWTs by their signature and reference tokens by introspection;
// with ?ask a JWT is introspected too, which is how an API hears of a revocation. Prints its port.
import { createServer } from 'node:http';
import { createRemoteJWKSet, errors, importJWK, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';

const { issuer, apis } = JSON.parse(process.env.APIS);
const http = { [oauth.allowInsecureRequests]: true };
const as = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), http));
const keys = createRemoteJWKSet(new URL(as.jwks_uri));

class Refused extends Error {}
const refuse = reason => { throw new Refused(reason); };

// RFC 7662 §4: what the answer says has to be meant for this API, too.
const checked = (api, seen) => seen.active !== true ? refuse('inactive')
  : ![].concat(seen.aud).includes(api.audience) ? refuse('aud') : seen.iss !== issuer ? refuse('iss') : seen;

const libraries = {
  jose: {
    // RFC 9068 §4, by hand.
    read: async (api, token) => (await jwtVerify(token, keys, {
      issuer, audience: api.audience, algorithms: [api.alg], typ: api.typ, clockTolerance: 30,
      requiredClaims: ['exp', 'iat', 'sub', 'jti', 'client_id'],
    })).payload,
    // RFC 9701: a signed answer, checked like any JWT.
    ask: async (api, token) => {
      const credentials = [api.client_id, api.client_secret].map(part => encodeURIComponent(part)).join(':');
      const answer = await fetch(as.introspection_endpoint, {
        method: 'POST', body: new URLSearchParams({ token }),
        headers: { accept: 'application/token-introspection+jwt', authorization: `Basic ${btoa(credentials)}` },
      });
      if (answer.status !== 200 || answer.headers.get('content-type') !== 'application/token-introspection+jwt') throw new Error(`introspection answered ${answer.status}`);
      const { payload } = await jwtVerify(await answer.text(), keys, { issuer, audience: api.client_id, algorithms: ['RS256'], typ: 'token-introspection+jwt' });
      return checked(api, payload.token_introspection);
    },
  },
  oauth4webapi: {
    read: (api, token) => oauth.validateJwtAccessToken(as, new Request('http://api/', { headers: { authorization: `Bearer ${token}` } }), api.audience,
      { ...http, signingAlgorithms: [api.alg], [oauth.clockTolerance]: 30 }),
    ask: async (api, token) => {
      const client = { client_id: api.assertion?.client_id ?? api.client_id, introspection_signed_response_alg: api.assertion?.answer_alg };
      const authentication = api.assertion
        ? oauth.PrivateKeyJwt({ key: await importJWK(api.assertion.jwk, 'ES256'), kid: api.assertion.jwk.kid })
        : oauth.ClientSecretBasic(api.client_secret);
      const answer = await oauth.introspectionRequest(as, client, authentication, token, { ...http, requestJwtResponse: api.assertion !== undefined });
      const seen = await oauth.processIntrospectionResponse(as, client, answer);
      if (api.assertion) await oauth.validateApplicationLevelSignature(as, answer, http);
      return checked(api, seen);
    },
  },
};

const isRefusal = error => error instanceof Refused || error instanceof errors.JOSEError
  || error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError
  || (error instanceof TypeError && error.code === 'ERR_INVALID_ARG_VALUE'); // oauth4webapi: a signature that is no base64url

createServer(async (request, response) => {
  const url = new URL(request.url, 'http://api/');
  const [, library, name] = url.pathname.split('/');
  const api = apis.find(candidate => candidate.name === name);
  const answer = (status, body, challenge) => response.writeHead(status, { 'content-type': 'application/json', ...challenge && { 'www-authenticate': challenge } }).end(JSON.stringify(body));
  const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (!token) return answer(401, {}, 'Bearer');
  try {
    const { read, ask } = libraries[library];
    let claims = api.format === 'reference' ? await ask(api, token) : await read(api, token);
    if (url.searchParams.has('ask')) claims = await ask(api, token);
    if (!(claims.scope ?? '').split(' ').includes(api.scope)) return answer(403, claims, `Bearer error="insufficient_scope", scope="${api.scope}"`);
    answer(200, claims);
  } catch (error) {
    // What is not a refusal of the token is a fault of this program, and must not pass for one.
    if (isRefusal(error)) answer(401, { reason: error.code ?? error.message }, 'Bearer error="invalid_token"');
    else answer(500, { fault: String(error.stack) });
  }
}).listen(0, '127.0.0.1', function () { console.log(`listening on ${this.address().port}`); });
process.stdin.on('end', () => process.exit(0)).resume();
