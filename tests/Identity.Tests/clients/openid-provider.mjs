// npm oidc-provider, as it is and with each thing that OpenAM does otherwise (docs/openam.md): one provider a path, all in this process.
// It prints its address, reads {"clientUrl", "clientJwk"} from standard input, prints "ready", and ends when standard input does.
import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';
import { SignJWT, decodeJwt, decodeProtectedHeader, importJWK } from 'jose';

const secret = 'a-secret-of-the-other-provider-of-32-characters';
const key = (type, options, more) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), use: 'sig', ...more });
const rsa = key('rsa', { modulusLength: 2048 }, { alg: 'RS256', kid: 'rsa/1+=' });
const pss = key('rsa', { modulusLength: 2048 }, { alg: 'PS256', kid: 'pss' });
const ec = key('ec', { namedCurve: 'P-256' }, { alg: 'ES256', kid: 'ec' });
const next = key('rsa', { modulusLength: 2048 }, { alg: 'RS256', kid: 'next' });

// Under another header, with other claims; signed by the provider's key all the same.
async function resign(token, change = (claims) => claims, signer = rsa, header = {}) {
  const claims = change(decodeJwt(token));
  const { alg } = decodeProtectedHeader(token);
  return new SignJWT(claims).setProtectedHeader({ typ: 'JWT', alg: signer === ec ? 'ES256' : alg, kid: signer.kid, ...header }).sign(await importJWK(signer, signer === ec ? 'ES256' : alg));
}
const idToken = (change, signer, header) => ({ token: async (body) => { if (body.id_token) body.id_token = await resign(body.id_token, change, signer, header); } });
const without = (...names) => (document) => { for (const name of names) delete document[name]; };
const answer = (status, body, headers = {}) => (ctx) => { ctx.status = status; ctx.body = body; for (const [name, value] of Object.entries(headers)) ctx.set(name, value); };
const place = (change) => { return (ctx) => { const url = new URL(ctx.response.get('location'), 'http://none.invalid'); if (url.searchParams.has('state')) { change(url.searchParams); ctx.redirect(url.href); } }; };
const once = (error) => { const seen = new Set(); return (ctx) => {
  const { state, redirect_uri: back, client_id: client } = ctx.query;
  if (seen.has(client)) return false;
  seen.add(client);
  const iss = client === 'identity' ? '' : `&iss=${encodeURIComponent(`${origin}${ctx.req.originalUrl.split('/auth')[0]}`)}`;
  ctx.redirect(`${back}?error=${error}&error_description=${encodeURIComponent('The request requires login.')}&state=${encodeURIComponent(state)}${iss}`);
  return true;
}; };

// discovery, token, userinfo: change the answer; authorize: answers instead; back: changes the way back; config and client: the library's own settings.
const dresses = {
  plain: {},
  es256: { client: { id_token_signed_response_alg: 'ES256' } },
  ps256: { client: { id_token_signed_response_alg: 'PS256' } },
  post: { client: { token_endpoint_auth_method: 'client_secret_post' } },
  jwt: { client: { token_endpoint_auth_method: 'private_key_jwt' } },
  'issuer-by-host': {
    discovery: (document) => { document.issuer = document.issuer.replace('127.0.0.1', 'Front.Example.test'); },
    back: place((query) => { if (query.has('iss')) query.set('iss', query.get('iss').replace(/127\.0\.0\.1:\d+/, 'front.example.test:80')); }),
    ...idToken((claims) => ({ ...claims, iss: claims.iss.replace(/127\.0\.0\.1:\d+/, 'BACK.example.test:80') })),
  },
  'realm-alias': {},
  'bare-discovery': { discovery: without('grant_types_supported', 'code_challenge_methods_supported', 'response_modes_supported', 'revocation_endpoint', 'authorization_response_iss_parameter_supported', 'token_endpoint_auth_methods_supported', 'scopes_supported', 'claims_supported') },
  'hidden-revocation': {
    config: { routes: { token: '/access_token', revocation: '/token/revoke' }, issueRefreshToken: async () => true },
    discovery: without('revocation_endpoint'),
  },
  'kid-of-the-rsa-key': { client: { id_token_signed_response_alg: 'ES256' }, ...idToken((claims) => claims, ec, { kid: rsa.kid }) },
  hs256: { client: { id_token_signed_response_alg: 'HS256' } },
  'key-change': {},
  'auth-colon-time': idToken(({ auth_time: time, ...claims }) => ({ ...claims, 'auth:time': time })),
  'auth-colon-time-in-milliseconds': idToken(({ auth_time: time, ...claims }) => ({ ...claims, 'auth:time': time * 1000 })),
  'login-as-typed': {},
  'more-claims': idToken(({ acr, amr, ...claims }) => ({ ...claims, realm: '/partners', auditTrackingId: 'a-1', tokenName: 'id_token', tokenType: 'JWTToken', 'org.forgerock.openidconnect.ops': 'x' })),
  'no-email-verified': { userinfo: (ctx) => { delete ctx.body.email_verified; } },
  'no-challenge-at-userinfo': { userinfo: answer(401, { error: 'invalid_token' }), hidden: ['www-authenticate'] },
  'no-iss-in-errors': { back: place((query) => { if (query.has('error')) query.delete('iss'); }) },
  'interaction-required': { authorize: once('interaction_required'), ...idToken((claims) => ({ ...claims, 'auth:time': claims.iat })) },
  'login-required-on-max-age': { authorize: once('login_required'), ...idToken((claims) => ({ ...claims, 'auth:time': claims.iat })) },
  'permanent-redirect-to-sign-in': { back: (ctx) => { if (ctx.status === 303 || ctx.status === 302) ctx.status = 301; } },
  'redirect-uri-mismatch': { error: answer(400, { error: 'redirect_uri_mismatch' }) },
  'method-not-allowed': { error: answer(400, { error: 'method_not_allowed' }) },
  'server-error-as-400': { error: answer(400, { error: 'server_error' }) },
  'other-client-method': { client: { token_endpoint_auth_method: 'client_secret_post' }, error: answer(400, { error: 'invalid_client' }) },
  'html-fault': { error: answer(500, '<html><title>HTTP Status 500</title></html>', { 'content-type': 'text/html;charset=UTF-8' }) },
  'redirecting-fault': { error: answer(301, '', { location: 'http://127.0.0.1/openam/UI/Login', 'content-type': 'text/html' }) },
  'end-session-by-get-with-hint': { endSession: (ctx) => {
    if (ctx.method !== 'GET') { answer(405, { error: 'method_not_allowed' })(ctx); return true; }
    if (!ctx.query.id_token_hint) { answer(400, { error: 'bad_request' })(ctx); return true; }
    return false;
  } },
};

