// npm oauth4webapi and openid-client with a certificate (RFC 8705), by the addresses that discovery names for it.
import assert from 'node:assert/strict';
import https from 'node:https';
import { test } from 'node:test';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { Browser } from './browser.mjs';

const issuer = new URL(process.env.ISSUER);
const redirectUri = 'http://127.0.0.1:4711/callback';
const tls = { cert: process.env.CLIENT_CERTIFICATE, key: process.env.CLIENT_KEY, ca: process.env.SERVER_CERTIFICATE };

// Node's fetch takes no certificate.
function withCertificate(url, options) {
  const target = new URL(url);
  if (target.protocol !== 'https:') return fetch(target, options);
  return new Promise((resolve, reject) => {
    const request = https.request(target, { ...tls, method: options.method, headers: Object.fromEntries(new Headers(options.headers)) }, answer => {
      const parts = [];
      answer.on('data', part => parts.push(part));
      answer.on('end', () => resolve(new Response(Buffer.concat(parts), { status: answer.statusCode, headers: Object.entries(answer.headers).flatMap(([name, value]) => [value].flat().map(one => [name, one])) })));
    });
    request.on('error', reject);
    request.end(options.body ? String(options.body) : undefined);
  });
}

const http = { [oauth.allowInsecureRequests]: true, [oauth.customFetch]: withCertificate };
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, http));

test('oauth4webapi: tls_client_auth at the alias of the token endpoint', async () => {
  const client = { client_id: 'stock', use_mtls_endpoint_aliases: true };
  const tokens = await oauth.processClientCredentialsResponse(as, client, await oauth.clientCredentialsGrantRequest(as, client, oauth.TlsClientAuth(), { scope: 'reports.read' }, http));
  const seen = await oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, oauth.TlsClientAuth(), tokens.access_token, http));
  assert.equal(seen.active, true);
  assert.ok(seen.cnf['x5t#S256']);
});

test('oauth4webapi: a public client with bound tokens signs in, asks userinfo and refreshes', async () => {
  const client = { client_id: 'bound-app', use_mtls_endpoint_aliases: true };
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: client.client_id, redirect_uri: redirectUri, response_type: 'code', scope: 'openid email offline_access', state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });
  const callback = await new Browser().authorize(url.href, { email: process.env.PERSON_EMAIL, password: process.env.PERSON_PASSWORD, redirectUri });
  const params = oauth.validateAuthResponse(as, client, callback, state);
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), params, redirectUri, verifier, http));
  const sub = oauth.getValidatedIdTokenClaims(tokens).sub;
  const info = await oauth.processUserInfoResponse(as, client, sub, await oauth.userInfoRequest(as, client, tokens.access_token, http));
  assert.equal(info.email, process.env.PERSON_EMAIL);
  const bare = await oauth.userInfoRequest(as, { client_id: client.client_id }, tokens.access_token, http);
  assert.equal(bare.status, 401);
  const next = await oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(as, client, oauth.None(), tokens.refresh_token, http));
  assert.notEqual(next.refresh_token, tokens.refresh_token);
});

test('openid-client: tls_client_auth', async () => {
  const config = await openid.discovery(issuer, 'stock', { use_mtls_endpoint_aliases: true }, openid.TlsClientAuth(), { execute: [openid.allowInsecureRequests], [openid.customFetch]: withCertificate });
  const tokens = await openid.clientCredentialsGrant(config, { scope: 'reports.read' });
  assert.equal((await openid.tokenIntrospection(config, tokens.access_token)).active, true);
});
