// npm openid-client and oauth4webapi with DPoP (RFC 9449), at a server that may want nonces.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { Browser } from './browser.mjs';

const issuer = new URL(process.env.ISSUER);
const redirectUri = 'http://127.0.0.1:4711/callback';
const person = { email: process.env.PERSON_EMAIL, password: process.env.PERSON_PASSWORD, redirectUri };
const { PUBLIC_CLIENT, CLIENT_SECRET } = process.env;
const scope = 'openid email offline_access';
const http = { [oauth.allowInsecureRequests]: true };
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, http));

for (const algorithm of ['ES256', 'PS256']) {
  test(`openid-client: a pushed request, code, userinfo and refresh with an ${algorithm} key`, async () => {
    const config = await openid.discovery(issuer, PUBLIC_CLIENT, undefined, openid.None(), { execute: [openid.allowInsecureRequests] });
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair(algorithm));
    const verifier = openid.randomPKCECodeVerifier();
    const state = openid.randomState();
    const url = await openid.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: redirectUri, scope, state, code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    }, { DPoP });
    const callback = await new Browser().authorize(url, person);
    const tokens = await openid.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier, expectedState: state, idTokenExpected: true }, undefined, { DPoP });
    assert.equal(tokens.token_type, 'dpop');
    const sub = tokens.claims().sub;
    assert.equal((await openid.fetchUserInfo(config, tokens.access_token, sub, { DPoP })).email, person.email);
    await assert.rejects(openid.fetchUserInfo(config, tokens.access_token, sub));
    const next = await openid.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
    assert.equal(next.token_type, 'dpop');
    const other = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair(algorithm));
    await assert.rejects(openid.refreshTokenGrant(config, next.refresh_token, undefined, { DPoP: other }), e => e.error === 'invalid_grant');
    await assert.rejects(openid.fetchUserInfo(config, next.access_token, sub, { DPoP: other }));
    assert.equal((await openid.fetchUserInfo(config, next.access_token, sub, { DPoP })).email, person.email);
  });
}

// What a server wants of nonces it tells by refusing once.
async function retried(attempt) {
  try {
    return await attempt();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return attempt();
  }
}

test('oauth4webapi: client credentials, and a resource server that checks the proof', async () => {
  const client = { client_id: 'service' };
  const keys = await oauth.generateKeyPair('ES256');
  const DPoP = oauth.DPoP(client, keys);
  const tokens = await retried(async () => oauth.processClientCredentialsResponse(as, client,
    await oauth.clientCredentialsGrantRequest(as, client, oauth.ClientSecretPost(CLIENT_SECRET), { scope: 'reports.read' }, { ...http, DPoP })));
  assert.equal(tokens.token_type, 'dpop');

  let seen;
  const api = { ...http, [oauth.customFetch]: async (url, options) => { seen = new Request(url, options); return new Response('{}'); } };
  await oauth.protectedResourceRequest(tokens.access_token, 'GET', new URL('https://api.example.com/reports'), undefined, undefined, { ...api, DPoP });
  const claims = await oauth.validateJwtAccessToken(as, seen, 'reports', { ...http, requireDPoP: true });
  assert.equal(claims.cnf.jkt, await DPoP.calculateThumbprint());
});
