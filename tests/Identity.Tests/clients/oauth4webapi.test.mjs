// npm oauth4webapi, a strict low-level client, against the running server; and as a resource server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importJWK } from 'jose';
import * as oauth from 'oauth4webapi';
import { Browser } from './browser.mjs';
import { clients, issuer, person, redirectUri } from './settings.mjs';

const http = { [oauth.allowInsecureRequests]: true };
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, http));

async function codeFlow(client, auth, more) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: client.client_id, redirect_uri: redirectUri, response_type: 'code', scope: 'openid email offline_access', state, nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...more,
  });
  const callback = await new Browser().authorize(url.href, { ...person, redirectUri });
  const params = oauth.validateAuthResponse(as, client, callback, state);
  const response = await oauth.authorizationCodeGrantRequest(as, client, auth, params, redirectUri, verifier, http);
  return oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: nonce, requireIdToken: true });
}

test('the RFC 8414 document says the same', async () => {
  const other = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { ...http, algorithm: 'oauth2' }));
  assert.deepEqual(other.token_endpoint, as.token_endpoint);
});

test('the access token is an RFC 9068 JWT that a resource server validates', async () => {
  const client = { client_id: clients.public.client_id };
  const tokens = await codeFlow(client, oauth.None());
  const request = new Request('http://api.example/', { headers: { authorization: `Bearer ${tokens.access_token}` } });
  const claims = await oauth.validateJwtAccessToken(as, request, as.issuer, http);
  assert.equal(claims.client_id, client.client_id);
  assert.equal(claims.sub, oauth.getValidatedIdTokenClaims(tokens).sub);
  await assert.rejects(oauth.validateJwtAccessToken(as, request, 'https://another.example', http));
});

test('userinfo, refresh, introspection and revocation with client_secret_basic', async () => {
  const client = { client_id: clients.basic.client_id };
  const auth = oauth.ClientSecretBasic(clients.basic.client_secret);
  const tokens = await codeFlow(client, auth);
  const sub = oauth.getValidatedIdTokenClaims(tokens).sub;
  const info = await oauth.processUserInfoResponse(as, client, sub, await oauth.userInfoRequest(as, client, tokens.access_token, http));
  assert.equal(info.email, person.email);
  const next = await oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token, http));
  const seen = await oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, next.access_token, http));
  assert.equal(seen.active, true);
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, next.refresh_token, http));
  const dead = await oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, next.access_token, http));
  assert.equal(dead.active, false);
});

test('private_key_jwt at the token endpoint', async () => {
  const client = { client_id: clients.jwt.client_id };
  const auth = oauth.PrivateKeyJwt({ key: await importJWK(clients.jwt.jwk, 'ES256'), kid: clients.jwt.jwk.kid });
  const tokens = await codeFlow(client, auth);
  assert.ok(tokens.refresh_token);
});

test('a signed request that is pushed, and a signed answer', async () => {
  const client = { client_id: clients.jwt.client_id };
  const key = { key: await importJWK(clients.jwt.jwk, 'ES256'), kid: clients.jwt.jwk.kid };
  const auth = oauth.PrivateKeyJwt(key);
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const request = await oauth.issueRequestObject(as, client, {
    redirect_uri: redirectUri, response_type: 'code', response_mode: 'jwt', scope: 'openid email', state, max_age: '600', claims: '{"id_token":{"email":null}}',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  }, key);
  const pushed = await oauth.processPushedAuthorizationResponse(as, client, await oauth.pushedAuthorizationRequest(as, client, auth, { request }, http));
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri });
  const callback = await new Browser().authorize(url.href, { ...person, redirectUri });
  const params = await oauth.validateJwtAuthResponse(as, client, callback, state, http);
  const response = await oauth.authorizationCodeGrantRequest(as, client, auth, params, redirectUri, verifier, http);
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: oauth.expectNoNonce, maxAge: 600, requireIdToken: true });
  assert.equal(oauth.getValidatedIdTokenClaims(tokens).email, person.email);
});

test('client credentials', async () => {
  const client = { client_id: clients.service.client_id };
  const response = await oauth.clientCredentialsGrantRequest(as, client, oauth.ClientSecretPost('another secret'), { scope: 'reports.read' }, http);
  assert.equal(response.status, 401);
  assert.equal((await response.json()).error, 'invalid_client');
  // A secret is a secret, wherever in the request it stands.
  for (const auth of [oauth.ClientSecretBasic(clients.service.client_secret), oauth.ClientSecretPost(clients.service.client_secret)]) {
    const right = await oauth.clientCredentialsGrantRequest(as, client, auth, { scope: 'reports.read' }, http);
    const tokens = await oauth.processClientCredentialsResponse(as, client, right);
    assert.equal(tokens.token_type, 'bearer');
  }
});

test('the device grant', async () => {
  const client = { client_id: clients.tv.client_id };
  const asked = await oauth.processDeviceAuthorizationResponse(as, client,
    await oauth.deviceAuthorizationRequest(as, client, oauth.None(), { scope: 'openid email' }, http));
  const poll = async () => oauth.processDeviceCodeResponse(as, client, await oauth.deviceCodeGrantRequest(as, client, oauth.None(), asked.device_code, http));
  await assert.rejects(poll(), e => e.error === 'authorization_pending');
  await assert.rejects(poll(), e => e.error === 'slow_down');
  assert.equal(await new Browser().verify(asked.verification_uri_complete, person, /^Allow$/), 'Your device is connected');
  const tokens = await poll();
  assert.ok(oauth.getValidatedIdTokenClaims(tokens).sid);
  await assert.rejects(poll(), e => e.error === 'invalid_grant');
});

test('an API exchanges a token it was called with for one at the next API (RFC 8693)', async () => {
  const { access_token: subject } = await codeFlow({ client_id: clients.public.client_id }, oauth.None(), { scope: 'openid notes.read orders.read' });
  const client = { client_id: clients.exchanger.client_id };
  const auth = oauth.ClientSecretBasic(clients.exchanger.client_secret);
  const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
  const actor = await oauth.processClientCredentialsResponse(as, client, await oauth.clientCredentialsGrantRequest(as, client, auth, { scope: 'notes.read' }, http));
  const response = await oauth.genericTokenEndpointRequest(as, client, auth, 'urn:ietf:params:oauth:grant-type:token-exchange', {
    subject_token: subject, subject_token_type: accessToken, actor_token: actor.access_token, actor_token_type: accessToken, resource: clients.exchanger.audience,
  }, http);
  const tokens = await oauth.processGenericTokenEndpointResponse(as, client, response);
  assert.equal(tokens.issued_token_type, accessToken);
  assert.equal(tokens.refresh_token, undefined);
  const request = new Request('http://api.example/', { headers: { authorization: `Bearer ${tokens.access_token}` } });
  const claims = await oauth.validateJwtAccessToken(as, request, clients.exchanger.audience, http);
  assert.equal(claims.client_id, client.client_id);
  assert.equal(claims.scope, 'orders.read');
  assert.equal(claims.act.sub, client.client_id);
});
