// Authorization code with PKCE in a browser (RFC 7636, OAuth 2.0 for Browser-Based Applications) with oidc-client-ts. There is no secret: a page can keep none.
const { UserManager } = window.oidc;
const { issuer, api } = await (await fetch('settings.json')).json();

const manager = new UserManager({
  authority: issuer,
  client_id: 'spa',
  redirect_uri: location.origin + '/',
  post_logout_redirect_uri: location.origin + '/',
  scope: 'openid profile email offline_access notes.read',
  automaticSilentRenew: true,   // shortly before the access token ends, by the refresh token
});

const show = (id, text) => { document.getElementById(id).textContent = text; };
const showUser = user => show('status', user ? `Signed in as ${user.profile.email}` : 'Signed out');
const on = (id, action) => document.getElementById(id).addEventListener('click', () => action().catch(error => show('status', `Failed: ${error.error ?? error.message}`)));

on('sign-in', () => manager.signinRedirect());
on('sign-out', () => manager.signoutRedirect());
on('refresh', async () => {
  const before = (await manager.getUser())?.access_token;
  const user = await manager.signinSilent();
  show('answer', user.access_token === before ? 'The same token' : `A new token, for ${user.expires_in} s`);
});
on('notes', async () => {
  const user = await manager.getUser();
  const answer = await fetch(`${api}/notes`, { headers: user ? { Authorization: `Bearer ${user.access_token}` } : {} });
  show('answer', answer.ok ? JSON.stringify(await answer.json()) : `The API says ${answer.status}`);
});

// Called back with a code, or with an error; or opened again.
if (new URLSearchParams(location.search).has('state')) {
  try {
    await manager.signinCallback();
  } catch (error) {
    show('answer', error.message);
  }

  history.replaceState(null, '', '/');   // a code is used once: no reload should send it again
}
showUser(await manager.getUser());
