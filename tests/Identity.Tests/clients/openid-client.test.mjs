// npm openid-client, a certified relying party, against the running server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importJWK } from 'jose';
import * as client from 'openid-client';
import { Browser } from './browser.mjs';
import { clients, issuer, person, redirectUri } from './settings.mjs';

const insecure = { execute: [client.allowInsecureRequests] };
const discover = (id, secret, auth) => client.discovery(issuer, id, secret, auth, insecure);

async function signIn(config, browser = new Browser(), extra = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const nonce = client.randomNonce();
  const state = client.randomState();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: 'openid profile email offline_access',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    nonce, state, ...extra,
  });
  const callback = await browser.authorize(url, { ...person, redirectUri });
  return client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier, expectedNonce: nonce, expectedState: state, idTokenExpected: true });
}

const ways = [
  ['none', () => discover(clients.public.client_id, undefined, client.None())],
  ['client_secret_basic', () => discover(clients.basic.client_id, clients.basic.client_secret, client.ClientSecretBasic(clients.basic.client_secret))],
  ['client_secret_post', () => discover(clients.post.client_id, clients.post.client_secret, client.ClientSecretPost(clients.post.client_secret))],
  ['private_key_jwt', async () => discover(clients.jwt.client_id, undefined,
    client.PrivateKeyJwt({ key: await importJWK(clients.jwt.jwk, 'ES256'), kid: clients.jwt.jwk.kid }))],
];

for (const [name, make] of ways) {
  test(`code + PKCE, userinfo and refresh with ${name}`, async () => {
    const config = await make();
    const tokens = await signIn(config);
    assert.equal(tokens.token_type, 'bearer');
    assert.equal(tokens.expires_in, 3600);
    const claims = tokens.claims();
    const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
    assert.equal(info.email, person.email);

    const next = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.notEqual(next.refresh_token, tokens.refresh_token);
    assert.notEqual(next.access_token, tokens.access_token);
    await client.fetchUserInfo(config, next.access_token, claims.sub);
    await client.tokenRevocation(config, next.refresh_token);
    await assert.rejects(client.refreshTokenGrant(config, next.refresh_token), e => e.error === 'invalid_grant');
  });
}

test('a signed request, plain and pushed, and a signed answer', async () => {
  const key = { key: await importJWK(clients.jwt.jwk, 'ES256'), kid: clients.jwt.jwk.kid };
  const config = await discover(clients.jwt.client_id, undefined, client.PrivateKeyJwt(key));
  client.useJwtResponseMode(config);
  const verifier = client.randomPKCECodeVerifier();
  const nonce = client.randomNonce();
  for (const push of [false, true]) {
    const state = client.randomState();
    const url = await client.buildAuthorizationUrlWithJAR(config, {
      redirect_uri: redirectUri, scope: 'openid email', code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', nonce, state,
    }, key);
    assert.ok(url.searchParams.has('request') && !url.searchParams.has('state'));
    const pushed = push ? await client.buildAuthorizationUrlWithPAR(config, url.searchParams) : url;
    const callback = await new Browser().authorize(pushed, { ...person, redirectUri });
    assert.deepEqual([...callback.searchParams.keys()], ['response']);
    const tokens = await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier, expectedNonce: nonce, expectedState: state, idTokenExpected: true });
    assert.ok(tokens.access_token);
  }
});

test('client credentials, introspection and revocation', async () => {
  const config = await discover(clients.service.client_id, clients.service.client_secret, client.ClientSecretBasic(clients.service.client_secret));
  const tokens = await client.clientCredentialsGrant(config, { scope: 'reports.read' });
  const seen = await client.tokenIntrospection(config, tokens.access_token);
  assert.equal(seen.active, true);
  assert.equal(seen.client_id, clients.service.client_id);
  assert.equal(seen.scope, 'reports.read');
  await client.tokenRevocation(config, tokens.access_token);
  assert.deepEqual(await client.tokenIntrospection(config, tokens.access_token), { active: false });
});

test('single sign-on, prompt=none and RP-initiated logout', async () => {
  const config = await discover(clients.public.client_id, undefined, client.None());
  const browser = new Browser();
  const first = await signIn(config, browser);
  const silent = await signIn(config, browser, { prompt: 'none' });
  assert.equal(silent.claims().sid, first.claims().sid);

  const out = client.buildEndSessionUrl(config, { id_token_hint: silent.id_token, post_logout_redirect_uri: 'http://127.0.0.1:4711/bye', state: 'a b&c=d/é' });
  const at = await browser.go(out.href, {}, 'http://127.0.0.1:4711/bye');
  assert.equal(at.url.searchParams.get('state'), 'a b&c=d/é');
  await assert.rejects(signIn(config, browser, { prompt: 'none' }), e => e.error === 'login_required');
  await assert.rejects(client.fetchUserInfo(config, first.access_token, first.claims().sub));
});

test('the device grant, allowed and denied', async () => {
  const config = await discover(clients.tv.client_id, undefined, client.None());
  for (const [button, heading] of [[/^Allow$/, 'Your device is connected'], [/^Do not allow$/, 'Nothing was allowed']]) {
    const asked = await client.initiateDeviceAuthorization(config, { scope: 'openid email offline_access' });
    assert.equal(asked.interval, 5);
    assert.equal(asked.expires_in, 600);
    // It waits for the interval before it asks the first time: the person answers meanwhile.
    const polling = client.pollDeviceAuthorizationGrant(config, asked);
    polling.catch(() => {});
    assert.equal(await new Browser().verify(asked.verification_uri_complete, person, button), heading);
    if (button.test('Allow')) {
      const tokens = await polling;
      const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
      assert.equal(info.email, person.email);
      await client.refreshTokenGrant(config, tokens.refresh_token);
    } else {
      await assert.rejects(polling, e => e.error === 'access_denied');
    }
  }
});