const seen = [];
const providers = new Map();
let origin;
let clientUrl;
let clientJwk;

function make(name, keys) {
  const dress = dresses[name];
  const at = (path) => [`${clientUrl}/external/${name}/${path}`, `${clientUrl}/external/${name}-strict/${path}`];
  const method = dress.client?.token_endpoint_auth_method ?? 'client_secret_basic';
  const provider = new Provider(`${origin}/${name}`, {
    jwks: { keys },
    clients: ['identity', 'identity-strict'].map((id) => ({
      client_id: id,
      ...(method === 'private_key_jwt' ? { jwks: { keys: [clientJwk] }, token_endpoint_auth_signing_alg: 'ES256' } : { client_secret: secret }),
      token_endpoint_auth_method: method,
      redirect_uris: at('callback'),
      post_logout_redirect_uris: at('signed-out'),
      backchannel_logout_uri: at('backchannel-logout')[id === 'identity' ? 0 : 1],
      backchannel_logout_session_required: true,
      response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token'],
      ...dress.client,
    })),
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['given_name', 'family_name', 'name'] },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, email: `${sub.toLowerCase()}@${name}.example.com`, email_verified: true, given_name: 'Ada', family_name: 'Lovelace' }) }),
    cookies: { keys: [randomBytes(16).toString('hex')], names: { session: `${name}-session`, interaction: `${name}-interaction`, resume: `${name}-resume` } },
    features: { devInteractions: { enabled: true }, revocation: { enabled: true }, backchannelLogout: { enabled: true }, rpInitiatedLogout: { enabled: true } },
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'HS256'], clientAuthSigningAlgValues: ['ES256', 'RS256'] },
    // The application is on loopback, which the library keeps its back channel from.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    // Nobody is asked what the application may know.
    loadExistingGrant: async (ctx) => {
      const grant = new provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope('openid profile email offline_access');
      await grant.save();
      return grant;
    },
    ...dress.config,
  });
  provider.use(async (ctx, following) => {
    // Dressed answers may have any form; the library's checks are over by then.
    const path = ctx.path.replace(/^\/interaction\/.*/, '/interaction').replace(/^\/auth\/.*/, '/auth/resume');
    seen.push(`${name} ${ctx.method} ${path}`);
    if (path === '/auth' && dress.authorize?.(ctx)) return;
    if (path === '/session/end' && dress.endSession?.(ctx)) return;
    await following();
    if (path === '/.well-known/openid-configuration') dress.discovery?.(ctx.body);
    if (path === (dress.config?.routes?.token ?? '/token')) { if (dress.error) dress.error(ctx); else await dress.token?.(ctx.body); }
    if (path === '/me') dress.userinfo?.(ctx);
    for (const header of path === '/me' ? dress.hidden ?? [] : []) ctx.remove(header);
    if (path.startsWith('/auth') && ctx.response.get('location')) dress.back?.(ctx);
  });
  provider.on('backchannel.error', (ctx, error) => seen.push(`${name} back channel: ${error.message} ${error.cause ?? ''}`));
  providers.set(name, provider.callback());
}

const server = createServer((request, response) => {
  const [, name, rest] = /^\/([a-z0-9-]+)(\/.*)$/.exec(request.url) ?? [];
  if (name === 'control') {
    if (rest.startsWith('/rotate/')) make(rest.slice(8), [next]);
    response.end(JSON.stringify(seen));
    return;
  }
  // OpenAM answers for a realm at several addresses.
  const alias = /^\/alias(\/.*)$/.exec(rest ?? '');
  const handler = providers.get(name);
  if (!handler) { response.writeHead(404).end(); return; }
  request.originalUrl = request.url;
  request.url = rest;
  if (alias) { request.url = alias[1]; request.originalUrl = `/${name}${alias[1]}`; }
  handler(request, response);
});
server.listen(0, '127.0.0.1', () => {
  origin = `http://127.0.0.1:${server.address().port}`;
  console.log(origin);
});

const lines = createInterface({ input: process.stdin });
lines.once('line', (line) => {
  ({ clientUrl, clientJwk } = JSON.parse(line));
  for (const name of Object.keys(dresses)) make(name, [rsa, pss, ec]);
  console.log('ready');
});
lines.on('close', () => process.exit(0));
