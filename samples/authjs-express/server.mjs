// A web application that signs people in with Auth.js (OpenID Connect code flow with PKCE) and calls an API for them, on Express.
// ISSUER, CLIENT_ID, CLIENT_SECRET and API_URL say where and as whom; AUTH_SECRET encrypts its cookie.
import express from 'express';
import { ExpressAuth, getSession } from '@auth/express';
import { getToken } from '@auth/core/jwt';

const port = Number(process.env.PORT ?? 3100);
const issuer = process.env.ISSUER ?? 'http://localhost:8016';
const api = process.env.API_URL ?? 'http://localhost:3000';
const secret = process.env.AUTH_SECRET ?? 'for this machine only: openssl rand -base64 33';
const home = `http://localhost:${port}/`;

const config = {
  secret,
  trustHost: true,
  providers: [{
    id: 'identity',
    name: 'Identity',
    type: 'oidc',
    issuer,
    clientId: process.env.CLIENT_ID ?? 'authjs',
    clientSecret: process.env.CLIENT_SECRET ?? 'a-secret-of-the-samples-for-this-machine-only',
    authorization: { params: { scope: 'openid profile email notes.read' } },
    checks: ['pkce', 'state', 'nonce'],
  }],
  callbacks: {
    // Kept in an encrypted cookie that scripts cannot read, and so never seen by the page.
    jwt: ({ token, account }) => account ? { ...token, sub: account.providerAccountId, accessToken: account.access_token, idToken: account.id_token } : token,
    session: ({ session, token }) => ({ ...session, sub: token.sub }),
    // After a sign-out people go on to the server's, else they would still be signed in there.
    redirect: ({ url, baseUrl }) => url.startsWith(issuer + '/connect/endsession?') || url.startsWith(baseUrl) ? url : baseUrl,
  },
};

const text = value => String(value ?? '').replace(/[&<>"]/g, sign => `&#${sign.charCodeAt(0)};`);
const button = (label, action, callbackUrl) =>
  `<form method="post" action="/auth/${action}"><input type="hidden" name="csrfToken"><input type="hidden" name="callbackUrl" value="${text(callbackUrl)}"><button>${label}</button></form>`;

const app = express();
app.use(/^\/auth\/(.*)/, ExpressAuth(config));   // a pattern, since Auth.js wants to know what follows /auth/
app.get('/csrf.js', (req, res) => res.type('js').send(
  "fetch('/auth/csrf').then(answer => answer.json()).then(({ csrfToken }) => { document.getElementsByName('csrfToken').forEach(field => { field.value = csrfToken; }); document.body.dataset.ready = Boolean(csrfToken); });"));

app.get('/', async (req, res) => {
  const session = await getSession(req, config);
  const token = session && await getToken({ req, secret, secureCookie: false });
  const signOut = `${issuer}/connect/endsession?${new URLSearchParams({ id_token_hint: token?.idToken ?? '', post_logout_redirect_uri: home })}`;
  res.send(`<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Notes with Auth.js</title><h1>Notes</h1>
    <p>${session ? `Signed in as ${text(session.user.email)}. <a href="/notes">Read notes</a>` : 'Signed out'}</p>
    ${session ? button('Sign out', 'signout', signOut) : button('Sign in', 'signin/identity', '/')}<script src="/csrf.js"></script>`);
});

app.get('/notes', async (req, res) => {
  const token = await getToken({ req, secret, secureCookie: false });
  if (!token) return res.redirect('/');
  const answer = await fetch(`${api}/notes`, { headers: { Authorization: `Bearer ${token.accessToken}` } });
  res.status(answer.ok ? 200 : 502).type('json').send(answer.ok ? await answer.text() : { error: `The API says ${answer.status}` });
});

app.listen(port, 'localhost', () => console.log(`listening on ${port}: ${home}`));
